import { concat } from '../../../src/bytes/index.ts';
import { Writer } from '../../../src/wire/index.ts';
import type { Attack } from '../attack.ts';
import { helloBytes } from '../hello.ts';

/** ClientHellos as large and as full as they can be, each one that can be parsed. */
const letters = (length: number): string => 'a'.repeat(length);
const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

interface Extreme {
  readonly name: string;
  readonly bytes: () => Uint8Array;
  readonly counted?: string;
  readonly limit?: string;
  readonly fault?: string;
}

const EXTREMES: readonly Extreme[] = [
  {
    name: 'a ClientHello of 70 KB',
    // Two ClientHellos' worth of extensions cannot be: the block has 16 bits of length. Cipher suites have as many again.
    bytes: () => hugeHello(),
    fault: 'handshake.too_long',
  },
  {
    name: 'an unknown extension of 60 KB',
    bytes: () => helloBytes({}, [{ type: 0x4444, data: new Uint8Array(60_000) }]),
  },
  {
    name: '15,000 unknown extensions',
    bytes: () =>
      helloBytes(
        {},
        many(15_000, (i) => ({ type: 0x5000 + i, data: new Uint8Array(0) })),
      ),
  },
  {
    name: '15,000 times the same extension',
    bytes: () =>
      helloBytes(
        {},
        many(15_000, () => ({ type: 0x5000, data: new Uint8Array(0) })),
      ),
    fault: 'extension.duplicate',
  },
  {
    name: '30,000 cipher suites and 15,000 groups',
    bytes: () =>
      helloBytes({ supportedGroups: [...many(15_000, (i) => 0x4000 + i), 0x001d], signatureAlgorithms: [0x0403] }),
  },
  {
    name: '30,000 signature schemes',
    bytes: () => helloBytes({ signatureAlgorithms: [...many(30_000, (i) => 0x8000 + i), 0x0403] }),
  },
  {
    name: '12,000 key shares',
    bytes: () => helloBytes({ keyShare: many(12_000, (i) => ({ group: 0x2000 + i, keyExchange: Uint8Array.of(1) })) }),
    fault: 'client_hello.bad_key_share',
  },
  {
    name: '1,400 PSK identities with binders',
    counted: 'identities that are looked at',
    limit: 'limits.pskIdentities, 8',
    bytes: () => identities(1_400, 7),
  },
  {
    name: 'a ticket of 65,000 bytes',
    counted: 'length of the ticket',
    bytes: () => identities(1, 64_500),
  },
  { name: '30,000 application protocols', bytes: () => helloBytes({ alpn: many(30_000, () => 'a') }) },
  {
    name: 'a server name of 60 KB',
    counted: 'bytes of the name',
    limit: '255, of DNS',
    bytes: () => helloBytes({ serverName: letters(60_000) }),
    fault: 'client_hello.unrecognized_name',
  },
  {
    name: '10,000 authorities',
    bytes: () => helloBytes({ certificateAuthorities: many(10_000, (i) => Uint8Array.of(i >> 8, i & 0xff)) }),
  },
];

export const attacks: readonly Attack[] = EXTREMES.map(
  ({ name, bytes, counted = 'bytes of the message', limit = 'limits.clientHelloLength, 65,536', fault }): Attack => {
    let made: Uint8Array | undefined;
    return {
      name,
      side: 'server',
      counted,
      limit,
      ...(fault !== undefined && { fault }),
      victim: { ALPNProtocols: ['h2', 'a'] },
      async run(peer) {
        made ??= bytes();
        if (await peer.write(made)) await peer.read();
      },
    };
  },
);

function identities(count: number, length: number): Uint8Array {
  return helloBytes({
    preSharedKey: {
      identities: many(count, (i) => ({
        identity: new Uint8Array(length).fill(i),
        obfuscatedTicketAge: i,
      })),
      binders: many(count, () => new Uint8Array(32)),
    },
  });
}

/** Cipher suites as many as can be, and extensions that would be allowed alone. */
function hugeHello(): Uint8Array {
  const suites = new Uint8Array(40_000).fill(0x13);
  const body = new Writer()
    .u16(0x0303)
    .raw(new Uint8Array(32))
    .opaque(1, new Uint8Array(0))
    .opaque(2, suites)
    .opaque(1, Uint8Array.of(0))
    .opaque(2, concat(Uint8Array.of(0x44, 0x44, 0x75, 0x30), new Uint8Array(30_000)))
    .finish();
  const message = concat(Uint8Array.of(1, body.length >> 16, (body.length >> 8) & 0xff, body.length & 0xff), body);
  const records: Uint8Array[] = [];
  for (let at = 0; at < message.length; at += 16_384) {
    const fragment = message.subarray(at, at + 16_384);
    records.push(Uint8Array.of(22, 3, 3, fragment.length >> 8, fragment.length & 0xff), fragment);
  }
  return concat(...records);
}
