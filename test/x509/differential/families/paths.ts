import { bc, CA, cn, dns, ku, type Made, NOW, nc, san } from '../../forge.ts';
import { authority, bad, type Case, DAY, ders, EMPTY, type Extra, endEntity, good, key, plus, tree } from '../case.ts';

const none = { keyIdentifiers: false };

function chain(
  name: string,
  expected: Case['expected'],
  made: readonly Made[],
  anchors: readonly Made[],
  extra: Extra = {},
): Case {
  return { name, expected, chain: ders(...made), anchors: ders(...anchors), ...extra };
}

const trusted = (name: string, made: readonly Made[], anchors: readonly Made[], extra?: Extra): Case =>
  chain(name, 'trusted', made, anchors, extra);
const refused = (name: string, made: readonly Made[], anchors: readonly Made[], extra?: Extra): Case =>
  chain(name, 'refused', made, anchors, extra);

export function shapes(): Case[] {
  const { root, upper, lower, leaf } = tree();
  const stranger = authority('Stranger', 'stranger');
  const direct = endEntity(root);
  const selfSigned = endEntity(undefined, { subject: cn('self'), key: key('self') });
  const selfOther = endEntity(undefined, { subject: cn('self'), key: key('self 2') });
  const selfAuthority = authority('self', 'self', undefined, {
    extensions: [bc(true), ku(0, 5), san(dns('www.example.com'))],
  });
  const noSigner = authority('self', 'self', undefined, { extensions: [...CA, san(dns('www.example.com'))] });
  const expired = endEntity(undefined, { subject: cn('self'), key: key('self'), notAfter: NOW - DAY });
  const all = [leaf, lower, upper];
  const wrongName = { serverName: 'other.example.com' };
  const partial = { allowPartialChain: true };
  const grow = (count: number): Made[] => {
    const made = [root];
    for (let i = 0; i < count; i++) made.unshift(authority(`Level ${i}`, `level ${i}`, made[0]!));
    return [endEntity(made[0]), ...made];
  };
  const long = (count: number): [Made[], Made[]] => [grow(count).slice(0, -1), [root]];
  return [
    trusted('leaf, lower, upper', all, [root]),
    trusted('with the root', [...all, root], [root]),
    trusted('root first', [leaf, root, upper, lower], [root]),
    trusted('upper before lower', [leaf, upper, lower], [root]),
    trusted('each twice', [leaf, leaf, lower, lower, upper, upper], [root]),
    trusted('a stranger among them', [leaf, stranger, lower, selfSigned, upper], [root]),
    trusted('issued by the root', [direct], [root]),
    trusted('several roots', all, [stranger, root, selfAuthority]),
    trusted('the intermediates among the anchors', [leaf], [lower, upper, root]),
    trusted('one intermediate among the anchors, one sent', [leaf, lower], [upper, root]),
    trusted('one intermediate sent, the other among the anchors', [leaf, upper], [lower, root], {
      differs: 'the first path that fits',
    }),
    trusted('all among the anchors too', all, [leaf, lower, upper, root]),
    refused('the leaf alone', [leaf], [root]),
    refused('without the lower', [leaf, upper], [root]),
    refused('without the upper', [leaf, lower], [root]),
    refused('the lower first, the leaf after it, for the name of the leaf', [lower, leaf, upper], [root]),
    refused('a stranger for a root', all, [stranger]),
    refused('a stranger for a root, the root sent', [...all, root], [stranger]),
    refused('no roots', all, []),
    refused('no roots, the root sent', [...all, root], []),
    refused('no roots, a self-signed leaf', [selfSigned], []),
    refused('a self-signed leaf', [selfSigned], [root]),
    refused('a self-signed leaf with the chain of another', [selfSigned, lower, upper], [root]),
    trusted('a self-signed leaf that is trusted', [selfSigned], [selfSigned]),
    refused('a self-signed leaf that is trusted, for another name', [selfSigned], [selfSigned], wrongName),
    refused('a self-signed leaf that is trusted and expired', [expired], [expired]),
    refused('a self-signed leaf of the name and key of one that is trusted', [selfSigned], [expired]),
    trusted('a self-signed authority that is trusted', [selfAuthority], [selfAuthority]),
    refused('a self-signed authority that is trusted and may not sign for TLS', [noSigner], [noSigner]),
    refused('a self-signed leaf of the name of one that is trusted', [selfSigned], [selfOther]),
    refused('a leaf that is trusted without its issuer', [leaf], [leaf]),
    trusted('a leaf that is trusted, and may end a path', [leaf], [leaf], partial),
    refused('a leaf that is trusted, and may end a path, for another name', [leaf], [leaf], {
      ...partial,
      ...wrongName,
    }),
    refused('a lower that is trusted without the upper', [leaf], [lower]),
    trusted('a lower that is trusted, and may end a path', [leaf], [lower], partial),
    trusted('an upper that is trusted, and may end a path', [leaf, lower], [upper], partial),
    trusted('a lower that may end a path, with all others', all, [lower], partial),
    refused('an upper that may end a path, the lower missing', [leaf], [upper], partial),
    refused('a stranger that may end a path', all, [stranger], partial),
    trusted('a self-signed leaf that may end a path', [selfSigned], [selfSigned], partial),
    trusted('a root where a path may end at an intermediate', all, [root], partial),
    refused(
      'a lower that may end a path and has expired',
      [leaf],
      [authority('Lower', 'lower', upper, { notAfter: NOW - DAY })],
      partial,
    ),
    refused(
      'a lower that may end a path and is no authority',
      [leaf],
      [authority('Lower', 'lower', upper, { extensions: [bc(false), ku(5)] })],
      partial,
    ),
    refused('the root as the leaf', [root], [root]),
    refused('the lower as the leaf', [lower, upper], [root]),
    trusted(
      'a leaf issued by a leaf that is an authority',
      [
        endEntity(authority('www.example.com', 'leaf ca', lower)),
        authority('www.example.com', 'leaf ca', lower),
        lower,
        upper,
      ],
      [root],
    ),
    refused('a leaf issued by a leaf', [endEntity(direct, { key: key('leaf 2') }), direct], [root]),
    refused(
      'a leaf issued by a leaf, of another name',
      [endEntity(endEntity(root, { subject: cn('x') })), endEntity(root, { subject: cn('x') })],
      [root],
    ),
    trusted('6 intermediates', ...long(6)),
    refused('7 intermediates', ...long(7), { differs: 'longest path' }),
    refused('20 intermediates', ...long(20), { differs: 'longest path' }),
    refused('31 intermediates', ...long(31), { differs: 'longest path' }),
    {
      name: 'a certificate that cannot be read among them',
      expected: 'trusted',
      chain: [leaf.der, lower.der, upper.der, Uint8Array.of(0x30, 0)],
      anchors: [root.der],
    },
    {
      name: 'an empty certificate for the leaf',
      expected: 'refused',
      chain: [EMPTY, lower.der, upper.der],
      anchors: [root.der],
    },
  ];
}

