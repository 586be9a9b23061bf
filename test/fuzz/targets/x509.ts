import assert from 'node:assert/strict';
import { concat } from '../../../src/bytes/index.ts';
import type { CryptoProvider } from '../../../src/crypto/index.ts';
import { TlsUsageError } from '../../../src/errors/index.ts';
import type { PeerVerdict } from '../../../src/peer-auth/index.ts';
import { nodeCrypto } from '../../../src/providers/node/index.ts';
import { keyFacts, signatureAlgorithm, UnsupportedAlgorithm } from '../../../src/x509/algorithms.ts';
import { describe, parseCertificate } from '../../../src/x509/certificate.ts';
import { distributionPointNames, parseCrl } from '../../../src/x509/crl.ts';
import { DerError, DerReader } from '../../../src/x509/der.ts';
import { describeName } from '../../../src/x509/distinguished-name.ts';
import { createVerifier } from '../../../src/x509/index.ts';
import { allChains } from '../../x509/chains.ts';
import { chain3, makeCrl, NOW } from '../../x509/forge.ts';
import { mutateDer } from '../der-mutate.ts';
import { type FuzzTarget, InputReader, type Random } from '../target.ts';

/** Runs `parse`; only the errors of the reader are documented. */
function orDerError<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof DerError || error instanceof UnsupportedAlgorithm) return undefined;
    throw error;
  }
}

const chains = allChains();

function distinct(all: readonly Uint8Array[], most: number): Uint8Array[] {
  const seen = new Map(all.map((bytes) => [Buffer.from(bytes).toString('latin1'), bytes]));
  return [...seen.values()].filter(({ length }) => length < 20_000).slice(0, most);
}

/** Reads everything there is, every way that fits its tag. */
function walk(reader: DerReader, budget: { left: number }): void {
  while (!reader.done && budget.left-- > 0) {
    const { tag, content, whole } = reader.any();
    const again = (): DerReader => new DerReader(whole);
    for (const read of [
      () => again().integer(),
      () => again().smallInteger(),
      () => again().oid(),
      () => again().bitString(),
      () => again().bitStringBytes(),
      () => again().optionalBoolean(),
      () => again().time(),
      () => again().null(),
      () => again().octetString(),
    ])
      orDerError(read);
    if (content.length > 0) orDerError(() => walk(new DerReader(whole).enter(tag), budget));
  }
}

export const der: FuzzTarget = {
  name: 'der',
  about: 'the DER reader, every kind of value at every place; documented: DerError',
  seeds: () =>
    distinct(
      chains.flatMap(({ chain }) => chain),
      40,
    ),
  mutate: mutateDer,
  sliceRuns: 100,
  run(input) {
    orDerError(() => walk(new DerReader(input), { left: 500 }));
    orDerError(() => describeName(input));
    orDerError(() => distributionPointNames(input));
    orDerError(() => keyFacts(input));
    orDerError(() => signatureAlgorithm(input));
  },
};

export const certificate: FuzzTarget = {
  name: 'certificate',
  about: 'reading a certificate, and what it says of keys and names; documented: DerError, UnsupportedAlgorithm',
  seeds: () =>
    distinct(
      chains.flatMap(({ chain, anchors }) => [...chain, ...anchors]),
      400,
    ),
  mutate: mutateDer,
  sliceRuns: 500,
  run(input) {
    const parsed = orDerError(() => parseCertificate(input));
    if (parsed === undefined) return;
    assert.deepEqual(parseCertificate(input.slice()), parsed);
    const rejected = (other: Uint8Array): boolean => orDerError(() => parseCertificate(other)) === undefined;
    assert.ok(rejected(concat(input, Uint8Array.of(0))), 'a byte more is accepted');
    assert.ok(rejected(input.subarray(0, -1)), 'a byte less is accepted');
    describe(parsed);
    describeName(parsed.issuer);
    orDerError(() => keyFacts(parsed.subjectPublicKeyInfo));
    orDerError(() => signatureAlgorithm(parsed.signatureAlgorithm));
  },
};

const issued = chain3();

