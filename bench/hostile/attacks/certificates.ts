import { deflateSync } from 'node:zlib';
import type { Certificate, HandshakeMessage } from '../../../src/wire/index.ts';
import type { Attack } from '../attack.ts';
import { Liar } from '../liar.ts';

/** Certificate messages, from servers and from clients, that are too much of something. */
interface Kind {
  readonly name: string;
  readonly counted: string;
  readonly limit: string;
  readonly fault: string;
  readonly instead: (message: Certificate) => HandshakeMessage;
}

const repeat = (message: Certificate, times: number): Certificate => ({
  ...message,
  entries: Array.from({ length: times }, () => message.entries[0]!),
});

/** Made once: it takes longer than the attack. */
let bomb: Uint8Array | undefined;

const KINDS: readonly Kind[] = [
  {
    name: 'a chain of 17 certificates',
    counted: 'certificates',
    limit: 'limits.certificateChainLength, 16',
    fault: 'certificate.too_many',
    instead: (message) => repeat(message, 17),
  },
  {
    name: 'a chain of 8 MB',
    counted: 'length in the header of the message',
    limit: 'limits.certificateLength, 131,072',
    fault: 'handshake.too_long',
    instead: (message) => repeat(message, 20_000),
  },
  {
    name: 'a chain of 120 KB that is no chain',
    counted: 'length in the header of the message',
    limit: 'limits.certificateLength, 131,072, and certificateChainLength, 16',
    fault: 'certificate.unparsable',
    instead: (message) => ({
      ...message,
      entries: [{ certificate: new Uint8Array(120_000).fill(0x30), extensionTypes: [] }],
    }),
  },
  {
    name: 'a compressed certificate that claims 16 MiB',
    counted: 'the length that it claims',
    limit: 'limits.certificateLength, 131,072',
    fault: 'certificate.too_long_uncompressed',
    instead: () => ({
      type: 'compressed_certificate',
      algorithm: 1,
      uncompressedLength: 0xff_ffff,
      compressed: deflateSync(new Uint8Array(1_000)),
    }),
  },
  {
    name: 'a compressed certificate of 60 KB that is 60 MB',
    counted: 'bytes as they come out',
    limit: 'the length that it claims, at most limits.certificateLength, 131,072',
    fault: 'certificate.bad_compression',
    instead: () => {
      bomb ??= deflateSync(new Uint8Array(60_000_000), { level: 9 });
      return { type: 'compressed_certificate', algorithm: 1, uncompressedLength: 131_072, compressed: bomb };
    },
  },
];

export const attacks: readonly Attack[] = KINDS.flatMap(({ name, counted, limit, fault, instead }) =>
  (['server', 'client'] as const).map(
    (side): Attack => ({
      name: `${name} (to a ${side})`,
      side,
      counted,
      limit,
      fault,
      victim: { requestCert: side === 'server', rejectUnauthorized: true, certificateCompression: ['zlib'] },
      async run(peer) {
        await Liar.handshake(peer, {
          role: side === 'server' ? 'client' : 'server',
          certificateCompression: [],
          change: (message) => {
            if (message.type !== 'certificate') return message;
            peer.damage.sent++;
            return instead(message);
          },
        });
        await peer.hold();
      },
    }),
  ),
);
