import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, latin1, Secret, toHex } from '../bytes/index.ts';
import type { HashName } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { exportKeyingMaterial } from './index.ts';

/** Out of two connections of OpenSSL 3.0: SSL_export_keying_material, and EXPORTER_SECRET of its key log. */
const openssl: readonly { hash: HashName; secret: string; cases: readonly [string, string | undefined, string][] }[] = [
  {
    hash: 'sha256',
    secret: '829b1b622752e32931656d163ada09e4e6ba1c3157c3fdb2cd3f40956c7a6d68',
    cases: [
      ['EXPORTER-tessera', undefined, 'dcb0ec55c668acb188c04d0e45c311cd29581e8448a99320e1d81f93abace4ae'],
      ['EXPORTER-tessera', '', 'dcb0ec55c668acb188c04d0e45c311cd29581e8448a99320e1d81f93abace4ae'],
      ['EXPORTER-Channel-Binding', '', 'a29c0864eabfe48a3c52cbbd16adc48a0bcb29ef245c8656be8ed64e95e5948c'],
      [
        'EXPORTER-tessera',
        'a context',
        'd37bd8ccaefd9ed46a310472a51708b68d4be4dd6f804886c3004b4494abebfaa0e71f9ab2e39f81522082e10d04347696f194e6df995d7e4d8d41f6f2b918dbad63fc0fb2fed8330348bc88fc618819ccb1553161e727b4db01540363146b3efd5e04e5',
      ],
    ],
  },
  {
    hash: 'sha384',
    secret: 'f6297947e33ad4d018c914f8a9f56cc1a2b186b98da038e4decd5108ca1a7617ff59ef1a8e7452b003dc0b3b33bb10e8',
    cases: [
      ['EXPORTER-tessera', undefined, '5ecba09ec74f4f14420be83cabe7c18f7985766ca4656ed34b88edbc247e4c03'],
      ['EXPORTER-Channel-Binding', '', '1912d81f4f8c6207916f87feb63515c7c39f664ea0ba10b221956d1114ba96c2'],
      [
        'EXPORTER-tessera',
        'a context',
        '2c288344c8a6504390ce7fcb8c1737f628a8ec649bbd2b582eed836bcf29a6da8fd2f19a4a6d998b5ef439b2c86caea0de068b010245c91fb7678075d738dccfbbe0e61f18357c2d2be6dc33686c0c0910206ac50478cbad9059369970cbd581dc6f8d43',
      ],
    ],
  },
];

for (const { hash, secret, cases } of openssl) {
  test(`exports what OpenSSL exports, ${hash}`, () => {
    const exporterSecret = new Secret(fromHex(secret));
    for (const [label, context, material] of cases) {
      const bytes = context === undefined ? undefined : latin1(context);
      const got = exportKeyingMaterial(nodeCrypto.kdf(hash), exporterSecret, label, bytes, material.length / 2);
      assert.equal(toHex(got), material, `${label}, ${context}`);
    }
  });
}

test('a context longer than 255 bytes is no problem, for only its hash is used', () => {
  const secret = new Secret(new Uint8Array(32).fill(7));
  const material = exportKeyingMaterial(nodeCrypto.kdf('sha256'), secret, 'EXPORTER-x', new Uint8Array(70_000), 8160);
  assert.equal(material.length, 8160);
});

test('refuses labels and lengths that cannot be encoded', () => {
  const kdf = nodeCrypto.kdf('sha256');
  const secret = new Secret(new Uint8Array(32).fill(7));
  for (const label of ['ü', 'a\n', 'x'.repeat(250)]) {
    assert.throws(
      () => exportKeyingMaterial(kdf, secret, label, undefined, 32),
      (error) => error instanceof TlsUsageError && error.code === 'exporter.bad_label',
    );
  }
  for (const length of [0, -1, 1.5, Number.NaN, 8161]) {
    assert.throws(
      () => exportKeyingMaterial(kdf, secret, 'EXPORTER-x', undefined, length),
      (error) => error instanceof TlsUsageError && error.code === 'exporter.bad_length',
    );
  }
});
