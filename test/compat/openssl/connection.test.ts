import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import * as o from '../../../src/openssl/index.ts';
import { nodeCrypto } from '../../../src/providers/node/index.ts';
import { NamedGroup } from '../../../src/wire/registry.ts';
import { makeIdentity } from '../../support/certificates.ts';
import {
  certificateOf,
  clientContext,
  deliver,
  errors,
  identity,
  must,
  newPair,
  readNothing,
  serverContext,
  shakeHands,
  World,
} from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'tessera-openssl-'));
after(() => rmSync(folder, { recursive: true }));
function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

beforeEach(() => o.ERR_clear_error());

/** What a call gave, and why. */
function outcome(ssl: o.SSL, ret: number): [number, number] {
  return [ret, o.SSL_get_error(ssl, ret)];
}
const wantRead: [number, number] = [-1, o.SSL_ERROR_WANT_READ];
const wantWrite: [number, number] = [-1, o.SSL_ERROR_WANT_WRITE];
const failed: [number, number] = [-1, o.SSL_ERROR_SSL];

/** Both handshakes to the end, whatever that is. */
function collide({ server, client }: { server: o.SSL; client: o.SSL }): {
  server: [number, number];
  client: [number, number];
} {
  let result = { server: wantRead, client: wantRead };
  for (let i = 0; i < 10; i++) {
    result = {
      client: outcome(client, o.SSL_do_handshake(client)),
      server: outcome(server, o.SSL_do_handshake(server)),
    };
  }
  return result;
}

