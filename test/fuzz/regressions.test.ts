/** Inputs that once broke something, by name. Each was found by the target that it is for. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex } from '../../src/bytes/index.ts';
import { readPkcs12 } from '../../src/node/pkcs12.ts';
import * as ossl from '../../src/openssl/index.ts';
import { HandshakeType } from '../../src/wire/index.ts';
import { context, integer, octetString, oid, sequence } from '../../src/x509/der.ts';
import { connect, createWorld } from '../pair/pair.ts';
import { fixedIdentity } from './scenarios.ts';

describe('pkcs12: work before the MAC is known to be right', () => {
  test('a MAC of the wrong length is refused before a key is derived for it', () => {
    const file = fromHex(
      '3044020103300f06092a864886f70d010701a0020400302e3019300d060960864801650304020105000408c30e9babaae9a248040823a5f485031802b302035e72f902020800',
    );
    const before = performance.now();
    assert.throws(() => readPkcs12(file), { name: 'Pkcs12Error', fault: 'malformed' });
    assert.ok(performance.now() - before < 1_000, 'six million rounds take ten seconds');
  });

  test('rounds that are done here count for more than those of PBKDF2', () => {
    const mac = sequence(sequence(oid('2.16.840.1.101.3.4.2.1')), octetString(new Uint8Array(32)));
    const file = sequence(
      integer(3),
      sequence(oid('1.2.840.113549.1.7.1'), context(0, octetString())),
      sequence(mac, octetString(new Uint8Array(8)), integer(4_000_000)),
    );
    assert.throws(() => readPkcs12(file, 'password'), { name: 'Pkcs12Error', fault: 'limit' });
  });
});

describe('openssl: a connection is cleared from inside its own callback', () => {
  for (const [what, clear] of [
    ['SSL_clear', ossl.SSL_clear],
    ['SSL_set_accept_state', ossl.SSL_set_accept_state],
    ['SSL_set_connect_state', ossl.SSL_set_connect_state],
  ] as const) {
    test(`${what}: nothing happens, and the handshake goes on`, async () => {
      const { certificate, keyPem } = await fixedIdentity();
      const serverCtx = ossl.SSL_CTX_new(ossl.TLS_server_method());
      ossl.SSL_CTX_use_certificate(serverCtx, ossl.d2i_X509(certificate));
      const key = ossl.PEM_read_bio_PrivateKey(ossl.BIO_new_mem_buf(Buffer.from(keyPem)));
      ossl.SSL_CTX_use_PrivateKey(serverCtx, key);
      const server = ossl.SSL_new(serverCtx)!;
      const client = ossl.SSL_new(ossl.SSL_CTX_new(ossl.TLS_client_method()))!;
      const { bio1, bio2 } = ossl.BIO_new_bio_pair(0, 0);
      ossl.SSL_set_bio(server, bio1, bio1);
      ossl.SSL_set_bio(client, bio2, bio2);
      ossl.SSL_set_accept_state(server);
      ossl.SSL_set_connect_state(client);
      const results: unknown[] = [];
      ossl.SSL_set_cert_cb(server, (ssl) => {
        results.push(clear(ssl));
        return 1;
      });
      ossl.ERR_clear_error();
      for (let i = 0; i < 3; i++) for (const ssl of [client, server]) ossl.SSL_do_handshake(ssl);
      assert.deepEqual(results, [what === 'SSL_clear' ? 0 : undefined]);
      assert.deepEqual([ossl.SSL_is_init_finished(server), ossl.SSL_is_init_finished(client)], [1, 1]);
      assert.equal(ossl.ERR_get_error() !== 0, what === 'SSL_clear', 'SSL_clear says why');
    });
  }
});

test('openssl: a server name that cannot be sent is refused when it is set, not in the middle of SSL_write', () => {
  const ssl = ossl.SSL_new(ossl.SSL_CTX_new(ossl.TLS_client_method()));
  for (const name of ['ä', 'a b', '.', 'x'.repeat(256)]) assert.equal(ossl.SSL_set_tlsext_host_name(ssl, name), 0);
  assert.equal(ossl.SSL_set_tlsext_host_name(ssl, 'xn--4ca'), 1);
  ossl.SSL_free(ssl);
});

describe('engine-messages: a connection ends while it changes its keys', () => {
  test('by who watches its messages: updateKeys does not throw', async () => {
    const { client } = await connect(await createWorld());
    const { engine } = client;
    engine.onMessage = (_direction, type) => {
      if (type === HandshakeType.key_update) engine.abort('internal_error');
    };
    engine.updateKeys();
    assert.equal(engine.state, 'closed');
  });
});
