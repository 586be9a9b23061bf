/** Runs a case through our verifier and `openssl verify`, and says what came out. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { ipBytes } from '../../../src/x509/name-match.ts';
import { peer } from '../../support/peers.ts';
import { NOW, pem } from '../forge.ts';
import { judge } from '../judge.ts';
import type { Case } from './case.ts';
import { CODE_DIFFERENCES, type CodeDifference } from './differences.ts';

/** In place of a number of OpenSSL, when it could not read a file. */
const UNREADABLE = -1;

/** X509_V_ERR_* of x509_vfy.h under our names. */
const NUMBERS: Readonly<Record<string, readonly number[]>> = {
  MALFORMED_CERTIFICATE: [UNREADABLE],
  UNABLE_TO_GET_ISSUER_CERT: [2],
  UNABLE_TO_GET_CRL: [3],
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: [6],
  CERT_SIGNATURE_FAILURE: [7],
  CRL_SIGNATURE_FAILURE: [8],
  CERT_NOT_YET_VALID: [9],
  CERT_HAS_EXPIRED: [10],
  CRL_NOT_YET_VALID: [11],
  CRL_HAS_EXPIRED: [12],
  DEPTH_ZERO_SELF_SIGNED_CERT: [18],
  SELF_SIGNED_CERT_IN_CHAIN: [19],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [20],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [21],
  CERT_CHAIN_TOO_LONG: [22],
  CERT_REVOKED: [23],
  INVALID_CA: [24, 79],
  PATH_LENGTH_EXCEEDED: [25],
  INVALID_PURPOSE: [26],
  KEYUSAGE_NO_CERTSIGN: [32],
  UNHANDLED_CRITICAL_EXTENSION: [34],
  KEYUSAGE_NO_CRL_SIGN: [35],
  UNHANDLED_CRITICAL_CRL_EXTENSION: [36],
  KEYUSAGE_NO_DIGITAL_SIGNATURE: [39],
  PERMITTED_VIOLATION: [47],
  EXCLUDED_VIOLATION: [48],
  UNSUPPORTED_CONSTRAINT_TYPE: [51],
  ERR_TLS_CERT_ALTNAME_INVALID: [62, 64],
  EE_KEY_TOO_SMALL: [66],
  CA_KEY_TOO_SMALL: [67],
  CA_MD_TOO_WEAK: [68],
  ISSUER_NAME_EMPTY: [83],
};

export interface OpensslVerdict {
  readonly trusted: boolean;
  /** Numbers of the errors it printed, in order: after some it goes on. Empty when a file could not be read. */
  readonly errors: readonly number[];
  readonly output: string;
}

export interface Comparison {
  readonly ours: string;
  readonly message: string;
  readonly theirs: OpensslVerdict;
  /** For chains that both refuse: whether our code is among its errors, else which difference explains that it is not. */
  readonly codes: 'same' | CodeDifference | 'unexplained' | undefined;
}

/** Our verdict: `trusted` or a code, and what it says. */
export function ourVerdict(one: Case): { readonly code: string; readonly message: string } {
  const verdict = judge(one);
  return verdict.trusted ? { code: 'trusted', message: '' } : verdict;
}

/** `path` is the beginning of names for the files. */
export async function compare(one: Case, path: string): Promise<Comparison> {
  const { code, message } = ourVerdict(one);
  const theirs = await opensslVerdict(one, path);
  const bothRefuse = code !== 'trusted' && !theirs.trusted;
  return { ours: code, message, theirs, codes: bothRefuse ? compareCodes(code, theirs) : undefined };
}

function compareCodes(ours: string, { errors }: OpensslVerdict): Comparison['codes'] {
  const theirs = errors.length === 0 ? [UNREADABLE] : errors;
  if (theirs.some((number) => NUMBERS[ours]?.includes(number))) return 'same';
  return CODE_DIFFERENCES.find((one) => one.ours === ours && one.theirs.includes(theirs[0]!)) ?? 'unexplained';
}

async function opensslVerdict(one: Case, path: string): Promise<OpensslVerdict> {
  const { chain, anchors, crls = [], now = NOW, role = 'server', serverName = 'www.example.com' } = one;
  const [leaf, ...rest] = chain;
  const file = (name: string, ders: readonly Uint8Array[], label?: string): string => {
    writeFileSync(`${path}-${name}.pem`, ders.map((der) => pem(der, label)).join(''));
    return `${path}-${name}.pem`;
  };
  const isAddress = ipBytes(serverName) !== undefined;
  const args = [
    ...['verify', '-x509_strict', '-auth_level', '2', '-no-CAfile', '-no-CApath', '-no-CAstore'],
    ...['-purpose', role === 'client' ? 'sslclient' : 'sslserver', '-attime', String(now / 1000)],
    ...(role === 'server' ? [isAddress ? '-verify_ip' : '-verify_hostname', serverName] : []),
    ...(anchors.length > 0 ? ['-CAfile', file('anchors', anchors)] : []),
    ...(rest.length > 0 ? ['-untrusted', file('rest', rest)] : []),
    ...(crls.length > 0 ? ['-CRLfile', file('crls', crls, 'X509 CRL')] : []),
    ...(crls.length > 0 ? [one.crlCheck === 'leaf' ? '-crl_check' : '-crl_check_all'] : []),
    ...(one.allowPartialChain ? ['-partial_chain'] : []),
    file('leaf', [leaf!]),
  ];
  return new Promise((resolve, reject) => {
    execFile(peer('openssl')!.path, args, { timeout: 20_000 }, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`;
      if (error?.killed) return reject(new Error(`openssl verify did not end: ${output}`));
      const errors = [...output.matchAll(/^error (\d+) at \d+ depth lookup/gm)].map((match) => Number(match[1]));
      resolve({ trusted: error === null, errors, output });
    });
  });
}