describe('the handshake', () => {
  for (const kind of ['p256', 'p384', 'rsa2048', 'rsa-pss', 'ed25519'] as const) {
    test(`needs no waiting with a key of kind ${kind}`, async () => {
      const who = await makeIdentity(kind);
      const world = new World(who);
      o.X509_STORE_add_cert(o.SSL_CTX_get_cert_store(world.clientCtx), certificateOf(who));
      const { server, client } = world.connect();
      deliver(client, server, 'hello');
      assert.equal(o.SSL_get_verify_result(client), o.X509_V_OK);
    });
  }

  test('says what there is', () => {
    const { server, client } = new World().connect();
    assert.deepEqual([o.SSL_is_server(server), o.SSL_is_server(client)], [1, 0]);
    assert.deepEqual([o.SSL_version(server), o.SSL_get_version(client)], [0x0304, 'TLSv1.3']);
    const cipher = o.SSL_get_current_cipher(client);
    assert.equal(cipher, o.SSL_get_current_cipher(server));
    assert.equal(cipher, o.SSL_CIPHER_find(client, Uint8Array.of(0x13, 0x02)));
    assert.equal(o.SSL_CIPHER_get_name(cipher), 'TLS_AES_256_GCM_SHA384');
    assert.equal(o.SSL_CIPHER_get_id(cipher), 0x03001302);
    assert.deepEqual(o.i2d_X509(o.SSL_get1_peer_certificate(client)), o.i2d_X509(certificateOf(identity)));
    assert.equal(o.SSL_get1_peer_certificate(server), null);
  });

  test('needs a role and BIOs', () => {
    const ssl = must(o.SSL_new(serverContext()));
    assert.deepEqual(outcome(ssl, o.SSL_do_handshake(ssl)), failed);
    assert.deepEqual(outcome(ssl, o.SSL_accept(ssl)), failed);
    assert.deepEqual(errors(), ['connection type not set', 'bio not set']);
  });

  test('happens inside SSL_read and SSL_write as well', () => {
    const { server, client } = newPair(serverContext(), clientContext());
    const into = new Uint8Array(10);
    const hello = Buffer.from('hello');
    assert.deepEqual(outcome(client, o.SSL_write(client, hello)), wantRead);
    assert.deepEqual(outcome(server, o.SSL_read(server, into)), wantRead);
    assert.equal(o.SSL_write(client, hello), 5);
    assert.equal(o.SSL_read(server, into), 5);
  });

  test('takes the suites, groups and protocols that are set', () => {
    const world = new World();
    assert.equal(o.SSL_CTX_set_ciphersuites(world.clientCtx, 'TLS_NO_SUCH:TLS_CHACHA20_POLY1305_SHA256'), 1);
    assert.equal(o.SSL_CTX_set_ciphersuites(world.clientCtx, 'TLS_NO_SUCH'), 0);
    assert.deepEqual(errors(), ['no cipher match']);
    assert.equal(o.SSL_CTX_set1_groups_list(world.serverCtx, 'P-384'), 1);
    assert.equal(o.SSL_CTX_set1_groups_list(world.serverCtx, 'X25519:nothing'), 0);
    assert.equal(o.SSL_CTX_set_alpn_protos(world.clientCtx, Buffer.from('\x02h2\x08http/1.1')), 0);
    assert.equal(o.SSL_CTX_set_alpn_protos(world.clientCtx, Buffer.from('\x05h2')), 1);
    o.SSL_CTX_set_alpn_select_cb(world.serverCtx, (_ssl, offered) => {
      assert.equal(Buffer.from(offered).toString(), '\x02h2\x08http/1.1');
      const { ret, out } = o.SSL_select_next_proto(Buffer.from('\x08http/1.1'), offered);
      return { ret: ret === o.OPENSSL_NPN_NEGOTIATED ? 0 : 2, selected: must(out) };
    });
    const { server, client } = world.connect();
    assert.equal(o.SSL_CIPHER_get_name(o.SSL_get_current_cipher(server)), 'TLS_CHACHA20_POLY1305_SHA256');
    for (const ssl of [server, client])
      assert.equal(Buffer.from(must(o.SSL_get0_alpn_selected(ssl))).toString(), 'http/1.1');
  });

  test('without a suite in common fails on both sides, with reasons', () => {
    const pair = newPair(serverContext(), clientContext());
    o.SSL_set_ciphersuites(pair.server, 'TLS_AES_128_GCM_SHA256');
    o.SSL_set_ciphersuites(pair.client, 'TLS_AES_256_GCM_SHA384');
    assert.deepEqual(collide(pair), { server: failed, client: failed });
    assert.deepEqual(errors(), ['no shared cipher', 'ssl/tls alert handshake failure']);
  });

  test('with an answer that has to be waited for gives SSL_ERROR_WANT_ASYNC until it is there', async () => {
    const pair = newPair(serverContext(), clientContext());
    for (const ssl of [pair.server, pair.client]) o.SSL_set1_groups_list(ssl, 'X25519MLKEM768:X25519');
    const first = outcome(pair.client, o.SSL_connect(pair.client));
    for (let turn = 0; turn < 1_000; turn++) {
      const done = [pair.client, pair.server].map((ssl) => {
        const ret = o.SSL_do_handshake(ssl);
        if (ret !== 1 && o.SSL_get_error(ssl, ret) === o.SSL_ERROR_WANT_ASYNC)
          assert.equal(o.SSL_want(ssl), o.SSL_ASYNC_PAUSED);
        return ret === 1;
      });
      if (done.every(Boolean)) break;
      // The same answer that the connection waits for: a module that is being loaded.
      await nodeCrypto.keyExchange(NamedGroup.X25519MLKEM768)!.generate();
      await new Promise(setImmediate);
    }
    assert.ok([o.SSL_ERROR_WANT_ASYNC, o.SSL_ERROR_WANT_READ].includes(first[1])); // at once where the runtime has ML-KEM
    deliver(pair.client, pair.server, 'hello');
  });

  test('with something that is no TLS fails', () => {
    const { server } = newPair(serverContext(), clientContext());
    const bio = o.BIO_new_mem_buf(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'));
    o.SSL_set0_rbio(server, bio);
    assert.deepEqual(outcome(server, o.SSL_accept(server)), failed);
    assert.deepEqual(errors(), ['http request']);
    assert.deepEqual(outcome(server, o.SSL_accept(server)), failed); // and stays so
  });

  test('key log and info callbacks', () => {
    const world = new World();
    const lines: string[] = [];
    const wheres: number[] = [];
    o.SSL_CTX_set_keylog_callback(world.clientCtx, (_ssl, line) => lines.push(line));
    o.SSL_CTX_set_info_callback(world.clientCtx, (_ssl, where) => wheres.push(where));
    world.connect();
    assert.ok(lines.some((line) => /^SERVER_TRAFFIC_SECRET_0 [0-9a-f]{64} [0-9a-f]{96}$/.test(line)));
    assert.deepEqual(wheres, [o.SSL_CB_HANDSHAKE_START, o.SSL_CB_HANDSHAKE_DONE]);
  });
});

describe('verification', () => {
  const stranger = (): o.SSL_CTX => must(o.SSL_CTX_new(o.TLS_client_method()));

  test('SSL_VERIFY_NONE lets a certificate pass, and the result says why it should not', () => {
    const pair = shakeHands(newPair(serverContext(), stranger()));
    const result = o.SSL_get_verify_result(pair.client);
    assert.equal(result, o.X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
    assert.equal(o.X509_verify_cert_error_string(result), 'self-signed certificate');
  });

  test('SSL_VERIFY_PEER refuses it, and the server hears', () => {
    const ctx = stranger();
    o.SSL_CTX_set_verify(ctx, o.SSL_VERIFY_PEER, null);
    const pair = newPair(serverContext(), ctx);
    assert.deepEqual(collide(pair), { server: failed, client: failed });
    assert.deepEqual(errors(), ['certificate verify failed', 'tlsv1 alert unknown ca']);
  });

  test('the name is that of SSL_set1_host, not the one sent', () => {
    for (const [host, result] of [
      ['localhost', o.X509_V_OK],
      ['elsewhere.example', o.X509_V_ERR_HOSTNAME_MISMATCH],
      [null, o.X509_V_OK],
    ] as const) {
      const pair = newPair(serverContext(), clientContext());
      o.SSL_set_tlsext_host_name(pair.client, 'sent.example');
      o.SSL_set1_host(pair.client, host);
      collide(pair);
      assert.equal(o.SSL_get_verify_result(pair.client), result);
      assert.equal(o.SSL_is_init_finished(pair.server), result === o.X509_V_OK ? 1 : 0);
      if (result === o.X509_V_OK) assert.equal(o.SSL_get_servername(pair.server, 0), 'sent.example');
    }
  });

  test('a callback may overrule the verdict, either way', () => {
    const ctx = stranger();
    o.SSL_CTX_set_verify(ctx, o.SSL_VERIFY_PEER, (ok, storeCtx) => {
      assert.equal(ok, 0);
      assert.equal(o.X509_STORE_CTX_get_error(storeCtx), o.X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
      return 1;
    });
    shakeHands(newPair(serverContext(), ctx));
    const trusting = clientContext();
    o.SSL_CTX_set_verify(trusting, o.SSL_VERIFY_PEER, (ok) => (ok === 1 ? 0 : 1));
    assert.deepEqual(collide(newPair(serverContext(), trusting)).client, failed);
  });

  test('a client certificate can be asked for, demanded, and comes back with the session', () => {
    const world = new World();
    const { serverCtx, clientCtx } = world;
    o.SSL_CTX_set_verify(serverCtx, o.SSL_VERIFY_PEER | o.SSL_VERIFY_FAIL_IF_NO_PEER_CERT, null);
    o.SSL_CTX_set_session_id_context(serverCtx, Buffer.from('test'));
    o.X509_STORE_add_cert(o.SSL_CTX_get_cert_store(serverCtx), certificateOf(identity));
    const pair = newPair(serverCtx, clientCtx);
    collide(pair);
    assert.deepEqual(errors().slice(0, 1), ['peer did not return a certificate']);

    o.SSL_CTX_use_certificate(clientCtx, certificateOf(identity));
    o.SSL_CTX_use_PrivateKey(clientCtx, o.PEM_read_bio_PrivateKey(o.BIO_new_mem_buf(Buffer.from(identity.keyPem))));
    const full = world.connect();
    const resumed = world.connect(world.sessions[0]!);
    assert.equal(o.SSL_session_reused(resumed.server), 1);
    for (const { server } of [full, resumed]) {
      assert.deepEqual(o.i2d_X509(o.SSL_get1_peer_certificate(server)), o.i2d_X509(certificateOf(identity)));
      assert.equal(o.SSL_get_verify_result(server), o.X509_V_OK);
    }
  });
});

describe('data', () => {
  test('SSL_peek leaves what SSL_read takes, in pieces', () => {
    const { server, client } = new World().connect();
    o.SSL_write(server, Buffer.from('abcdef'));
    const two = new Uint8Array(2);
    assert.equal(o.SSL_pending(client), 0);
    assert.deepEqual(o.SSL_peek_ex(client, two), { ret: 1, readbytes: 2 });
    assert.equal(o.SSL_pending(client), 6);
    assert.deepEqual(o.SSL_read_ex(client, two), { ret: 1, readbytes: 2 });
    assert.deepEqual([o.SSL_pending(client), o.SSL_has_pending(client)], [4, 1]);
    assert.equal(o.SSL_read(client, new Uint8Array(10)), 4);
    readNothing(client);
  });

  test('a write that blocks is repeated with the same buffer', () => {
    const { server, client } = new World().connect(null, () => {}, 1_000);
    const data = Buffer.alloc(50_000, 'x');
    assert.deepEqual(outcome(server, o.SSL_write(server, data)), wantWrite);
    assert.deepEqual(outcome(server, o.SSL_write(server, Buffer.alloc(50_000, 'y'))), failed);
    assert.deepEqual(outcome(server, o.SSL_write(server, data.subarray(0, 10))), failed);
    assert.deepEqual(errors(), ['bad write retry', 'bad length']);
    o.SSL_set_mode(server, o.SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    const into = new Uint8Array(20_000);
    let read = 0;
    let written = -1;
    for (let turn = 0; turn < 1_000 && read < data.length; turn++) {
      if (written < 0) written = o.SSL_write(server, Buffer.from(data));
      const count = o.SSL_read(client, into);
      if (count > 0) read += count;
    }
    assert.deepEqual([written, read], [data.length, data.length]);
  });

  test('a partial write says how much went', () => {
    const { server } = new World().connect(null, () => {}, 20_000);
    o.SSL_set_mode(server, o.SSL_MODE_ENABLE_PARTIAL_WRITE);
    assert.equal(o.SSL_write(server, new Uint8Array(50_000)), 16_384);
  });

  test('without SSL_MODE_AUTO_RETRY each ticket costs one SSL_read', () => {
    const world = new World();
    o.SSL_CTX_set_num_tickets(world.serverCtx, 3);
    const { server, client } = newPair(world.serverCtx, world.clientCtx);
    o.SSL_clear_mode(client, o.SSL_MODE_AUTO_RETRY);
    collide({ server, client });
    o.SSL_write(server, Buffer.from('data'));
    for (let i = 1; i <= 3; i++) {
      assert.deepEqual(outcome(client, o.SSL_read(client, new Uint8Array(10))), wantRead);
      assert.equal(world.sessions.length, i);
    }
    assert.equal(o.SSL_read(client, new Uint8Array(10)), 4);
  });

  test('KeyUpdate in both directions, in the middle of data', () => {
    const { server, client } = new World().connect();
    assert.equal(o.SSL_key_update(client, o.SSL_KEY_UPDATE_REQUESTED), 1);
    assert.equal(o.SSL_get_key_update_type(client), o.SSL_KEY_UPDATE_REQUESTED);
    deliver(client, server, 'one');
    assert.equal(o.SSL_get_key_update_type(client), o.SSL_KEY_UPDATE_NONE);
    deliver(server, client, 'two');
    deliver(client, server, 'three');
    assert.equal(o.SSL_key_update(server, 5), 0);
    assert.equal(o.SSL_key_update(o.SSL_new(serverContext()), 0), 0);
    assert.deepEqual(errors(), ['invalid key update type', 'wrong ssl version']);
  });

  test('both sides export the same keying material', () => {
    const { server, client } = new World().connect();
    const one = o.SSL_export_keying_material(server, 32, 'EXPORTER-test', null);
    assert.equal(one.ret, 1);
    assert.deepEqual(o.SSL_export_keying_material(client, 32, 'EXPORTER-test', null), one);
  });
});

describe('the end', () => {
  test('0 when our side is closed, 1 when both are', () => {
    const { server, client } = new World().connect();
    assert.equal(o.SSL_shutdown(server), 0);
    assert.equal(o.SSL_get_shutdown(server), o.SSL_SENT_SHUTDOWN);
    assert.deepEqual(outcome(server, o.SSL_shutdown(server)), wantRead);
    assert.deepEqual(outcome(server, o.SSL_write(server, Buffer.from('x'))), failed);
    assert.deepEqual(errors(), ['protocol is shutdown']);
    assert.deepEqual(outcome(client, o.SSL_read(client, new Uint8Array(1))), [0, o.SSL_ERROR_ZERO_RETURN]);
    assert.equal(o.SSL_get_shutdown(client), o.SSL_RECEIVED_SHUTDOWN);
    assert.equal(o.SSL_shutdown(client), 1);
    assert.equal(o.SSL_shutdown(server), 1);
    assert.equal(o.SSL_get_shutdown(server), 3);
  });

  test('data after our close_notify is an error of SSL_shutdown', () => {
    const { server, client } = new World().connect();
    o.SSL_shutdown(server);
    o.SSL_write(client, Buffer.from('late'));
    assert.deepEqual(outcome(server, o.SSL_shutdown(server)), failed);
    assert.deepEqual(errors(), ['application data after close notify']);
  });

  test('without close_notify it is an error, unless that is to be ignored', () => {
    for (const ignore of [false, true]) {
      const { server, client } = new World().connect();
      if (ignore) o.SSL_set_options(client, o.SSL_OP_IGNORE_UNEXPECTED_EOF);
      o.BIO_shutdown_wr(o.SSL_get_wbio(server));
      const ret = o.SSL_read(client, new Uint8Array(1));
      assert.deepEqual(outcome(client, ret), [0, ignore ? o.SSL_ERROR_ZERO_RETURN : o.SSL_ERROR_SSL]);
      assert.deepEqual(errors(), ignore ? [] : ['unexpected eof while reading']);
    }
  });

  test('a connection freed without it spoils its last session, and no other', () => {
    const world = new World();
    const { client } = world.connect();
    o.SSL_free(client);
    assert.deepEqual(world.sessions.map(o.SSL_SESSION_is_resumable), [1, 0]);
    const next = world.connect();
    o.SSL_shutdown(next.client);
    o.SSL_free(next.client);
    assert.deepEqual(world.sessions.map(o.SSL_SESSION_is_resumable), [1, 0, 1, 1]);
  });

  test('only the last reference ends a connection', () => {
    const { server, client } = new World().connect();
    assert.equal(o.SSL_up_ref(server), 1);
    o.SSL_free(server);
    deliver(server, client, 'still there');
    o.SSL_free(server);
    assert.deepEqual(outcome(client, o.SSL_read(client, new Uint8Array(1))), [0, o.SSL_ERROR_SSL]);
  });
});

describe('sessions', () => {
  test('on a client there is one without a ticket, and then one for each ticket', () => {
    const world = new World();
    const { server, client } = newPair(world.serverCtx, world.clientCtx);
    assert.equal(o.SSL_get_session(client), null);
    collide({ server, client });
    const before = must(o.SSL_get1_session(client));
    assert.deepEqual([o.SSL_SESSION_is_resumable(before), o.SSL_SESSION_has_ticket(before)], [0, 0]);
    readNothing(client);
    const session = o.SSL_get_session(client);
    assert.equal(session, world.sessions[1]);
    assert.deepEqual([o.SSL_SESSION_is_resumable(session), o.SSL_SESSION_has_ticket(session)], [1, 1]);
    assert.equal(o.SSL_SESSION_is_resumable(before), 0);
    assert.equal(must(o.SSL_SESSION_get_id(session)).length, 32);
    assert.notDeepEqual(o.SSL_SESSION_get0_ticket(session), o.SSL_SESSION_get0_ticket(world.sessions[0]!));
  });

  test('a session of the client cache is offered once; its bytes can be read again', () => {
    const world = new World();
    world.connect();
    const [session] = world.sessions;
    const bytes = must(o.i2d_SSL_SESSION(session!));
    assert.equal(o.SSL_session_reused(world.connect(session!).client), 1);
    assert.equal(o.SSL_session_reused(world.connect(session!).client), 0);
    assert.equal(o.SSL_session_reused(world.connect(o.d2i_SSL_SESSION(bytes)).client), 1);
  });

  test('without the client cache callbacks are silent and a session works again and again', () => {
    const world = new World();
    o.SSL_CTX_set_session_cache_mode(world.clientCtx, o.SSL_SESS_CACHE_OFF);
    const session = o.SSL_get1_session(world.connect().client);
    assert.equal(world.sessions.length, 0);
    for (let i = 0; i < 3; i++) {
      const { server, client } = world.connect(session);
      assert.equal(o.SSL_session_reused(server), 1);
      o.SSL_shutdown(client);
    }
  });

  test('i2d and d2i keep everything, of both sides', () => {
    const world = new World();
    const { server } = world.connect(null, ({ client }) => o.SSL_set_tlsext_host_name(client, 'localhost'));
    for (const session of [world.sessions[0]!, must(o.SSL_get_session(server))]) {
      const bytes = must(o.i2d_SSL_SESSION(session));
      const copy = must(o.d2i_SSL_SESSION(bytes));
      assert.deepEqual(o.i2d_SSL_SESSION(copy), bytes);
      for (const property of [
        o.SSL_SESSION_get_id,
        o.SSL_SESSION_get_time,
        o.SSL_SESSION_get_timeout,
        o.SSL_SESSION_has_ticket,
        o.SSL_SESSION_get0_ticket,
        o.SSL_SESSION_get_ticket_lifetime_hint,
        o.SSL_SESSION_get0_hostname,
        o.SSL_SESSION_is_resumable,
      ]) {
        assert.deepEqual(property(copy), property(session), property.name);
      }
      assert.equal(o.SSL_SESSION_get0_hostname(copy), 'localhost');
    }
  });

  test('d2i gives NULL and an error for anything else', () => {
    const world = new World();
    world.connect();
    const good = must(o.i2d_SSL_SESSION(world.sessions[0]!));
    const junk = (bytes: Uint8Array): void => {
      assert.equal(o.d2i_SSL_SESSION(bytes), null);
      assert.deepEqual(errors(), ['bad object header']);
    };
    for (let length = 0; length < good.length; length++) junk(good.subarray(0, length));
    junk(Uint8Array.of(...good, 0));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), junk));
    fc.assert(
      // Never throws, whatever was changed.
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, value) => {
        const changed = Uint8Array.from(good);
        changed[at] = value;
        o.d2i_SSL_SESSION(changed);
      }),
    );
    assert.equal(o.i2d_SSL_SESSION(null), null);
  });

  test('the last reference given back wipes the keys', () => {
    const world = new World();
    const { client } = world.connect();
    o.SSL_shutdown(client);
    o.SSL_free(client);
    const session = world.sessions[1]!;
    assert.equal(o.SSL_SESSION_up_ref(session), 1);
    o.SSL_SESSION_free(session);
    assert.equal(o.SSL_SESSION_is_resumable(session), 1);
    o.SSL_SESSION_free(session);
    assert.equal(o.SSL_SESSION_is_resumable(session), 0);
  });

  test('nothing inside a handle is printed', () => {
    const world = new World();
    const { client } = world.connect();
    for (const handle of [client, world.sessions[0], world.serverCtx]) {
      assert.match(inspect(handle), /^\[\w+\]$/);
      assert.match(JSON.stringify(handle), /^"\[\w+\]"$/);
    }
  });
});

