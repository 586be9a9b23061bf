import type { Output } from '../../src/handshake/index.ts';
import { decodeHandshakeMessage, encodeHandshakeMessage, type HandshakeMessage } from '../../src/wire/index.ts';
import type { Side } from './pair.ts';

type Sent = HandshakeMessage | Uint8Array;
/** What is sent in place of a message; the message itself to leave it as it is, to the byte. */
export type Change = (message: HandshakeMessage) => Sent | readonly Sent[];

/** Lets `side` send something else than its handshake wants to. */
export function corrupt(side: Side, change: Change): void {
  const output = side.engine as unknown as Output;
  const real = Object.getPrototypeOf(output) as Output;
  output.send = (raw) => {
    const message = decodeHandshakeMessage(raw[0]!, raw.subarray(4));
    const changed = change(message);
    for (const sent of Array.isArray(changed) ? (changed as readonly Sent[]) : [changed as Sent]) {
      const bytes = sent instanceof Uint8Array ? sent : sent === message ? raw : encodeHandshakeMessage(sent);
      real.send.call(output, bytes);
    }
  };
}
