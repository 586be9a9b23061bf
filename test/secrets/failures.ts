import { encodeHandshakeMessage, type MessageType } from '../../src/wire/index.ts';
import { corrupt } from '../pair/corrupt.ts';
import type { Pair } from '../pair/pair.ts';

const SENT: Readonly<Record<'client' | 'server', readonly MessageType[]>> = {
  client: ['client_hello', 'end_of_early_data', 'certificate', 'certificate_verify', 'finished', 'key_update'],
  server: [
    ...(['server_hello', 'encrypted_extensions', 'certificate_request', 'certificate', 'certificate_verify'] as const),
    ...(['finished', 'new_session_ticket', 'key_update'] as const),
  ],
};

/** What may become of one message. */
const FAULTS: Readonly<Record<string, (raw: Uint8Array) => readonly Uint8Array[]>> = {
  lost: () => [],
  empty: (raw) => [Uint8Array.of(raw[0]!, 0, 0, 0)],
  'with a wrong bit': (raw) => [raw.map((byte, i) => (i === raw.length - 1 ? byte ^ 1 : byte))],
  twice: (raw) => [raw, raw],
  'after another': (raw) => [encodeHandshakeMessage({ type: 'end_of_early_data' }), raw],
};

/** How what is left of a connection ends, when nobody has anything more to say. */
const ENDS: Readonly<Record<string, (pair: Pair) => void>> = {
  'the transport ends': ({ client, server }) => {
    client.engine.transportEnded();
    server.engine.transportEnded();
  },
  'both give up': ({ client, server }) => {
    client.engine.abort('internal_error');
    server.engine.abort('user_canceled');
  },
};

export type Failure = readonly [what: string, run: (pair: Pair) => Promise<void>];

/** Ways for a handshake to fail: in every state of both sides, by what the other sends or does not, and by the end of the transport. */
export function failures(): readonly Failure[] {
  return (['client', 'server'] as const).flatMap((side) =>
    SENT[side].flatMap((type) =>
      Object.entries(FAULTS).flatMap(([fault, change]) =>
        Object.entries(ENDS).map(
          ([end, finish]): Failure => [
            `${type} of the ${side} ${fault}, then ${end}`,
            async (pair) => {
              corrupt(pair[side], (message) =>
                message.type === type ? change(encodeHandshakeMessage(message)) : message,
              );
              await pair.run();
              finish(pair);
              await pair.run();
            },
          ],
        ),
      ),
    ),
  );
}
