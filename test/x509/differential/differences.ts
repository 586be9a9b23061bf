/**
 * Where we decide otherwise than `openssl verify -x509_strict -auth_level 2`, and why. Each one must show in at least one case: one that
 * is gone is to be taken off the list.
 */
export const DIFFERENCES = {
  'duties of authorities':
    '-x509_strict also asks whether the authority did its duty: key usage, key identifiers and critical marks that RFC 5280 asks of who issues. It gives who verifies no rule about them, browsers have none, and a chain does not lie by lacking them',
  'the first path that fits':
    'OpenSSL takes the first issuer that fits by name and key identifier, and looks for another only when that one leads nowhere; we try every path, so that a broken or expired candidate cannot stand in front of a good one',
  'longest path': 'no honest path has more than 8 certificates; OpenSSL stops at 100',
  'last second': 'notAfter belongs to the validity (RFC 5280, section 4.1.2.5); OpenSSL takes that second for over',
  'common name':
    'a common name is no host name (RFC 9525, section 2); OpenSSL takes it where there is no DNS name, also in name constraints',
  'wildcard in a label': 'a wildcard is a whole label (RFC 9525, section 6.3); OpenSSL also takes parts',
  'wildcard above a constraint':
    'a wildcard stands for the names that are excluded below it; OpenSSL takes the asterisk for a label',
  'dot at the end': 'the dot at the end of the name that is asked for does not count; OpenSSL compares it',
  'dot at the beginning': 'a name to connect to has no dot before it; OpenSSL takes that for “any name below”',
  'names that are none':
    'what is no DNS name (an empty label, more than 63 letters, a hyphen at an end, an asterisk, a zero byte, a number) matches nothing; OpenSSL compares texts',
  anyExtendedKeyUsage:
    'it stands for every purpose (RFC 5280, section 4.2.1.12), as in browsers; OpenSSL does not know it for TLS',
  'step-up': 'the purposes of Netscape and Microsoft for strong cryptography of 1998 are not for servers of today',
  netscapeCertType: 'RFC 5280 does not know it, and what is not critical may be ignored',
  digitalSignature:
    'a peer of TLS 1.3 signs (RFC 9846, section 4.5.1.2); for OpenSSL keys of TLS 1.2 that encipher or agree are enough',
  'roots of version 1': 'who puts a root of version 1 or 2 among the anchors means it; -x509_strict refuses it',
  'key identifiers are hints':
    'they help to find an issuer and prove nothing (RFC 5280, section 4.2.1.1): only the signature does; OpenSSL refuses another one',
  curves: 'TLS 1.3 has no signature scheme with P-224, secp256k1 and (here) brainpool curves',
  'kinds of keys': 'TLS 1.3 has no signature scheme with DSA and X25519',
  'RSA size': 'fewer than 2048 bits are too few; OpenSSL counts bits of security, and takes 2040',
  'largest RSA key': 'more than 8192 bits only make a verifier work; OpenSSL takes 16384',
  'RSA exponent':
    'an exponent that is even, 1, negative or longer than 33 bits is none that anybody signs with; OpenSSL does not look',
  'RSA integers': 'the numbers in a key are DER too, and positive; OpenSSL takes what it can make of them',
  'point off the curve':
    'whether the key of the leaf is a point of its curve shows when it is used, for CertificateVerify, which then cannot be valid',
  'point at infinity': 'it is a key that everybody can sign with; OpenSSL takes it in a certificate',
  'rare hash': 'SHA-224 has no signature scheme in TLS 1.3',
  'PSS salt': 'the salt is as long as the hash, as in every signature scheme of TLS 1.3; OpenSSL takes any length',
  parameters:
    'RFC 5480, RFC 8410 and RFC 4055 say which algorithms have parameters and which have none; OpenSSL does not look',
  BER: 'DER and nothing else; OpenSSL takes long lengths, strings in pieces, and BOOLEANs that are neither 00 nor ff',
  'default written out': 'DER omits defaults; OpenSSL takes them',
  'bytes behind an extension': 'nothing may stand behind the value of an extension; OpenSSL ignores it',
  'bytes behind the certificate':
    'nothing may stand behind a certificate; the program ignores what follows in the file',
  'an extension twice':
    'no extension may stand twice (RFC 5280, section 4.2); OpenSSL looks only at those that it acts on',
  'unknown versions': 'there is no version after 3; OpenSSL takes any number',
  'unique identifiers in version 1': 'version 1 has none; OpenSSL takes them',
  'serial numbers': 'positive, and no more than 20 bytes (RFC 5280, section 4.1.2.2); OpenSSL takes any',
  'largest path length': 'a path length beyond 2^31 - 1 means nothing that a smaller one does not; OpenSSL takes any',
  'extensions that are not acted on':
    'policyConstraints may require a policy, distribution points lists, netscapeCertType a use: who is told that it matters must act on it or refuse. OpenSSL counts them as known, and acts on some',
  'extensions that are not read':
    'distribution points are read where a list asks for them; OpenSSL refuses a certificate where it cannot read them',
  'masks with holes':
    'a mask is a prefix (RFC 4632); one with holes permits nothing and excludes everything; OpenSSL takes any bits',
  'constraints of URIs':
    'TLS has no use for URIs, so that a constraint of them refuses whoever has one; OpenSSL compares their hosts',
  'mail addresses in any string':
    'an address in the subject is held to the constraints whatever string it is; OpenSSL knows it only in IA5String',
  'empty constraints':
    'constraints that constrain nothing are not of the form of RFC 5280; OpenSSL takes them for none',
  'texts in names': 'the kind of string does not matter to who verifies; OpenSSL cannot read names with some of them',
  'lists for the whole path':
    'where there are lists, every certificate of the path is asked about; -crl_check asks about the leaf alone',
  'lists with SHA-1': 'a list is signed as well as a certificate; the security level of OpenSSL does not look at lists',
} as const;