describe('certificates and keys', () => {
  test('come from files, PEM and DER', () => {
    const ctx = must(o.SSL_CTX_new(o.TLS_method()));
    const pem = file('cert.pem', identity.certificatePem);
    const der = file('cert.der', identity.certificate);
    const key = file('key.pem', identity.keyPem);
    assert.equal(o.SSL_CTX_check_private_key(ctx), 0);
    assert.equal(o.SSL_CTX_use_certificate_file(ctx, der, o.SSL_FILETYPE_ASN1), 1);
    assert.equal(o.SSL_CTX_use_certificate_file(ctx, pem, o.SSL_FILETYPE_PEM), 1);
    assert.equal(o.SSL_CTX_use_certificate_chain_file(ctx, pem), 1);
    assert.equal(o.SSL_CTX_check_private_key(ctx), 0);
    assert.equal(o.SSL_CTX_use_PrivateKey_file(ctx, key, o.SSL_FILETYPE_PEM), 1);
    assert.equal(o.SSL_CTX_check_private_key(ctx), 1);
    assert.deepEqual(errors(), ['no certificate assigned', 'no private key assigned']);
    const client = must(o.SSL_CTX_new(o.TLS_client_method()));
    assert.equal(o.SSL_CTX_load_verify_locations(client, pem, null), 1);
    o.SSL_CTX_set_verify(client, o.SSL_VERIFY_PEER, null);
    shakeHands(newPair(ctx, client));
  });

  test('that are not there, or not what they should be, give 0 and a reason', async () => {
    const ctx = serverContext();
    const key = file('key.pem', identity.keyPem);
    const other = await makeIdentity('ed25519');
    const nothing = join(folder, 'nothing');
    assert.equal(o.SSL_CTX_use_certificate_file(ctx, nothing, o.SSL_FILETYPE_PEM), 0);
    assert.deepEqual(errors(), ['no such file or directory', 'system lib']);
    assert.equal(o.SSL_CTX_load_verify_locations(ctx, nothing, null), 0);
    assert.deepEqual(errors(), ['no such file or directory', 'system lib']);
    assert.equal(o.SSL_CTX_use_certificate_file(ctx, key, o.SSL_FILETYPE_PEM), 0);
    assert.deepEqual(errors(), ['no start line']);
    assert.equal(o.SSL_CTX_use_certificate_file(ctx, key, 7), 0);
    assert.deepEqual(errors(), ['bad ssl filetype']);
    assert.equal(o.SSL_CTX_use_certificate_ASN1(ctx, Uint8Array.of(0x30, 0)), 0);
    assert.deepEqual(errors(), ['bad object header']);
    o.SSL_CTX_use_certificate_ASN1(ctx, other.certificate);
    const wrong = o.PEM_read_bio_PrivateKey(o.BIO_new_mem_buf(Buffer.from((await makeIdentity('ed448')).keyPem)));
    assert.equal(o.SSL_CTX_use_PrivateKey(ctx, wrong), 1); // of another type: it waits for its certificate
    assert.equal(o.SSL_CTX_check_private_key(ctx), 0);
  });

  test('a server without any fails the handshake', () => {
    const pair = newPair(must(o.SSL_CTX_new(o.TLS_server_method())), clientContext());
    assert.deepEqual(collide(pair), { server: failed, client: failed });
    assert.deepEqual(errors(), ['no suitable signature algorithm', 'ssl/tls alert handshake failure']);
  });
});

