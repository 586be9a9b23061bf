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
 * last one those of `anchors`; a root is its own issuer. As in node:tls there is a copy behind a leaf that signed itself, to which a server's
 * chain belongs whole; and two where it may not sign certificates, so that it is no issuer by the letter.
 */
export function legacyChain(chain: readonly Uint8Array[], anchors: () => readonly Uint8Array[]): LegacyCertificate {
  let certificate = new X509Certificate(chain[0]!);
  const first = legacyCertificate(certificate);
  let legacy = first;
  const add = (issuer: X509Certificate): void => {
    certificate = issuer;
    legacy.issuerCertificate = legacyCertificate(issuer);
    legacy = legacy.issuerCertificate;
  };
  const rest = chain.slice(1).map((der) => new X509Certificate(der));
  for (let at = 0; at >= 0; ) {
    at = rest.findIndex((candidate) => certificate.checkIssued(candidate));
    if (at >= 0) add(rest.splice(at, 1)[0]!);
  }
  const trusted = certificate.checkIssued(certificate) ? [] : anchors();
  while (!certificate.checkIssued(certificate)) {
    const before = certificate;
    const issuer = issuerAmong(trusted, certificate);
    if (issuer !== undefined) add(issuer);
    if (issuer === undefined) return first;
    if (before !== certificate && before.raw.equals(certificate.raw)) {
      legacy.issuerCertificate = legacyCertificate(issuer);
      return first;
    }
  }
  legacy.issuerCertificate = legacy;
  return first;
}

function issuerAmong(anchors: readonly Uint8Array[], certificate: X509Certificate): X509Certificate | undefined {
  for (const der of anchors) {
    const anchor = new X509Certificate(der);
    if (certificate.checkIssued(anchor) || certificate.raw.equals(der)) return anchor;
  }
  return undefined;
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
