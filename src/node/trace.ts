import type { TlsEngine } from '../connection/index.ts';
import { HandshakeType, nameOf } from '../wire/registry.ts';

/**
 * Writes what goes to and fro to stderr, for people: names and lengths of handshake messages, and of records in the clear. No secret and no
 * data is in it.
 */
export function trace(engine: TlsEngine): void {
  const say = (line: string): boolean => process.stderr.write(`TLS ${engine.role}: ${line}\n`);
  engine.onMessage = (direction, type, length) => say(`${direction} ${nameOf(HandshakeType, type)}, ${length} bytes`);
  // A client's comes with the engine.
  if (engine.role === 'client' && engine.info === undefined) say('sent client_hello');
  const before = engine.onEvent;
  engine.onEvent = (event) => {
    before?.(event);
    if (event.type === 'data' || event.type === 'early_data')
      say(`received ${event.type}, ${event.bytes.length} bytes`);
    else if (event.type === 'error') say(`failed: ${event.error.alert}, ${event.error.message}`);
    else say(event.type);
  };
}
