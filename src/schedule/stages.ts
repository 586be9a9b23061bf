import { copyOf, Secret } from '../bytes/index.ts';
import type { Kdf } from '../crypto/index.ts';
import { constantsOf } from './constants.ts';
import { deriveSecret } from './expand-label.ts';

/**
 * The left side of the RFC's diagram, from top to bottom: {@link EarlyStage}, {@link HandshakeStage}, {@link MainStage}.
 * Each is used up by `next()`: its secret is wiped, and using it again throws.
 *
 * @spec rfc9846#section-7.1
 */
export class EarlyStage {
  readonly #kdf: Kdf;
  readonly #secret: Secret;
  readonly #hasPsk: boolean;

  /** `psk` is not kept and not wiped. Without it the handshake is a full one. */
  constructor(kdf: Kdf, psk?: Uint8Array) {
    const { zeros, earlySecret } = constantsOf(kdf);
    this.#kdf = kdf;
    this.#hasPsk = psk !== undefined;
    this.#secret = new Secret(psk === undefined ? copyOf(earlySecret) : kdf.hmac(zeros, psk));
  }

  /** `ext` for a PSK agreed outside of TLS, `imp` for one that was imported (RFC 9258), `res` for one out of a ticket. */
  binderKey(kind: 'ext' | 'imp' | 'res'): Secret {
    return derive(this.#kdf, this.#secret, `${kind} binder`, constantsOf(this.#kdf).emptyHash);
  }

  /** client_early_traffic_secret; `transcriptHash` is that of ClientHello. */
  clientEarlyTraffic(transcriptHash: Uint8Array): Secret {
    return derive(this.#kdf, this.#secret, 'c e traffic', transcriptHash);
  }

  /** early_exporter_secret; `transcriptHash` is that of ClientHello. */
  earlyExporter(transcriptHash: Uint8Array): Secret {
    return derive(this.#kdf, this.#secret, 'e exp master', transcriptHash);
  }

  /** `sharedSecret` is the asymmetric one, neither kept nor wiped; absent in a PSK-only handshake. */
  next(sharedSecret?: Uint8Array): HandshakeStage {
    const { zeros, emptyHash, derivedSalt } = constantsOf(this.#kdf);
    const secret = this.#secret.bytes;
    const salt = this.#hasPsk ? deriveSecret(this.#kdf, secret, 'derived', emptyHash) : derivedSalt;
    const stage = new HandshakeStage(this.#kdf, new Secret(this.#kdf.hmac(salt, sharedSecret ?? zeros)));
    if (this.#hasPsk) salt.fill(0);
    this.#secret.wipe();
    return stage;
  }

  wipe(): void {
    this.#secret.wipe();
  }
}

/** The Handshake Secret. `transcriptHash` is that of ClientHello…ServerHello. */
export class HandshakeStage {
  readonly #kdf: Kdf;
  readonly #secret: Secret;

  constructor(kdf: Kdf, secret: Secret) {
    this.#kdf = kdf;
    this.#secret = secret;
  }

  /** client_handshake_traffic_secret */
  clientTraffic(transcriptHash: Uint8Array): Secret {
    return derive(this.#kdf, this.#secret, 'c hs traffic', transcriptHash);
  }

  /** server_handshake_traffic_secret */
  serverTraffic(transcriptHash: Uint8Array): Secret {
    return derive(this.#kdf, this.#secret, 's hs traffic', transcriptHash);
  }

  next(): MainStage {
    const { zeros, emptyHash } = constantsOf(this.#kdf);
    const salt = deriveSecret(this.#kdf, this.#secret.bytes, 'derived', emptyHash);
    const stage = new MainStage(this.#kdf, new Secret(this.#kdf.hmac(salt, zeros)));
    salt.fill(0);
    this.#secret.wipe();
    return stage;
  }

  wipe(): void {
    this.#secret.wipe();
  }
}

/** The Main Secret. `transcriptHash` is that of ClientHello…server Finished, but for {@link MainStage.resumption}. */
export class MainStage {
  readonly #kdf: Kdf;
  readonly #secret: Secret;

  constructor(kdf: Kdf, secret: Secret) {
    this.#kdf = kdf;
    this.#secret = secret;
  }

  /** client_application_traffic_secret_0 */
  clientTraffic(transcriptHash: Uint8Array): Secret {
    return derive(this.#kdf, this.#secret, 'c ap traffic', transcriptHash);
  }

  /** server_application_traffic_secret_0 */
  serverTraffic(transcriptHash: Uint8Array): Secret {
    return derive(this.#kdf, this.#secret, 's ap traffic', transcriptHash);
  }

  /** exporter_secret */
  exporter(transcriptHash: Uint8Array): Secret {
    return derive(this.#kdf, this.#secret, 'exp master', transcriptHash);
  }

  /** resumption_secret; `transcriptHash` is that of ClientHello…client Finished. */
  resumption(transcriptHash: Uint8Array): Secret {
    return derive(this.#kdf, this.#secret, 'res master', transcriptHash);
  }

  wipe(): void {
    this.#secret.wipe();
  }
}

function derive(kdf: Kdf, secret: Secret, label: string, transcriptHash: Uint8Array): Secret {
  return new Secret(deriveSecret(kdf, secret.bytes, label, transcriptHash));
}
