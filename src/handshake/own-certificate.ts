import { equal } from '../bytes/index.ts';
import type { Credential } from '../crypto/index.ts';
import { TlsAlertError } from '../errors/index.ts';
import { encodeHandshakeMessage, isForClientsOnly } from '../wire/index.ts';
import type { CommonConfig } from './config.ts';

type Role = 'client' | 'server';

/** The first of the key's schemes that the peer accepts. PKCS#1 never appears here: signers do not offer it. */
export function chooseScheme(role: Role, credential: Credential, accepted: readonly number[]): number | undefined {
  const isOurs = (scheme: number): boolean => role === 'client' || !isForClientsOnly(scheme);
  return credential.signer.schemes.find((scheme) => accepted.includes(scheme) && isOurs(scheme));
}

/** What a peer says of the certificates it takes. */
interface Wanted {
  readonly signatureSchemes: readonly number[];
  readonly certificateAuthorities: readonly Uint8Array[];
}

/** Whether a credential may be shown to a peer, and its key can make a signature that the peer accepts. */
export function fits(
  role: Role,
  credential: Credential,
  { signatureSchemes, certificateAuthorities }: Wanted,
): boolean {
  if (chooseScheme(role, credential, signatureSchemes) === undefined) return false;
  const { onlyForAuthorities } = credential;
  return onlyForAuthorities?.some((name) => certificateAuthorities.some((wanted) => equal(name, wanted))) ?? true;
}

/** SignatureSchemes that this side takes, in certificates or CertificateVerify, in our order. */
export function acceptedSchemes(config: CommonConfig): readonly number[] {
  return [...new Set([...config.signatureSchemes, ...config.certificateSignatureSchemes])];
}

const EMPTY = new Uint8Array(0);
/** The last message of each credential with a staple, and its message without. */
const stapled = new WeakMap<Credential, { readonly ocspResponse: Uint8Array; readonly message: Uint8Array }>();
const plain = new WeakMap<Credential, Uint8Array>();

/**
 * The Certificate message of the handshake. Encoded once for each credential, and again for another staple.
 *
 * @spec rfc9846#section-4.5.1
 */
export function certificateMessage(credential: Credential, ocspResponse: Uint8Array | undefined): Uint8Array {
  if (ocspResponse !== undefined) {
    const last = stapled.get(credential);
    if (last?.ocspResponse === ocspResponse) return last.message;
    const message = encodeCertificate(credential, ocspResponse, EMPTY);
    stapled.set(credential, { ocspResponse, message });
    return message;
  }
  let message = plain.get(credential);
  if (message === undefined) {
    message = encodeCertificate(credential, undefined, EMPTY);
    plain.set(credential, message);
  }
  return message;
}

/** A Certificate message; without a credential it says that there is none to show. */
export function encodeCertificate(
  credential: Credential | undefined,
  ocspResponse: Uint8Array | undefined,
  context: Uint8Array,
): Uint8Array {
  const entries = (credential?.chain ?? []).map((certificate, i) => ({
    certificate,
    extensionTypes: [],
    ...(i === 0 && ocspResponse !== undefined && { ocspResponse }),
  }));
  return encodeHandshakeMessage({ type: 'certificate', context, entries });
}

/** The signature that a signer gave. A signer is the program's: when it gives something else, that is a fault of this side, and not for the peer to find. */
export function checkSignature(given: Uint8Array): Uint8Array {
  if (ArrayBuffer.isView(given) && given.length > 0 && given.length <= 0xffff) return given;
  throw new TlsAlertError('local.failed', 'internal_error', 'the signer must give a signature of 1 to 65,535 bytes');
}