export type Difference = keyof typeof DIFFERENCES;

/** A code of ours with what OpenSSL says instead, for chains that both refuse: the numbers of its errors. Each must show. */
export interface CodeDifference {
  readonly ours: string;
  readonly theirs: readonly number[];
  readonly reason: string;
}

export const CODE_DIFFERENCES: readonly CodeDifference[] = [
  {
    ours: 'MALFORMED_CERTIFICATE',
    theirs: [7, 14, 20, 26, 34, 49, 66, 68, 78, 79, 80, 85, 87, 88, 93],
    reason:
      'what is not of the form that DER and RFC 5280 give is one fault, and the first that is found; OpenSSL reads on, and names the field, or leaves the certificate out and then misses it (20)',
  },
  {
    ours: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    theirs: [14, 78],
    reason: 'an anchor that cannot be read is as if it was not there',
  },
  {
    ours: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    theirs: [20],
    reason: 'the name that node:tls has for it: its OpenSSL goes on after 20, to 21',
  },
  {
    ours: 'CERT_HAS_EXPIRED',
    theirs: [9],
    reason: 'it ends before it begins: both are true, and the first question differs',
  },
  {
    ours: 'UNSUPPORTED_SIGNATURE_ALGORITHM',
    theirs: [7, 20, 68],
    reason:
      'to OpenSSL an algorithm that it does not know is one that no issuer has, a wrong signature, or a weak hash',
  },
  {
    ours: 'CERT_SIGNATURE_FAILURE',
    theirs: [20],
    reason: 'OpenSSL takes no issuer whose kind of key does not fit the signature',
  },
  {
    ours: 'CA_MD_TOO_WEAK',
    theirs: [7],
    reason: 'the mask of RSASSA-PSS uses SHA-1; OpenSSL looks at the other hash, then at the signature',
  },
  {
    ours: 'UNSUPPORTED_PUBLIC_KEY',
    theirs: [66, 94],
    reason:
      'to OpenSSL a key that it does not know is a weak one; explicit parameters have a number of their own, but no name in Node',
  },
  { ours: 'KEYUSAGE_NO_CERTSIGN', theirs: [20], reason: 'OpenSSL cannot read a key usage without any bit' },
  {
    ours: 'KEYUSAGE_NO_DIGITAL_SIGNATURE',
    theirs: [20, 26],
    reason:
      'we say what is missing; OpenSSL has one code for all that a purpose asks (26), and cannot read a key usage without any bit (20)',
  },
  {
    ours: 'ERR_TLS_CERT_ALTNAME_INVALID',
    theirs: [47],
    reason: 'OpenSSL holds the common name to constraints of DNS names',
  },
  {
    ours: 'PERMITTED_VIOLATION',
    theirs: [53],
    reason:
      'what is no address or no constraint is not permitted; OpenSSL has a code for it, which Node has no name for',
  },
  { ours: 'EXCLUDED_VIOLATION', theirs: [53], reason: 'what is no constraint excludes everything; as above' },
  { ours: 'UNSUPPORTED_CONSTRAINT_TYPE', theirs: [47, 48, 53], reason: 'constraints of URIs are not compared' },
  {
    ours: 'UNABLE_TO_GET_CRL',
    theirs: [44],
    reason: 'a list about other certificates is none; the code of OpenSSL has no name in Node',
  },
];
