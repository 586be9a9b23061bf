/** Path building over random graphs of authorities, against an oracle that tries every path there is. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { PeerVerdict } from '../../src/peer-auth/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { Oid } from '../../src/x509/oids.ts';
import { bc, cn, dns, eku, ku, LEAF, make, NOW, nc, newKey } from './forge.ts';

const KEYS = Array.from({ length: 5 }, () => newKey());
const NAMES = ['A', 'B', 'C', 'D'];

/** One certificate of an authority: who it says it is, and who signed it. Numbers stand for names and keys. */
interface Edge {
  readonly name: number;
  readonly key: number;
  readonly issuerName: number;
  readonly issuerKey: number;
  readonly fault: 'none' | 'expired' | 'not a CA' | 'no keyCertSign' | 'clientAuth only' | 'elsewhere';
  readonly pathLength: number | undefined;
  /** Whether it names its key, and the one that signed it. */
  readonly identifiers: boolean;
}

const edge: fc.Arbitrary<Edge> = fc.record({
  name: fc.nat(NAMES.length - 1),
  key: fc.nat(KEYS.length - 1),
  issuerName: fc.nat(NAMES.length - 1),
  issuerKey: fc.nat(KEYS.length - 1),
  fault: fc.oneof(
    { weight: 5, arbitrary: fc.constant('none' as const) },
    fc.constantFrom('expired', 'not a CA', 'no keyCertSign', 'clientAuth only', 'elsewhere'),
  ),
  pathLength: fc.option(fc.nat(2), { nil: undefined, freq: 4 }),
  identifiers: fc.boolean(),
});

/** A root as an edge to itself. */
const rootEdge: fc.Arbitrary<Edge> = edge.map((one) => ({ ...one, issuerName: one.name, issuerKey: one.key }));

const made = new Map<string, Uint8Array>();

function certificateOf(one: Edge): Uint8Array {
  const name = JSON.stringify(one);
  const known = made.get(name);
  if (known !== undefined) return known;
  const { fault, pathLength } = one;
  const mayIssue = fault !== 'not a CA';
  const extensions = [
    bc(mayIssue, mayIssue ? pathLength : undefined),
    fault === 'no keyCertSign' ? ku(0, 6) : ku(5, 6),
    ...(fault === 'clientAuth only' ? [eku(Oid.clientAuth)] : []),
    ...(fault === 'elsewhere' ? [nc({ permitted: [dns('example.org')] })] : []),
  ];
  const { der } = make({
    subject: cn(NAMES[one.name]!),
    key: KEYS[one.key]!,
    issuer: { subject: cn(NAMES[one.issuerName]!), key: KEYS[one.issuerKey]! },
    extensions,
    keyIdentifiers: one.identifiers,
    ...(fault === 'expired' && { notAfter: NOW - 1000 }),
  });
  made.set(name, der);
  return der;
}

const leafKey = newKey();
const leaves = NAMES.map((name) =>
  KEYS.map(
    (key) =>
      make({
        subject: cn('www.example.com'),
        key: leafKey,
        issuer: { subject: cn(name), key },
        extensions: LEAF,
        keyIdentifiers: false,
      }).der,
  ),
);

const sameEntity = (a: Edge, b: Edge): boolean => a.name === b.name && a.key === b.key;

/** Whether there is a path: the words of RFC 5280 tried on every list of different authorities. */
function exists(
  leaf: { readonly name: number; readonly key: number },
  shown: readonly Edge[],
  roots: readonly Edge[],
): boolean {
  const climb = (name: number, key: number, below: readonly Edge[]): boolean => {
    if (below.length > 6) return false;
    const fits = (one: Edge): boolean =>
      one.name === name &&
      one.key === key &&
      one.fault === 'none' &&
      !below.some((other) => sameEntity(one, other)) &&
      (one.pathLength ?? 9) >= below.filter((other) => other.name !== other.issuerName).length;
    if (roots.some(fits)) return true;
    return shown.some((one) => fits(one) && climb(one.issuerName, one.issuerKey, [...below, one]));
  };
  return climb(leaf.name, leaf.key, []);
}

