import { fromLatin1, toHex } from '../../src/bytes/index.ts';
import type { Aead, AeadKey, AeadName, CryptoProvider } from '../../src/crypto/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { decodeHandshakeMessage, type HandshakeMessage } from '../../src/wire/index.ts';
import { fixedIdentity } from '../fuzz/scenarios.ts';
import { createWorld, eventsOf, Pair } from '../pair/pair.ts';

/** What must never come twice, by kind: how often it was seen, and how often again. */
export type Reuse = Readonly<Record<string, { seen: number; again: number }>>;

class Seen {
  readonly counts: Record<string, { seen: number; again: number }> = {};
  readonly #values = new Map<string, Set<string>>();

  add(kind: string, value: Uint8Array | string): void {
    this.counts[kind] ??= { seen: 0, again: 0 };
    const counts = this.counts[kind];
    const values = this.#values.get(kind) ?? new Set();
    this.#values.set(kind, values);
    // The first 16 bytes are enough: what is random does not share them by chance.
    const key = typeof value === 'string' ? value : fromLatin1(value.subarray(0, 16));
    counts.seen++;
    if (values.has(key)) counts.again++;
    values.add(key);
  }
}

/** The provider that programs use, with every key of an AEAD watched for nonces that come again. */
function watched(seen: Seen): CryptoProvider {
  const watch = (aead: Aead): Aead => ({
    ...aead,
    withKey(key) {
      const name = fromLatin1(key);
      const inner = aead.withKey(key);
      const use = (nonce: Uint8Array): void => seen.add('nonces under one key', name + fromLatin1(nonce));
      const outer: AeadKey = {
        aead: inner.aead,
        sealRecord(nonce, ...rest) {
          use(nonce);
          inner.sealRecord(nonce, ...rest);
        },
        seal(nonce, ...rest) {
          use(nonce);
          return inner.seal(nonce, ...rest);
        },
        open: (...all) => inner.open(...all),
        wipe: () => inner.wipe(),
      };
      return outer;
    },
  });
  const aead = (name: AeadName): Aead | undefined => {
    const found = nodeCrypto.aead(name);
    return found && watch(found);
  };
  return { ...nodeCrypto, aead };
}

/** So many connections with the randomness of the runtime, one after the other: each sends data, changes its keys, and gets two tickets. */
export async function lookForReuse(connections: number): Promise<Reuse> {
  const seen = new Seen();
  const crypto = watched(seen);
  const keyLog = (line: string): void => {
    if (line.startsWith('CLIENT_TRAFFIC_SECRET_0')) seen.add('traffic secrets', line.slice(-64));
  };
  const identity = await fixedIdentity();
  const world = await createWorld({
    identity,
    server: { crypto, signatureSchemes: ['ed25519'], keyLog },
    client: { crypto, signatureSchemes: ['ed25519'] },
  });
  const note = (message: HandshakeMessage): void => {
    if (message.type === 'client_hello') {
      seen.add('randoms', message.random);
      seen.add('session ids', message.legacySessionId);
      for (const share of message.extensions.keyShare ?? [])
        if (share.keyExchange.length > 1) seen.add('key shares', share.keyExchange.subarray(1));
    } else if (message.type === 'server_hello') {
      seen.add('randoms', message.random);
      if (message.extensions.keyShare) seen.add('key shares', message.extensions.keyShare.keyExchange.subarray(1));
    }
  };
  for (let i = 0; i < connections; i++) {
    const pair = new Pair(world);
    await pair.run();
    note(helloIn(pair.client.sent[0]!));
    note(helloIn(pair.server.sent[0]!));
    for (const { ticket } of eventsOf(pair.client, 'ticket')) {
      seen.add('tickets', ticket.ticket.subarray(-16));
      seen.add('PSKs of tickets', ticket.psk);
      seen.add('nonces of tickets in a connection', `${i} ${toHex(ticket.nonce)}`);
    }
    pair.client.engine.updateKeys(true);
    for (const side of [pair.client, pair.server]) side.engine.write(Uint8Array.of(1));
    await pair.run();
    for (const side of [pair.client, pair.server]) side.engine.close();
    await pair.run();
  }
  return seen.counts;
}

/** The hello at the front of the first flight. */
function helloIn(flight: Uint8Array): HandshakeMessage {
  const length = (flight[6]! << 16) | (flight[7]! << 8) | flight[8]!;
  return decodeHandshakeMessage(flight[5]!, flight.subarray(9, 9 + length));
}
