import { SignatureScheme } from '../wire/registry.ts';

export interface EphemeralKeyInfo {
  readonly type?: 'ECDH' | 'TLSGroup';
  readonly name?: string;
  /** Bits, of `ECDH`. */
  readonly size?: number;
}

/** Curves as Node calls them, and the bits of their points. */
const CURVES: Readonly<Record<string, readonly [name: string, size: number]>> = {
  secp256r1: ['prime256v1', 256],
  secp384r1: ['secp384r1', 384],
  secp521r1: ['secp521r1', 521],
  x25519: ['X25519', 253],
};

/** As `getEphemeralKeyInfo()` of Node 24 and later gives it: groups that are no curves are `TLSGroup`. */
export function ephemeralKeyInfo(group: string | undefined): EphemeralKeyInfo {
  if (group === undefined) return {};
  const curve = CURVES[group];
  return curve === undefined ? { type: 'TLSGroup', name: group } : { type: 'ECDH', name: curve[0], size: curve[1] };
}

const ALGORITHMS: readonly (readonly [prefix: string, name: string])[] = [
  ['rsa_pkcs1_', 'RSA'],
  ['rsa_pss_', 'RSA-PSS'],
  ['ecdsa_', 'ECDSA'],
  ['ed25519', 'Ed25519'],
  ['ed448', 'Ed448'],
];
const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(SignatureScheme).map(([scheme, code]) => {
    const algorithm = ALGORITHMS.find(([prefix]) => scheme.startsWith(prefix))?.[1] ?? scheme;
    return [code, `${algorithm}+${/sha\d+$/.exec(scheme)?.[0].toUpperCase() ?? 'UNDEF'}`];
  }),
);

/** `ECDSA+SHA256`, `Ed25519+UNDEF`, …, as `getSharedSigalgs()` of node:tls says it. */
export function sigalgName(scheme: number): string {
  return NAMES.get(scheme) ?? `0x${scheme.toString(16).padStart(4, '0')}+UNDEF`;
}
