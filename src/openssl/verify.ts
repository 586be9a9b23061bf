import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import type { CertificateVerifier, PeerQuestion, PeerVerdict } from '../peer-auth/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { createVerifier } from '../x509/index.ts';
import { expectInteger, unwrap } from './arguments.ts';
import * as constants from './constants.ts';
import { Opaque, type X509, type X509_STORE, type X509_STORE_CTX } from './types.ts';
import { Certificate, certificateOf, isCertificate, parseCertificate, pemBlocks } from './x509.ts';

/** The certificates a context trusts. */
export class TrustStore extends Opaque<'X509_STORE'> {
  readonly #anchors: Uint8Array[] = [];
  #verifier: CertificateVerifier | undefined;

  add(certificate: Certificate): void {
    this.#anchors.push(certificate.der);
    this.#verifier = undefined;
  }

  /** How many certificates the PEM file held. Throws the file system's errors. */
  addFile(path: string): number {
    const blocks = pemBlocks(readFileSync(path), isCertificate);
    let added = 0;
    for (const block of blocks) {
      const certificate = parseCertificate(block);
      if (certificate === undefined) continue;
      this.add(certificate);
      added++;
    }
    return added;
  }

  /** All files of a directory, whatever their names: there is no need to hash them. */
  addDirectory(path: string): void {
    for (const name of readdirSync(path).sort()) {
      const file = join(path, name);
      if (statSync(file, { throwIfNoEntry: false })?.isFile()) this.addFile(file);
    }
  }

  /** SSL_CERT_FILE and SSL_CERT_DIR as OpenSSL reads them, else the root certificates of Node. */
  addDefaults(): void {
    const { SSL_CERT_FILE: file, SSL_CERT_DIR: directory } = process.env;
    if (!file && !directory) for (const pem of rootCertificates) this.add(parseCertificate(pem)!);
    if (file) this.addFile(file);
    if (directory) this.addDirectory(directory);
  }

  get verifier(): CertificateVerifier {
    this.#verifier ??= createVerifier({ crypto: nodeCrypto, anchors: this.#anchors });
    return this.#verifier;
  }
}

/** What a verify callback may look at, and change. */
export class StoreContext extends Opaque<'X509_STORE_CTX'> {
  error: number;
  readonly chain: readonly Uint8Array[];

  constructor(error: number, chain: readonly Uint8Array[]) {
    super();
    this.error = error;
    this.chain = chain;
  }
}

export type VerifyCallback = (preverifyOk: number, storeCtx: X509_STORE_CTX) => number;

/** What a verification needs of its connection. */
export interface VerifyTarget {
  readonly trust: TrustStore;
  /** DNS name or IP address that the certificate must be for; `undefined`: any. */
  readonly verifyHost: string | undefined;
  readonly verifyCallback: VerifyCallback | null;
  verifyResult: number;
}

/** Verifies for one connection: against its name, with its callback, and remembers the result. */
export function connectionVerifier(target: VerifyTarget): CertificateVerifier {
  return {
    verify(question) {
      const { serverName: _sent, ...rest } = question;
      const asked: PeerQuestion =
        question.role === 'server' && target.verifyHost !== undefined
          ? { ...rest, serverName: target.verifyHost }
          : rest;
      const answer = target.trust.verifier.verify(asked);
      return answer instanceof Promise
        ? answer.then((verdict) => decide(target, question, verdict))
        : decide(target, question, answer);
    },
  };
}

function decide(target: VerifyTarget, question: PeerQuestion, verdict: PeerVerdict): PeerVerdict {
  target.verifyResult = verdict.trusted ? constants.X509_V_OK : verifyCode(verdict.code);
  const callback = target.verifyCallback;
  if (callback === null) return verdict;
  const context = new StoreContext(target.verifyResult, question.chain);
  const accepted = callback(verdict.trusted ? 1 : 0, context) > 0;
  target.verifyResult = context.error;
  if (accepted) return { trusted: true };
  if (!verdict.trusted) return verdict;
  if (target.verifyResult === constants.X509_V_OK) target.verifyResult = constants.X509_V_ERR_UNSPECIFIED;
  return {
    trusted: false,
    code: 'CERT_REJECTED',
    message: 'the verify callback refused the certificate',
    alert: 'certificate_unknown',
  };
}

const VERIFY_CODES: Readonly<Record<string, number>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: constants.X509_V_ERR_HOSTNAME_MISMATCH,
  MALFORMED_CERTIFICATE: constants.X509_V_ERR_INVALID_EXTENSION,
  TOO_MANY_CHECKS: constants.X509_V_ERR_UNSPECIFIED,
};