describe('BIOs', () => {
  test('a pair carries bytes both ways, as many as there is room for', () => {
    const { bio1, bio2 } = o.BIO_new_bio_pair(10, 0);
    assert.equal(o.BIO_ctrl_get_write_guarantee(bio1), 10);
    assert.equal(o.BIO_ctrl_get_write_guarantee(bio2), 17 * 1024);
    assert.equal(o.BIO_write(bio1, Buffer.from('0123456789abc')), 10);
    assert.equal(o.BIO_write(bio1, Buffer.from('x')), -1);
    assert.deepEqual([o.BIO_should_retry(bio1), o.BIO_should_write(bio1), o.BIO_ctrl_wpending(bio1)], [1, 1, 10]);
    const into = new Uint8Array(4);
    assert.equal(o.BIO_ctrl_pending(bio2), 10);
    assert.equal(o.BIO_read(bio2, into), 4);
    assert.equal(Buffer.from(into).toString(), '0123');
    assert.equal(o.BIO_ctrl_get_write_guarantee(bio1), 4);
    assert.equal(o.BIO_read(bio1, into), -1);
    assert.equal(o.BIO_should_read(bio1), 1);
    o.BIO_shutdown_wr(bio1);
    assert.equal(o.BIO_write(bio1, into), -1);
    assert.equal(o.BIO_should_retry(bio1), 0);
    assert.deepEqual([o.BIO_read(bio2, new Uint8Array(9)), o.BIO_read(bio2, into), o.BIO_eof(bio2)], [6, 0, 1]);
  });

  test('memory', () => {
    const bio = o.BIO_new(o.BIO_s_mem());
    assert.equal(o.BIO_read(bio, new Uint8Array(1)), -1);
    assert.equal(o.BIO_should_retry(bio), 1);
    o.BIO_set_mem_eof_return(bio, 0);
    assert.equal(o.BIO_read(bio, new Uint8Array(1)), 0);
    assert.equal(o.BIO_should_retry(bio), 0);
    const data = Buffer.from('data');
    assert.equal(o.BIO_write(bio, data), 4);
    data.fill(0);
    assert.equal(Buffer.from(must(o.BIO_get_mem_data(bio))).toString(), 'data');
    const fixed = o.BIO_new_mem_buf(data);
    assert.equal(o.BIO_write(fixed, data), -1);
    assert.deepEqual([o.BIO_read(fixed, new Uint8Array(9)), o.BIO_read(fixed, new Uint8Array(9))], [4, 0]);
  });

  test('carry a connection in memory, one for each direction', () => {
    const server = must(o.SSL_new(serverContext()));
    const client = must(o.SSL_new(clientContext()));
    const [toServer, toClient] = [must(o.BIO_new(o.BIO_s_mem())), must(o.BIO_new(o.BIO_s_mem()))];
    for (const bio of [toServer, toClient]) o.BIO_up_ref(bio);
    o.SSL_set_bio(server, toServer, toClient);
    o.SSL_set_bio(client, toClient, toServer);
    assert.equal(o.SSL_get_rbio(server), toServer);
    for (let i = 0; i < 3; i++) {
      o.SSL_connect(client);
      o.SSL_accept(server);
    }
    deliver(client, server, 'hello');
  });
});

