import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as nodeTls from 'node:tls';
import tls, * as names from './index.ts';

test('the default export has all names', () => {
  const { default: _self, ...rest } = names;
  assert.deepEqual({ ...tls }, rest);
});

test('names and values are those of node:tls, as far as TLS 1.3 has them', () => {
  assert.equal(tls.checkServerIdentity, nodeTls.checkServerIdentity);
  assert.equal(tls.rootCertificates, nodeTls.rootCertificates);
  assert.equal(tls.DEFAULT_ECDH_CURVE, nodeTls.DEFAULT_ECDH_CURVE);
  assert.ok(nodeTls.DEFAULT_CIPHERS.startsWith(`${tls.DEFAULT_CIPHERS}:`));
  assert.deepEqual([tls.DEFAULT_MIN_VERSION, tls.DEFAULT_MAX_VERSION], ['TLSv1.3', 'TLSv1.3']);
  const ofTls13 = nodeTls.getCiphers().filter((name) => name.startsWith('tls_'));
  assert.deepEqual(tls.getCiphers(), ofTls13);
  const node = nodeTls as { getCertificateCompressionAlgorithms?: () => string[] };
  const expected = node.getCertificateCompressionAlgorithms?.();
  if (expected !== undefined) assert.deepEqual(tls.getCertificateCompressionAlgorithms(), expected);
  assert.doesNotThrow(() =>
    tls.createSecureContext({ certificateCompression: tls.getCertificateCompressionAlgorithms() }),
  );
});
