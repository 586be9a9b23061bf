import { copyOf } from '../bytes/index.ts';
import type { ClientEngineOptions, ExternalPsk, ServerOptions } from '../connection/index.ts';
import { CipherSuite } from '../wire/registry.ts';
import type { Ssl } from './connection.ts';
import { TLS1_3_VERSION } from './constants.ts';
import { SSL_REASON } from './reasons.ts';
import { type Session, sessionOf } from './session.ts';

/** A shorter key can be found by trying, by whoever records one handshake. */
const LEAST_KEY_LENGTH = 16;
const MOST_IDENTITY_LENGTH = 0xffff;

/** Server: asks the program about each identity. What it is not to be used with TLS 1.3 counts as not known. */
export function findPskOption(ssl: Ssl): Pick<ServerOptions, 'findPsk'> {
  const { pskFind } = ssl.settings;
  if (pskFind === null) return {};
  return {
    findPsk(identity, targetHash) {
      // OpenSSL imports nothing (RFC 9258): the engine asks again about the identity as it is.
      if (targetHash !== undefined) return undefined;
      const session = sessionOf(ssl.callBack(() => pskFind(ssl, copyOf(identity))) ?? null);
      return session && takeOver(session, identity);
    },
  };
}

/** Client: what the program wants to offer. */
export function pskOption(ssl: Ssl): Pick<ClientEngineOptions, 'psks'> {
  const { pskUse } = ssl.settings;
  const answer = pskUse && ssl.callBack(() => pskUse(ssl, null));
  const session = sessionOf(answer?.sess ?? null);
  if (!answer || session === undefined) return {};
  const psk = takeOver(session, answer.id);
  if (psk !== undefined) return { psks: [psk] };
  ssl.failLater(SSL_REASON.BAD_PSK);
  return {};
}

/** The PSK of a session, whose reference was the program's until now. `undefined`: it cannot be used. */
function takeOver(session: Session, identity: Uint8Array): ExternalPsk | undefined {
  const { masterKey, cipherSuite, protocolVersion } = session.fields;
  const hash = HASHES.get(cipherSuite);
  const usable = protocolVersion === TLS1_3_VERSION && masterKey !== undefined && masterKey.length >= LEAST_KEY_LENGTH;
  const psk =
    usable && hash !== undefined && identity.length > 0 && identity.length <= MOST_IDENTITY_LENGTH
      ? { identity: copyOf(identity), key: copyOf(masterKey), hash }
      : undefined;
  session.release();
  return psk;
}

const HASHES: ReadonlyMap<number, ExternalPsk['hash']> = new Map(
  Object.entries(CipherSuite).map(([name, id]) => [id, name.endsWith('SHA384') ? 'sha384' : 'sha256']),
);