test('the error queue: first in, first out, 16 of them, with texts and numbers of OpenSSL', () => {
  const { server } = new World().connect();
  o.SSL_new_session_ticket(server);
  o.SSL_shutdown(server);
  const code = o.ERR_peek_error();
  assert.deepEqual([o.ERR_GET_LIB(code), o.ERR_GET_REASON(code)], [20, 407]);
  assert.equal(o.ERR_error_string(code), 'error:0A000197:SSL routines::shutdown while in init');
  assert.equal(o.ERR_get_error(), code);
  assert.equal(o.ERR_get_error(), 0);
  o.SSL_key_update(server, 0);
  for (let i = 0; i < 16; i++) o.SSL_shutdown(server);
  assert.deepEqual(errors(), Array(16).fill('shutdown while in init'));
  assert.equal(o.ERR_reason_error_string(0), null);
});

test('NULL is answered, and what is no handle throws', () => {
  assert.equal(o.SSL_do_handshake(null), -1);
  assert.equal(o.SSL_get_session(null), null);
  assert.equal(o.SSL_CTX_new(null), null);
  assert.equal(o.SSL_new(null), null);
  o.SSL_free(null);
  o.SSL_CTX_free(null);
  assert.throws(() => o.SSL_read(must(o.SSL_new(serverContext())), 'x' as never), {
    name: 'TypeError',
    message: /^into /,
  });
  assert.throws(() => o.SSL_set_bio({} as never, null, null), { name: 'TypeError', message: /^ssl / });
});

test('a peer that closes during the handshake: 0 and SSL_ERROR_ZERO_RETURN', () => {
  const { server, client } = newPair(serverContext(), clientContext());
  o.SSL_do_handshake(client);
  const closeNotify = Uint8Array.of(21, 3, 3, 0, 2, 1, 0);
  const bio = o.BIO_new(o.BIO_s_mem());
  o.SSL_set_bio(server, bio, o.BIO_new(o.BIO_s_mem()));
  o.BIO_write(bio, closeNotify);
  const ret = o.SSL_do_handshake(server);
  assert.equal(ret, 0);
  assert.equal(o.SSL_get_error(server, ret), o.SSL_ERROR_ZERO_RETURN);
  assert.equal(o.SSL_get_shutdown(server), o.SSL_RECEIVED_SHUTDOWN);
});
