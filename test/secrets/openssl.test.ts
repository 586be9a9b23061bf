/** Canaries in the OpenSSL facade: what its functions give and its callbacks get shows no secret, and SSL_free leaves none. */
import assert from 'node:assert/strict';
import { createPrivateKey, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import * as ossl from '../../src/openssl/index.ts';
import { deliver, errors, identity, must, newPair, shakeHands, World } from '../compat/openssl/support.ts';
import { Canaries, plantSecretsOf } from './canaries.ts';

test('contexts, connections, sessions, keys and errors show no secret', async () => {
  const canaries = new Canaries();
  canaries.plant(
    'private key',
    Buffer.from(createPrivateKey(identity.keyPem).export({ format: 'jwk' }).d!, 'base64url'),
  );
  const ticketKeys = randomBytes(80);
  canaries.plant('ticket keys', ticketKeys);
  const psk = randomBytes(32);
  canaries.plant('external PSK', psk);
  const shown: [what: string, value: unknown][] = [];

  const secrets = await plantSecretsOf(canaries, async () => {
    const world = new World();
    const { serverCtx, clientCtx, sessions } = world;
    assert.equal(ossl.SSL_CTX_set_tlsext_ticket_keys(serverCtx, ticketKeys), 1);
    const told: unknown[] = [];
    for (const ctx of [serverCtx, clientCtx])
      ossl.SSL_CTX_set_info_callback(ctx, (ssl, where, ret) => void told.push({ ssl, where, ret }));
    const pair = world.connect();
    deliver(pair.client, pair.server, 'hello');
    const resumed = world.connect(sessions[0]!);
    assert.equal(ossl.SSL_session_reused(resumed.client), 1);

    // External PSKs.
    const session = must(ossl.SSL_SESSION_new());
    assert.equal(ossl.SSL_SESSION_set1_master_key(session, psk), 1);
    assert.equal(ossl.SSL_SESSION_set_cipher(session, ossl.SSL_get_current_cipher(pair.client)), 1);
    assert.equal(ossl.SSL_SESSION_set_protocol_version(session, ossl.TLS1_3_VERSION), 1);
    const withPsk = newPair(serverCtx, clientCtx);
    ossl.SSL_set_psk_find_session_callback(withPsk.server, () => session);
    ossl.SSL_set_psk_use_session_callback(withPsk.client, () => ({ id: Buffer.from('me'), sess: session }));
    shakeHands(withPsk);

    // A failure: nobody whom the client trusts.
    const broken = newPair(serverCtx, ossl.SSL_CTX_new(ossl.TLS_client_method())!);
    ossl.SSL_set_verify(broken.client, ossl.SSL_VERIFY_PEER, null);
    for (const ssl of [broken.client, broken.server, broken.client]) ossl.SSL_do_handshake(ssl);

    for (const one of [pair, resumed, withPsk, broken]) shown.push(['connections', { ...one }]);
    shown.push(['contexts', [serverCtx, clientCtx]], ['sessions', [...sessions, session]], ['told', told]);
    shown.push(['private key', ossl.PEM_read_bio_PrivateKey(ossl.BIO_new_mem_buf(Buffer.from(identity.keyPem)))]);
    shown.push(['errors', errors()]);
    assert.ok(sessions.length > 2 && told.length > 10);
    // After they are gone, too.
    for (const { client, server } of [pair, resumed, withPsk, broken]) {
      ossl.SSL_free(client);
      ossl.SSL_free(server);
      shown.push(['freed connections', [client, server]]);
    }
  });
  // What is left are the ticket keys of the context.
  assert.deepEqual(
    secrets.filter(({ wiped }) => !wiped).map(({ bytes }) => bytes.length),
    [32],
  );
  assert.ok(secrets.length > 20, `${secrets.length} secrets were used`);
  for (const [what, value] of shown) assert.deepEqual(canaries.seenIn(value), [], what);
});
