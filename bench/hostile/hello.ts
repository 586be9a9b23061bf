import { createClientConfig, createClientEngine } from '../../src/connection/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { plaintextRecords } from '../../src/record/index.ts';
import { type ClientHello, ContentType, decodeHandshakeMessage, encodeHandshakeMessage } from '../../src/wire/index.ts';

const config = createClientConfig({
  crypto: nodeCrypto,
  clock: { now: Date.now },
  verifier: { verify: () => ({ trusted: true }) },
  groups: ['x25519', 'secp256r1'],
});

let first: ClientHello | undefined;

/** A ClientHello that servers like, as a value. */
export function hello(): ClientHello {
  if (first === undefined) {
    const bytes = createClientEngine(config, { serverName: 'localhost' }).pull()!;
    first = decodeHandshakeMessage(bytes[5]!, bytes.subarray(9)) as ClientHello;
  }
  return first;
}

/** The same as records, with other extensions where given. */
export function helloBytes(
  extensions: Partial<ClientHello['extensions']> = {},
  more: ClientHello['otherExtensions'] = [],
): Uint8Array {
  const message = hello();
  return plaintextRecords(
    ContentType.handshake,
    encodeHandshakeMessage({
      ...message,
      extensions: { ...message.extensions, ...extensions },
      otherExtensions: more,
    }),
  );
}
