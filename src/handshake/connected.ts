import type { Secret } from '../bytes/index.ts';
import type { Aead, Kdf } from '../crypto/index.ts';
import { nextTrafficSecret, trafficKeys } from '../schedule/index.ts';
import { encodeHandshakeMessage, type KeyUpdate } from '../wire/index.ts';
import type { Output } from './context.ts';
import type { ConnectionInfo } from './events.ts';

/** What both roles keep after the handshake. Everything else of the handshake is gone. */
export interface Connected {
  readonly at: 'connected';
  readonly kdf: Kdf;
  readonly aead: Aead;
  /** Replaced in place by KeyUpdate: an application may update keys while a handler reports an event. */
  readSecret: Secret;
  writeSecret: Secret;
  readonly exporterSecret: Secret;
  readonly resumptionSecret: Secret;
  /** Replaced when the client authenticates after the handshake. */
  info: ConnectionInfo;
}

/**
 * The peer changes its keys. When it asks us to change ours, the answer goes out in front of our next application data.
 *
 * @spec rfc9846#section-4.7.3
 */
export function onKeyUpdate<S extends Connected>(state: S, message: KeyUpdate, { out }: { readonly out: Output }): S {
  const old = state.readSecret;
  state.readSecret = nextTrafficSecret(state.kdf, old);
  old.wipe();
  out.setReadKeys('application', trafficKeys(state.kdf, state.readSecret, state.aead));
  out.peerUpdatedKeys(message.requestUpdate);
  out.emit({ type: 'key_updated', direction: 'read' });
  return state;
}

/** Changes our own keys: KeyUpdate is the last message under the old ones. */
export function sendKeyUpdate(state: Connected, requestUpdate: boolean, out: Output): void {
  out.send(encodeHandshakeMessage({ type: 'key_update', requestUpdate }));
  const old = state.writeSecret;
  state.writeSecret = nextTrafficSecret(state.kdf, old);
  old.wipe();
  out.setWriteKeys('application', trafficKeys(state.kdf, state.writeSecret, state.aead));
  out.emit({ type: 'key_updated', direction: 'write' });
}