function verify(leaf: Uint8Array, shown: readonly Edge[], roots: readonly Edge[]): PeerVerdict {
  const verifier = createVerifier({ crypto: nodeCrypto, anchors: roots.map(certificateOf) });
  const chain = [leaf, ...shown.map(certificateOf)];
  return verifier.verify({ chain, role: 'server', now: NOW, serverName: 'www.example.com' }) as PeerVerdict;
}

const graph = fc.record({
  leaf: fc.record({ name: fc.nat(NAMES.length - 1), key: fc.nat(KEYS.length - 1) }),
  shown: fc.array(edge, { maxLength: 12 }),
  roots: fc.array(rootEdge, { minLength: 1, maxLength: 3 }),
});

/** A way from the leaf to a root, with whatever else there is around it, in any order. */
const connected = fc
  .tuple(
    graph,
    fc.array(fc.tuple(fc.nat(NAMES.length - 1), fc.nat(KEYS.length - 1)), { minLength: 1, maxLength: 5 }),
    fc.infiniteStream(fc.nat()),
  )
  .map(([{ leaf, shown, roots }, steps, order]) => {
    const sound = { fault: 'none' as const, pathLength: undefined, identifiers: true };
    const stations = [[leaf.name, leaf.key] as const, ...steps];
    const way = stations.slice(0, -1).map(([name, key], i): Edge => {
      const [issuerName, issuerKey] = stations[i + 1]!;
      return { name, key, issuerName, issuerKey, ...sound };
    });
    const [name, key] = stations[stations.length - 1]!;
    const root: Edge = { name, key, issuerName: name, issuerKey: key, ...sound };
    const all = [...shown, ...way].map((one) => ({ one, rank: order.next().value! }));
    all.sort((a, b) => a.rank - b.rank);
    return { leaf, shown: all.map(({ one }) => one), roots: [...roots, root] };
  });

describe('path building', () => {
  let [found, refused, gaveUp] = [0, 0, 0];
  const agrees = ({
    leaf,
    shown,
    roots,
  }: {
    leaf: { name: number; key: number };
    shown: readonly Edge[];
    roots: readonly Edge[];
  }): void => {
    const verdict = verify(leaves[leaf.name]![leaf.key]!, shown, roots);
    const expected = exists(leaf, shown, roots);
    if (!verdict.trusted && verdict.code === 'TOO_MANY_CHECKS') gaveUp++;
    else assert.equal(verdict.trusted, expected, verdict.trusted ? 'trusted' : `${verdict.code}: ${verdict.message}`);
    if (expected) found++;
    else refused++;
  };

  test('finds a path exactly when there is one', () => {
    fc.assert(fc.property(graph, agrees), { numRuns: 300 });
  });

  test('finds the one that was laid, among others that lead nowhere', () => {
    fc.assert(fc.property(connected, agrees), { numRuns: 300 });
    assert.ok(found > 150 && refused > 100, `${found} found, ${refused} refused`);
    assert.ok(gaveUp <= 6, `${gaveUp} of ${found + refused} took too many checks`);
  });

  test('the order of certificates changes nothing', () => {
    fc.assert(
      fc.property(connected, fc.infiniteStream(fc.nat()), ({ leaf, shown, roots }, order) => {
        const mixed = shown.map((one) => ({ one, rank: order.next().value! })).sort((a, b) => a.rank - b.rank);
        const one = verify(leaves[leaf.name]![leaf.key]!, shown, roots);
        const other = verify(
          leaves[leaf.name]![leaf.key]!,
          mixed.map((each) => each.one),
          [...roots].reverse(),
        );
        const patient = [one, other].every((verdict) => verdict.trusted || verdict.code !== 'TOO_MANY_CHECKS');
        if (patient) assert.equal(one.trusted, other.trusted);
      }),
      { numRuns: 150 },
    );
  });
});
