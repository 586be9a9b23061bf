import { X509Certificate } from 'node:crypto';
import type { PeerCertificate } from 'node:tls';

/** The object of `X509Certificate.toLegacyObject()`, and in a chain the certificate that issued it. */
export type LegacyCertificate = PeerCertificate & { issuerCertificate?: LegacyCertificate };

/** As `getPeerCertificate()` of node:tls gives it. */
export function legacyCertificate(certificate: Uint8Array | X509Certificate): LegacyCertificate {
  const parsed = certificate instanceof X509Certificate ? certificate : new X509Certificate(certificate);
  const legacy = parsed.toLegacyObject() as LegacyCertificate & { infoAccess?: unknown };
  // Text here, lists by method in node:tls.
  if (typeof legacy.infoAccess === 'string') legacy.infoAccess = infoAccess(legacy.infoAccess);
  return legacy;
}

/**
 * As `getPeerCertificate(true)` gives it: each certificate of `chain` (DER, leaf first, the others in any order) with its issuer, and behind the
 * last one those of `anchors`; the root is its own issuer. A self-signed leaf has two copies of itself behind it, as in node:tls.
 */
export function legacyChain(chain: readonly Uint8Array[], anchors: () => readonly Uint8Array[]): LegacyCertificate {
  const leaf = new X509Certificate(chain[0]!);
  const first = legacyCertificate(leaf);
  if (leaf.checkIssued(leaf)) {
    first.issuerCertificate = legacyCertificate(leaf);
    first.issuerCertificate.issuerCertificate = legacyCertificate(leaf);
    return first;
  }
  const rest = chain.slice(1).map((der) => new X509Certificate(der));
  let [certificate, legacy] = [leaf, first];
  const add = (issuer: X509Certificate): void => {
    legacy.issuerCertificate = legacyCertificate(issuer);
    [certificate, legacy] = [issuer, legacy.issuerCertificate];
  };
  for (let at = nextIssuer(); at >= 0; at = nextIssuer()) add(rest.splice(at, 1)[0]!);
  for (const der of isSelfIssued() ? [] : anchors()) {
    const anchor = new X509Certificate(der);
    if (!certificate.checkIssued(anchor)) continue;
    add(anchor);
    break;
  }
  if (isSelfIssued()) legacy.issuerCertificate = legacy;
  return first;

  function nextIssuer(): number {
    return isSelfIssued() ? -1 : rest.findIndex((candidate) => certificate.checkIssued(candidate));
  }
  function isSelfIssued(): boolean {
    return certificate.checkIssued(certificate);
  }
}

/** `OCSP - URI:http://…` on lines of their own. */
function infoAccess(text: string): Record<string, string[]> {
  const methods = Object.create(null) as Record<string, string[]>;
  for (const [, key, quoted, plain] of text.matchAll(/([^\n:]*):(?:"((?:[^"\\]|\\.)*)"|([^\n]*))(?:\n|$)/g)) {
    if (key === undefined) continue;
    const value = quoted === undefined ? plain! : (JSON.parse(`"${quoted}"`) as string);
    methods[key] ??= [];
    methods[key].push(value);
  }
  return methods;
}