/** The X509_V_ERR number of a Node code string. */
export function verifyCode(code: string): number {
  const number = (constants as Readonly<Record<string, unknown>>)[`X509_V_ERR_${code}`];
  return VERIFY_CODES[code] ?? (typeof number === 'number' ? number : constants.X509_V_ERR_UNSPECIFIED);
}

const VERIFY_TEXTS: Readonly<Record<number, string>> = {
  [constants.X509_V_OK]: 'ok',
  [constants.X509_V_ERR_UNSPECIFIED]: 'unspecified certificate verification error',
  [constants.X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT]: 'unable to get issuer certificate',
  [constants.X509_V_ERR_CERT_SIGNATURE_FAILURE]: 'certificate signature failure',
  [constants.X509_V_ERR_CERT_NOT_YET_VALID]: 'certificate is not yet valid',
  [constants.X509_V_ERR_CERT_HAS_EXPIRED]: 'certificate has expired',
  [constants.X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT]: 'self-signed certificate',
  [constants.X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN]: 'self-signed certificate in certificate chain',
  [constants.X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY]: 'unable to get local issuer certificate',
  [constants.X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE]: 'unable to verify the first certificate',
  [constants.X509_V_ERR_CERT_CHAIN_TOO_LONG]: 'certificate chain too long',
  [constants.X509_V_ERR_PATH_LENGTH_EXCEEDED]: 'path length constraint exceeded',
  [constants.X509_V_ERR_INVALID_PURPOSE]: 'unsuitable certificate purpose',
  [constants.X509_V_ERR_CERT_REJECTED]: 'certificate rejected',
  [constants.X509_V_ERR_KEYUSAGE_NO_CERTSIGN]: 'key usage does not include certificate signing',
  [constants.X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION]: 'unhandled critical extension',
  [constants.X509_V_ERR_KEYUSAGE_NO_DIGITAL_SIGNATURE]: 'key usage does not include digital signature',
  [constants.X509_V_ERR_INVALID_EXTENSION]: 'invalid or inconsistent certificate extension',
  [constants.X509_V_ERR_PERMITTED_VIOLATION]: 'permitted subtree violation',
  [constants.X509_V_ERR_EXCLUDED_VIOLATION]: 'excluded subtree violation',
  [constants.X509_V_ERR_APPLICATION_VERIFICATION]: 'application verification failure',
  [constants.X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE]: 'unsupported name constraint type',
  [constants.X509_V_ERR_HOSTNAME_MISMATCH]: 'hostname mismatch',
  [constants.X509_V_ERR_EE_KEY_TOO_SMALL]: 'EE certificate key too weak',
  [constants.X509_V_ERR_CA_KEY_TOO_SMALL]: 'CA certificate key too weak',
  [constants.X509_V_ERR_CA_MD_TOO_WEAK]: 'CA signature digest algorithm too weak',
  [constants.X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM]: 'cannot find certificate signature algorithm',
  [constants.X509_V_ERR_INVALID_CA]: 'invalid CA certificate',
};

/** OpenSSL's text of a verify result. */
export function X509_verify_cert_error_string(code: number): string {
  expectInteger('code', code);
  return VERIFY_TEXTS[code] ?? `unknown certificate verification error`;
}

export function X509_STORE_CTX_get_error(storeCtx: X509_STORE_CTX | null): number {
  return unwrap('storeCtx', storeCtx, StoreContext)?.error ?? constants.X509_V_ERR_UNSPECIFIED;
}

export function X509_STORE_CTX_set_error(storeCtx: X509_STORE_CTX | null, error: number): void {
  expectInteger('error', error);
  const context = unwrap('storeCtx', storeCtx, StoreContext);
  if (context !== undefined) context.error = error;
}

/** The leaf: the whole chain is judged at once. */
export function X509_STORE_CTX_get_current_cert(storeCtx: X509_STORE_CTX | null): X509 | null {
  const leaf = unwrap('storeCtx', storeCtx, StoreContext)?.chain[0];
  return leaf === undefined ? null : new Certificate(leaf);
}

export function X509_STORE_CTX_get_error_depth(storeCtx: X509_STORE_CTX | null): number {
  unwrap('storeCtx', storeCtx, StoreContext);
  return 0;
}

/** Adds a certificate to trust. */
export function X509_STORE_add_cert(store: X509_STORE | null, x509: X509 | null): number {
  const known = unwrap('store', store, TrustStore);
  const certificate = certificateOf('x509', x509);
  if (known === undefined || certificate === undefined) return 0;
  known.add(certificate);
  return 1;
}
