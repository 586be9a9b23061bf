import type { Credential } from '../crypto/index.ts';
import { encodeHandshakeMessage } from '../wire/index.ts';

/** The first of the key's schemes that the peer accepts. PKCS#1 never appears here: signers do not offer it. */
export function chooseScheme(credential: Credential, accepted: readonly number[]): number | undefined {
  return credential.signer.schemes.find((scheme) => accepted.includes(scheme));
}

const EMPTY = new Uint8Array(0);
const plain = new WeakMap<Credential, Uint8Array>();
const stapled = new WeakMap<Credential, Uint8Array>();

/**
 * The Certificate message of a server, encoded once for each credential.
 *
 * @spec rfc9846#section-4.5.1
 */
export function certificateMessage(credential: Credential, withOcsp: boolean): Uint8Array {
  const cache = withOcsp ? stapled : plain;
  let message = cache.get(credential);
  if (message === undefined) {
    message = encodeCertificate(credential, withOcsp, EMPTY);
    cache.set(credential, message);
  }
  return message;
}

/** A Certificate message; without a credential it says that there is none to show. */
export function encodeCertificate(
  credential: Credential | undefined,
  withOcsp: boolean,
  context: Uint8Array,
): Uint8Array {
  const ocspResponse = withOcsp ? credential?.ocspResponse : undefined;
  const entries = (credential?.chain ?? []).map((certificate, i) => ({
    certificate,
    extensionTypes: [],
    ...(i === 0 && ocspResponse !== undefined && { ocspResponse }),
  }));
  return encodeHandshakeMessage({ type: 'certificate', context, entries });
}