export function alternatives(): Case[] {
  const { root, upper, lower, leaf } = tree();
  const plain = tree({ root: none, upper: none, lower: none, leaf: none });
  const other = authority('Other root', 'other root');
  const past = { notAfter: NOW - DAY };
  const future = { notBefore: NOW + DAY };
  const again = (made: Made, issuer: Made | undefined, more: object = {}): Made =>
    authority('x', 'x', issuer, { subject: made.subject, key: made.key, ...more });
  const impostor = (made: Made, issuer: Made | undefined, more: object = {}): Made =>
    authority('x', `impostor ${Buffer.from(made.subject).toString('hex')}`, issuer, { subject: made.subject, ...more });
  const crossRoot = again(root, other);
  const crossUpper = again(upper, other);
  const crossLower = again(lower, other);
  const expiredRoot = again(root, undefined, past);
  const renewedRoot = again(root, undefined);
  const expiredUpper = again(upper, root, past);
  const expiredLower = again(lower, upper, past);
  const futureLower = again(lower, upper, future);
  const all = [leaf, lower, upper];
  const narrow = again(lower, upper, { extensions: [...CA, nc({ permitted: [dns('example.org')] })] });
  const noAuthority = again(lower, upper, { extensions: [bc(false)] });
  const badSignature = again(lower, upper, {
    tamper: (signature: Uint8Array) => signature.with(-1 + signature.length, signature.at(-1)! ^ 1),
  });
  const first: Extra = { differs: 'the first path that fits' };
  const [a, b, c] = ['A', 'B', 'C'].map((name) => ({ subject: cn(name), key: key(`loop ${name}`) })) as [
    Signer,
    Signer,
    Signer,
  ];
  const ab = authority('A', 'loop A', b);
  const ba = authority('B', 'loop B', a);
  const bc_ = authority('B', 'loop B', c);
  const ca = authority('C', 'loop C', a);
  const aRoot = authority('A', 'loop A', root);
  const aa = authority('A', 'loop A', { subject: cn('A'), key: key('loop A 2') });
  return [
    trusted('cross-signed root, the other is trusted', [...all, crossRoot], [other]),
    trusted('cross-signed root, both are trusted', [...all, crossRoot], [root, other]),
    trusted('cross-signed root, both are trusted, in the other order', [leaf, crossRoot, upper, lower], [other, root]),
    trusted('cross-signed root, its own is trusted', [...all, crossRoot], [root]),
    trusted('cross-signed upper, the other is trusted', [leaf, lower, upper, crossUpper], [other], first),
    trusted('cross-signed upper first, its own root is trusted', [leaf, lower, crossUpper, upper], [root], first),
    trusted('cross-signed upper only, the other root is trusted', [leaf, lower, crossUpper], [other]),
    refused('cross-signed upper only, its own root is trusted', [leaf, lower, crossUpper], [root]),
    trusted('cross-signed lower, the other root is trusted', [leaf, lower, upper, crossLower], [other], first),
    trusted('cross-signed lower first, its own root is trusted', [leaf, crossLower, lower, upper], [root], first),
    trusted('cross-signed lower first, no root of its issuer', [leaf, crossLower, lower, upper], [root], first),
    trusted('cross-signed at all levels', [leaf, crossLower, lower, crossUpper, upper, crossRoot], [other]),
    refused(
      'cross-signed at all levels, nobody is trusted',
      [leaf, crossLower, lower, crossUpper, upper, crossRoot],
      [authority('x', 'x')],
    ),
    trusted('cross-signed by one that expired', [...all, again(root, other, past)], [root]),
    refused('cross-signed by one that expired, the other is trusted', [...all, again(root, other, past)], [other]),
    trusted('the root expired, renewed among the anchors', all, [expiredRoot, renewedRoot]),
    trusted('the root renewed, expired among the anchors', all, [renewedRoot, expiredRoot]),
    trusted('the root sent is expired, the one trusted is not', [...all, expiredRoot], [renewedRoot]),
    refused('the root trusted is expired, the one sent is not', [...all, renewedRoot], [expiredRoot]),
    trusted('the root expired, a cross-signed one leads further', [...all, crossRoot], [expiredRoot, other], first),
    trusted('an expired lower first', [leaf, expiredLower, lower, upper], [root]),
    trusted('an expired lower last', [leaf, lower, upper, expiredLower], [root]),
    trusted('an expired upper first', [leaf, lower, expiredUpper, upper], [root]),
    trusted('a lower of the future first', [leaf, futureLower, lower, upper], [root]),
    trusted('an expired lower, and a cross-signed one', [leaf, expiredLower, upper, crossLower], [root, other]),
    refused(
      'two lowers, both expired',
      [leaf, expiredLower, again(lower, upper, { notAfter: NOW - 2 * DAY }), upper],
      [root],
    ),
    trusted('an expired lower among the anchors, a good one sent', [leaf, lower, upper], [expiredLower, root], first),
    trusted('a lower that permits no such name first', [leaf, narrow, lower, upper], [root], first),
    trusted('a lower that is no authority first', [leaf, noAuthority, lower, upper], [root], first),
    trusted('a lower with a broken signature first', [leaf, badSignature, lower, upper], [root], first),
    trusted('an impostor of the lower first', [leaf, impostor(lower, upper), lower, upper], [root]),
    trusted(
      'an impostor of the lower first, without key identifiers',
      [plain.leaf, impostor(plain.lower, plain.upper, none), plain.lower, plain.upper],
      [plain.root],
      first,
    ),
    trusted('an impostor of the root among the anchors first', all, [impostor(root, undefined), root]),
    trusted(
      'an impostor of the root among the anchors first, without key identifiers',
      [plain.leaf, plain.lower, plain.upper],
      [impostor(plain.root, undefined, none), plain.root],
      first,
    ),
    refused('an impostor of the root for the root', all, [impostor(root, undefined)]),
    refused(
      'an impostor of the root for the root, without key identifiers',
      [plain.leaf, plain.lower, plain.upper],
      [impostor(plain.root, undefined, none)],
    ),
    refused('an impostor of the lower for the lower', [leaf, impostor(lower, upper), upper], [root]),
    refused(
      'an impostor of the lower for the lower, without key identifiers',
      [plain.leaf, impostor(plain.lower, plain.upper, none), plain.upper],
      [plain.root],
    ),
    refused('a self-signed impostor of the root, sent', [...all, impostor(root, undefined)], [other]),
    refused(
      'a lower that claims the name of the root',
      [endEntity(impostor(root, upper)), impostor(root, upper), upper],
      [authority('Root', 'root', undefined, { extensions: [bc(true, 0), ku(5)] })],
    ),
    refused('a loop of two', [endEntity(ab), ab, ba], [root]),
    refused('a loop of three', [endEntity(ab), ab, bc_, ca], [root]),
    trusted('a loop with a way out', [endEntity(ab), ab, ba, aRoot], [root]),
    trusted('a loop with a way out, which comes first', [endEntity(ab), aRoot, ab, ba], [root]),
    refused('a self-issued one of another key, twice', [endEntity(aa), aa, aa], [root]),
    refused('a loop of two, one of them trusted', [endEntity(ab), ab, ba], [ba]),
    trusted('a loop of two, one of them trusted where a path may end there', [endEntity(ab), ab, ba], [ba], {
      allowPartialChain: true,
    }),
    refused('a lower that certifies its own issuer', [leaf, lower, again(upper, lower)], [root]),
    good(
      'an extra constraint in an authority that is not in the path',
      {},
      {
        chain: [
          ...ders(...all),
          again(lower, upper, {
            extensions: [...CA, nc({ permitted: [dns('example.org')] })],
            notBefore: NOW - 2 * DAY,
          }).der,
        ],
      },
    ),
    bad('constraints in the path, none in the extra one of another key', {
      ...plus('lower', nc({ permitted: [dns('example.org')] })),
    }),
  ];
}

type Signer = Pick<Made, 'subject' | 'key'>;
