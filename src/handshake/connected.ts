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
  readonly readSecret: Secret;
  readonly writeSecret: Secret;
  readonly exporterSecret: Secret;
  readonly resumptionSecret: Secret;
  readonly info: ConnectionInfo;
}

/**
 * The peer changes its keys. When it asks us to change ours, the answer goes out in front of our next application data.
 *
 * @spec rfc9846#section-4.7.3
 */
export function onKeyUpdate<S extends Connected>(state: S, message: KeyUpdate, cx: { readonly out: Output }): S {
  const readSecret = nextTrafficSecret(state.kdf, state.readSecret);
  state.readSecret.wipe();
  cx.out.setReadKeys('application', trafficKeys(state.kdf, readSecret, state.aead));
  cx.out.emit({ type: 'key_updated', direction: 'read' });
  if (message.requestUpdate) cx.out.oweKeyUpdate();
  return { ...state, readSecret };
}

/** Changes our own keys: KeyUpdate is the last message under the old ones. */
export function sendKeyUpdate<S extends Connected>(state: S, requestUpdate: boolean, out: Output): S {
  out.send(encodeHandshakeMessage({ type: 'key_update', requestUpdate }));
  const writeSecret = nextTrafficSecret(state.kdf, state.writeSecret);
  state.writeSecret.wipe();
  out.setWriteKeys('application', trafficKeys(state.kdf, writeSecret, state.aead));
  out.emit({ type: 'key_updated', direction: 'write' });
  return { ...state, writeSecret };
}
