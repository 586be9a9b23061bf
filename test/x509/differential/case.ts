/** What a differential case is, and the chain that most of them change in one place. */
import * as der from '../../../src/x509/der.ts';
import { Oid } from '../../../src/x509/oids.ts';
import type { ChainCase } from '../chains.ts';
import {
  CA,
  cn,
  extension,
  type KeyName,
  type KeyPair,
  keyId,
  LEAF,
  type Made,
  make,
  newKey,
  type Recipe,
} from '../forge.ts';
import type { Difference } from './differences.ts';

export interface Case extends Omit<ChainCase, 'expected' | 'opensslDiffers'> {
  /** What we are to say. */
  readonly expected: 'trusted' | 'refused';
  /** Whose certificates OpenSSL asks the lists about. Default: all, as we do. */
  readonly crlCheck?: 'leaf';
  /** The deliberate difference for which `openssl verify` says the opposite. */
  readonly differs?: Difference;
}

export interface Family {
  readonly name: string;
  readonly cases: readonly Case[];
}

export const SECOND = 1000;
export const DAY: number = 86_400 * SECOND;
export const YEAR: number = 365 * DAY;
export const UNKNOWN = '1.3.6.1.4.1.55555.1';
export const EMPTY: Uint8Array = new Uint8Array(0);

const pool = new Map<string, KeyPair>();

/** The key with this label, made once for all cases. */
export function key(label: string, name: KeyName = 'p256'): KeyPair {
  const known = pool.get(label);
  if (known !== undefined) return known;
  const made = newKey(name);
  pool.set(label, made);
  return made;
}

/** The usual extensions of the leaf, with the key identifiers that are else added. */
export const ALL_OF_LEAF: readonly Uint8Array[] = [
  ...LEAF,
  extension(Oid.subjectKeyIdentifier, der.octetString(keyId(key('leaf')))),
  extension(Oid.authorityKeyIdentifier, der.sequence(der.contextPrimitive(0, keyId(key('lower'))))),
];

export type Place = 'root' | 'upper' | 'lower' | 'leaf';
export const PLACES: readonly Place[] = ['leaf', 'lower', 'upper', 'root'];
export const AUTHORITIES: readonly Place[] = ['lower', 'upper', 'root'];

export type Change = { readonly [P in Place]?: Partial<Recipe> };
export type Extra = Partial<Omit<Case, 'name' | 'expected'>>;

/** A root, two intermediates and a leaf for www.example.com; each part of the recipes can be replaced. */
export function tree(change: Change = {}): Readonly<Record<Place, Made>> {
  const root = make({ subject: cn('Root'), key: key('root'), extensions: CA, ...change.root });
  const upper = make({ subject: cn('Upper'), key: key('upper'), issuer: root, extensions: CA, ...change.upper });
  const lower = make({ subject: cn('Lower'), key: key('lower'), issuer: upper, extensions: CA, ...change.lower });
  const subject = cn('www.example.com');
  const leaf = make({ subject, key: key('leaf'), issuer: lower, extensions: LEAF, ...change.leaf });
  return { root, upper, lower, leaf };
}

function changed(name: string, expected: Case['expected'], change: Change, extra: Extra): Case {
  const { root, upper, lower, leaf } = tree(change);
  return { name, expected, chain: [leaf.der, lower.der, upper.der], anchors: [root.der], ...extra };
}

export function good(name: string, change: Change = {}, extra: Extra = {}): Case {
  return changed(name, 'trusted', change, extra);
}

export function bad(name: string, change: Change = {}, extra: Extra = {}): Case {
  return changed(name, 'refused', change, extra);
}

/** The change with these extensions at one place, in addition to the usual ones. */
export function plus(place: Place, ...extensions: readonly Uint8Array[]): Change {
  return { [place]: { extensions: [...(place === 'leaf' ? LEAF : CA), ...extensions] } };
}

/** The change with these extensions at one place, and no others but the key identifiers. */
export function only(place: Place, ...extensions: readonly Uint8Array[]): Change {
  return { [place]: { extensions } };
}

/** A certificate that is made outside of the usual chain. */
export function authority(name: string, label: string, issuer?: Recipe['issuer'], more: Partial<Recipe> = {}): Made {
  return make({ subject: cn(name), key: key(label), extensions: CA, ...(issuer && { issuer }), ...more });
}

export function endEntity(issuer: Recipe['issuer'], more: Partial<Recipe> = {}): Made {
  const recipe = { subject: cn('www.example.com'), key: key('leaf'), extensions: LEAF, ...more };
  return make({ ...recipe, ...(issuer && { issuer }) });
}

export const ders = (...made: readonly Made[]): Uint8Array[] => made.map((one) => one.der);