export const crl: FuzzTarget = {
  name: 'crl',
  about: 'certificate revocation lists, read and used for a chain; documented: DerError, verifier.bad_crl',
  seeds: () => {
    const lists = chains.flatMap(({ crls = [] }) => crls);
    const { root, intermediate, leaf } = issued;
    return distinct([...lists, makeCrl({ issuer: intermediate, revoked: [leaf] }), makeCrl({ issuer: root })], 60);
  },
  mutate: mutateDer,
  sliceRuns: 300,
  run(input) {
    const parsed = orDerError(() => parseCrl(input));
    if (parsed === undefined) return;
    assert.equal(
      orDerError(() => parseCrl(concat(input, Uint8Array.of(0)))),
      undefined,
      'a byte more is accepted',
    );
    const { root, intermediate, leaf } = issued;
    try {
      const crls = [input, makeRootCrl()];
      const verifier = createVerifier({ crypto: signaturesAreRight, anchors: [root.der], crls });
      const chain = [leaf.der, intermediate.der];
      checkVerdict(verifier.verify({ chain, role: 'server', now: NOW, serverName: 'www.example.com' }));
    } catch (error) {
      if (!(error instanceof TlsUsageError && error.code === 'verifier.bad_crl')) throw error;
    }
  },
};

let rootCrl: Uint8Array | undefined;
function makeRootCrl(): Uint8Array {
  rootCrl ??= makeCrl({ issuer: issued.root });
  return rootCrl;
}

/** Whatever is signed counts as signed, so that what lies behind the signatures is reached. */
export const signaturesAreRight: CryptoProvider = {
  ...nodeCrypto,
  publicKey: (spki) => ({ ...nodeCrypto.publicKey(spki), verify: () => true }),
};

export function checkVerdict(verdict: PeerVerdict | Promise<PeerVerdict>): PeerVerdict {
  assert.ok(!(verdict instanceof Promise));
  if (!verdict.trusted) {
    assert.match(verdict.code, /^[A-Z0-9_]+$/);
    assert.ok(verdict.message.length < 4_096, 'a message of bounded length');
  }
  return verdict;
}

/** Role, name, then certificates with two bytes of length each; the last is the anchor. */
function pack(certificates: readonly Uint8Array[], role = 0): Uint8Array {
  return concat(
    Uint8Array.of(role),
    ...certificates.map((one) => concat(Uint8Array.of(one.length >> 8, one.length), one)),
  );
}

function unpack(input: Uint8Array): { role: number; certificates: Uint8Array[] } {
  const r = new InputReader(input);
  const role = r.u8();
  const certificates: Uint8Array[] = [];
  while (r.left > 0 && certificates.length < 40) certificates.push(r.bytes(r.u16()));
  return { role, certificates };
}

const NAMES: readonly (string | undefined)[] = [
  'www.example.com',
  '192.0.2.1',
  '2001:db8::1',
  'a.b.example.com',
  undefined,
];

export const chain: FuzzTarget = {
  name: 'chain',
  about:
    'whole chains through the verifier, signatures taken as right: a verdict, the same twice; documented: verifier.bad_anchor',
  maxLength: 40_000,
  sliceRuns: 200,
  seeds: () =>
    chains
      .map((one) => pack([...one.chain, one.anchors[0] ?? new Uint8Array(0)], one.role === 'client' ? 1 : 0))
      .filter(({ length }) => length < 20_000),
  mutate(input, random: Random) {
    const { role, certificates } = unpack(input);
    if (certificates.length === 0) return input;
    const index = random.below(certificates.length);
    const kind = random.below(8);
    if (kind === 0) certificates.splice(index, 1);
    else if (kind === 1) certificates.push(random.pick(certificates));
    else certificates[index] = mutateDer(certificates[index]!, random);
    return pack(certificates, random.chance(10) ? random.u32() : role);
  },
  run(input) {
    const { role, certificates } = unpack(input);
    const anchor = certificates.pop() ?? new Uint8Array(0);
    const verdict = (): PeerVerdict | undefined => {
      try {
        const partial = (role & 2) !== 0;
        const verifier = createVerifier({ crypto: signaturesAreRight, anchors: [anchor], allowPartialChain: partial });
        const serverName = NAMES[(role >> 2) % NAMES.length];
        const question = {
          chain: certificates,
          role: (role & 1) === 1 ? ('client' as const) : ('server' as const),
          now: NOW,
        };
        const answer = checkVerdict(verifier.verify({ ...question, ...(serverName !== undefined && { serverName }) }));
        verifier.stillValid({ chain: certificates, authorized: answer.trusted }, NOW);
        return answer;
      } catch (error) {
        if (error instanceof TlsUsageError && error.code === 'verifier.bad_anchor') return undefined;
        throw error;
      }
    };
    const started = performance.now();
    const first = verdict();
    assert.ok(performance.now() - started < 2_000, 'a verdict took more than two seconds');
    assert.deepEqual(verdict(), first);
  },
};
