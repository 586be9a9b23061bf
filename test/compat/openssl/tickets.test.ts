import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import {
  BIO_ctrl_pending,
  BIO_read,
  BIO_shutdown_wr,
  ERR_clear_error,
  ERR_peek_error,
  type SSL,
  SSL_CB_HANDSHAKE_DONE,
  SSL_CTX_get_num_tickets,
  SSL_CTX_sess_number,
  SSL_CTX_sess_set_cache_size,
  SSL_CTX_sess_set_new_cb,
  SSL_CTX_set_info_callback,
  SSL_CTX_set_num_tickets,
  SSL_CTX_set_options,
  SSL_CTX_set_session_cache_mode,
  SSL_CTX_set_session_id_context,
  SSL_CTX_set_timeout,
  SSL_CTX_set_verify,
  SSL_clear,
  SSL_do_handshake,
  SSL_ERROR_SSL,
  SSL_ERROR_WANT_READ,
  SSL_ERROR_WANT_WRITE,
  SSL_free,
  SSL_get_error,
  SSL_get_num_tickets,
  SSL_get_rbio,
  SSL_get_session,
  SSL_get_wbio,
  SSL_in_init,
  SSL_is_init_finished,
  SSL_KEY_UPDATE_NOT_REQUESTED,
  SSL_KEY_UPDATE_REQUESTED,
  SSL_key_update,
  SSL_new,
  SSL_new_session_ticket,
  SSL_OP_NO_TICKET,
  SSL_peek,
  SSL_read,
  SSL_SESS_CACHE_OFF,
  SSL_SESSION_get_ticket_lifetime_hint,
  SSL_session_reused,
  SSL_set_num_tickets,
  SSL_set_session,
  SSL_shutdown,
  SSL_VERIFY_PEER,
  SSL_write,
  SSL_write_ex,
} from '../../../src/openssl/index.ts';
import { deliver, errors, must, newPair, type Pair, readNothing, World } from './support.ts';

beforeEach(() => ERR_clear_error());

/** The most a JavaScript number can count, where C has SIZE_MAX. */
const MOST = Number.MAX_SAFE_INTEGER;

describe('the number of tickets', () => {
  test('is 2 until it is set, and reads back', () => {
    const { serverCtx, clientCtx } = new World();
    for (const ctx of [serverCtx, clientCtx]) {
      assert.equal(SSL_CTX_get_num_tickets(ctx), 2);
      for (const n of [0, 1, 7, 2 ** 32, MOST]) {
        assert.equal(SSL_CTX_set_num_tickets(ctx, n), 1);
        assert.equal(SSL_CTX_get_num_tickets(ctx), n);
      }
      const ssl = SSL_new(ctx);
      assert.equal(SSL_get_num_tickets(ssl), MOST);
      assert.equal(SSL_set_num_tickets(ssl, 3), 1);
      assert.equal(SSL_get_num_tickets(ssl), 3);
      assert.equal(SSL_CTX_get_num_tickets(ctx), MOST);
    }
  });

  test('is refused when it is none, and stays', () => {
    const { serverCtx } = new World();
    const ssl = SSL_new(serverCtx);
    for (const n of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      assert.equal(SSL_CTX_set_num_tickets(serverCtx, n), 0);
      assert.equal(SSL_set_num_tickets(ssl, n), 0);
    }
    assert.equal(SSL_CTX_get_num_tickets(serverCtx), 2);
    assert.equal(SSL_get_num_tickets(ssl), 2);
    assert.equal(ERR_peek_error(), 0);
  });

  test('of NULL is 0', () => {
    assert.equal(SSL_CTX_set_num_tickets(null, 1), 0);
    assert.equal(SSL_CTX_get_num_tickets(null), 0);
    assert.equal(SSL_set_num_tickets(null, 1), 0);
    assert.equal(SSL_get_num_tickets(null), 0);
    assert.equal(SSL_new_session_ticket(null), 0);
    assert.equal(ERR_peek_error(), 0);
  });

  test('arguments of a wrong type throw, naming the argument', () => {
    const { serverCtx } = new World();
    const ssl = must(SSL_new(serverCtx));
    assert.throws(() => SSL_CTX_set_num_tickets(serverCtx, '2' as never), {
      name: 'TypeError',
      message: /num_tickets/,
    });
    assert.throws(() => SSL_set_num_tickets(ssl, 2n as never), { name: 'TypeError', message: /num_tickets/ });
    assert.throws(() => SSL_CTX_set_num_tickets(ssl as never, 2), { name: 'TypeError', message: /ctx/ });
    assert.throws(() => SSL_get_num_tickets(serverCtx as never), { name: 'TypeError', message: /ssl/ });
    assert.throws(() => SSL_new_session_ticket(undefined as never), { name: 'TypeError', message: /ssl/ });
  });

  test('is taken over by a connection when that is made, and not later', () => {
    const world = new World();
    SSL_CTX_set_num_tickets(world.serverCtx, 3);
    const early = newPair(world.serverCtx, world.clientCtx);
    SSL_CTX_set_num_tickets(world.serverCtx, 5);
    assert.equal(SSL_get_num_tickets(early.server), 3);
    assert.equal(SSL_get_num_tickets(SSL_new(world.serverCtx)), 5);
  });

  for (const n of [0, 1, 2, 3, 16, 40]) {
    test(`${n} tickets follow a full handshake, and ${Math.min(n, 1)} a resumption`, () => {
      const world = new World();
      SSL_CTX_set_num_tickets(world.serverCtx, n);
      world.connect();
      assert.deepEqual([world.sessions.length, world.issued], [n, n]);

      SSL_CTX_set_num_tickets(world.serverCtx, 1);
      if (n === 0) world.connect();
      const first = world.sessions[0]!;
      SSL_CTX_set_num_tickets(world.serverCtx, n);
      const received = world.received(() => {
        const { server, client } = world.connect(first);
        assert.deepEqual([SSL_session_reused(server), SSL_session_reused(client)], [1, 1]);
      });
      assert.equal(received, Math.min(n, 1));
    });
  }

  test('a connection has its own, which counts before and during the handshake', () => {
    const world = new World();
    assert.equal(
      world.received(() => world.connect(null, ({ server }) => SSL_set_num_tickets(server, 4))),
      4,
    );
    const between = world.received(() => {
      const pair = newPair(world.serverCtx, world.clientCtx);
      SSL_do_handshake(pair.client);
      assert.equal(SSL_do_handshake(pair.server), -1); // its flight is out, the client's Finished is not there
      assert.equal(SSL_set_num_tickets(pair.server, 5), 1);
      assert.equal(SSL_do_handshake(pair.client), 1);
      assert.equal(SSL_do_handshake(pair.server), 1);
      readNothing(pair.client);
    });
    assert.equal(between, 5);
  });

  test('may change while tickets are generated', () => {
    const world = new World();
    const counts: number[] = [];
    SSL_CTX_sess_set_new_cb(world.serverCtx, (ssl) => {
      counts.push(SSL_get_num_tickets(ssl));
      assert.equal(SSL_new_session_ticket(ssl), 0); // the handshake is not over
      SSL_set_num_tickets(ssl, 4);
      return 0;
    });
    assert.equal(
      world.received(() => world.connect()),
      4,
    );
    assert.deepEqual(counts, [2, 4, 4, 4]);
  });

  test('after the handshake it changes nothing by itself', () => {
    const world = new World();
    const { server, client } = world.connect();
    assert.equal(SSL_set_num_tickets(server, 9), 1);
    assert.equal(SSL_do_handshake(server), 1);
    assert.equal(
      world.received(() => deliver(server, client, 'data')),
      0,
    );
  });

  test('on a client it is kept and has no effect', () => {
    const world = new World();
    assert.equal(
      world.received(() => world.connect(null, ({ client }) => SSL_set_num_tickets(client, 7))),
      2,
    );
  });
});

describe('further tickets on request', () => {
  test('are refused on a client, before, and during the handshake', () => {
    const world = new World();
    assert.equal(SSL_new_session_ticket(SSL_new(world.serverCtx)), 0);
    const pair = newPair(world.serverCtx, world.clientCtx);
    assert.equal(SSL_new_session_ticket(pair.server), 0);
    SSL_do_handshake(pair.client);
    SSL_do_handshake(pair.server);
    assert.equal(SSL_new_session_ticket(pair.server), 0);
    SSL_do_handshake(pair.client);
    assert.equal(SSL_new_session_ticket(pair.client), 0);
    assert.equal(SSL_do_handshake(pair.server), 1);
    assert.equal(SSL_new_session_ticket(pair.client), 0);
    assert.equal(SSL_new_session_ticket(pair.server), 1);
    assert.equal(ERR_peek_error(), 0);
  });

  test('are not sent at once; the connection is in init until they are', () => {
    const world = new World();
    const { server, client } = world.connect();
    const issued = world.issued;
    assert.deepEqual([SSL_in_init(server), SSL_is_init_finished(server)], [0, 1]);
    assert.equal(SSL_new_session_ticket(server), 1);
    assert.deepEqual([SSL_in_init(server), SSL_is_init_finished(server)], [1, 0]);
    assert.equal(BIO_ctrl_pending(SSL_get_rbio(client)), 0);
    assert.equal(world.issued, issued);
    assert.equal(SSL_do_handshake(server), 1);
    assert.deepEqual([SSL_in_init(server), SSL_is_init_finished(server)], [0, 1]);
    assert.equal(
      world.received(() => readNothing(client)),
      1,
    );
  });

  const flushes: [string, (ssl: SSL) => void, string][] = [
    ['SSL_do_handshake', (ssl) => assert.equal(SSL_do_handshake(ssl), 1), ''],
    ['SSL_write', (ssl) => assert.equal(SSL_write(ssl, Buffer.from('data')), 4), 'data'],
    ['SSL_write of nothing', (ssl) => assert.equal(SSL_write(ssl, new Uint8Array(0)), 0), ''],
    [
      'SSL_write_ex of nothing',
      (ssl) => assert.deepEqual(SSL_write_ex(ssl, new Uint8Array(0)), { ret: 1, written: 0 }),
      '',
    ],
    ['SSL_read', (ssl) => readNothing(ssl), ''],
    ['SSL_peek', (ssl) => assert.equal(SSL_peek(ssl, new Uint8Array(1)), -1), ''],
  ];
  for (const [name, flush, data] of flushes) {
    test(`${name} sends all of them`, () => {
      const world = new World();
      const { server, client } = world.connect();
      for (let i = 0; i < 3; i++) assert.equal(SSL_new_session_ticket(server), 1);
      flush(server);
      assert.equal(SSL_in_init(server), 0);
      assert.equal(world.issued, 5);
      const received = world.received(() => {
        const into = new Uint8Array(10);
        assert.equal(SSL_read(client, into), data === '' ? -1 : data.length);
        assert.equal(Buffer.from(into.subarray(0, data.length)).toString(), data);
      });
      assert.equal(received, 3);
    });
  }

  test('go in front of the data, each in a record of its own', () => {
    const { server, client } = new World().connect();
    SSL_new_session_ticket(server);
    SSL_new_session_ticket(server);
    SSL_write(server, Buffer.from('data'));
    const wire = new Uint8Array(BIO_ctrl_pending(SSL_get_rbio(client)));
    assert.equal(BIO_read(SSL_get_rbio(client), wire), wire.length);
    const lengths: number[] = [];
    for (let at = 0; at < wire.length; at += 5 + lengths.at(-1)!) {
      assert.equal(wire[at], 23);
      lengths.push((wire[at + 3]! << 8) | wire[at + 4]!);
    }
    assert.equal(lengths.length, 3);
    assert.equal(lengths[2], 4 + 1 + 16); // "data", its content type, and the tag
  });

  test('come on top of 0 automatic ones, after a resumption, and whatever the number is', () => {
    const world = new World();
    world.connect();
    for (const [n, session] of [
      [0, null],
      [5, null],
      [5, world.sessions[0]!],
      [0, world.sessions[1]!],
    ] as const) {
      const { server, client } = world.connect(session, (pair) => SSL_set_num_tickets(pair.server, n));
      SSL_set_num_tickets(server, 9);
      const received = world.received(() => {
        for (let i = 0; i < 4; i++) assert.equal(SSL_new_session_ticket(server), 1);
        assert.equal(SSL_do_handshake(server), 1);
        readNothing(client);
      });
      assert.equal(received, 4, `${n} tickets, ${session ? 'resumed' : 'full'}`);
    }
  });

  test('each of them resumes a session', () => {
    const world = new World();
    const { server, client } = world.connect(null, (pair) => SSL_set_num_tickets(pair.server, 0));
    SSL_new_session_ticket(server);
    SSL_new_session_ticket(server);
    deliver(server, client, 'data');
    const requested = [...world.sessions];
    assert.equal(requested.length, 2);
    for (const session of requested) assert.equal(SSL_session_reused(world.connect(session).client), 1);
  });

  test('SSL_get_session on the server is the one issued last', () => {
    const world = new World();
    const seen: unknown[] = [];
    SSL_CTX_sess_set_new_cb(world.serverCtx, (ssl, session) => {
      assert.equal(SSL_get_session(ssl), session);
      seen.push(session);
      return 1;
    });
    const { server } = world.connect();
    SSL_new_session_ticket(server);
    SSL_do_handshake(server);
    assert.equal(SSL_get_session(server), seen[2]);
    assert.equal(new Set(seen).size, 3);
  });

  test('SSL_shutdown refuses while some are queued, and nothing is lost', () => {
    const world = new World();
    const { server, client } = world.connect();
    SSL_new_session_ticket(server);
    const ret = SSL_shutdown(server);
    assert.deepEqual([ret, SSL_get_error(server, ret), errors()], [-1, SSL_ERROR_SSL, ['shutdown while in init']]);
    assert.equal(
      world.received(() => deliver(server, client, 'data')),
      1,
    );
    assert.equal(SSL_shutdown(server), 0);
  });

  test('SSL_key_update refuses while some are queued, and they while a KeyUpdate is', () => {
    const world = new World();
    const { server, client } = world.connect();
    SSL_new_session_ticket(server);
    assert.equal(SSL_key_update(server, SSL_KEY_UPDATE_REQUESTED), 0);
    assert.deepEqual(errors(), ['still in init']);
    SSL_do_handshake(server);
    assert.equal(SSL_key_update(server, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    assert.equal(SSL_in_init(server), 1);
    assert.equal(SSL_new_session_ticket(server), 0);
    assert.equal(SSL_do_handshake(server), 1);
    assert.equal(SSL_new_session_ticket(server), 1);
    assert.equal(
      world.received(() => deliver(server, client, 'data')),
      2,
    );
    deliver(client, server, 'back');
  });

  test('none after close_notify', () => {
    const { server, client } = new World().connect();
    assert.equal(SSL_shutdown(server), 0);
    assert.equal(SSL_new_session_ticket(server), 0);
    assert.equal(SSL_do_handshake(server), 1);
    assert.equal(SSL_read(client, new Uint8Array(10)), 0);
    assert.equal(BIO_ctrl_pending(SSL_get_rbio(client)), 0);
  });

  test('a client that has closed its side still gets them', () => {
    const world = new World();
    const { server, client } = world.connect();
    assert.equal(SSL_shutdown(client), 0);
    assert.equal(SSL_read(server, new Uint8Array(10)), 0);
    assert.equal(SSL_new_session_ticket(server), 1);
    assert.equal(SSL_do_handshake(server), 1);
    assert.equal(SSL_shutdown(server), 1);
    assert.equal(
      world.received(() => assert.equal(SSL_shutdown(client), 1)),
      1,
    );
  });

  test('a callback that always asks for one more comes to an end', () => {
    const world = new World();
    const answers: number[] = [];
    const { server, client } = world.connect();
    SSL_CTX_sess_set_new_cb(world.serverCtx, (ssl) => {
      answers.push(SSL_new_session_ticket(ssl));
      return 0;
    });
    SSL_new_session_ticket(server);
    SSL_new_session_ticket(server);
    let calls = 0;
    while (SSL_in_init(server) === 1 && calls++ < 10) assert.equal(SSL_do_handshake(server), 1);
    assert.deepEqual(answers, [1, 0, 0]);
    assert.equal(
      world.received(() => readNothing(client)),
      3,
    ); // each 1 gave one ticket
  });

  test('asked for when the handshake is done, they come after the automatic ones', () => {
    const world = new World();
    SSL_CTX_set_info_callback(world.serverCtx, (ssl, where) => {
      if (where & SSL_CB_HANDSHAKE_DONE) assert.equal(SSL_new_session_ticket(ssl), 1);
    });
    const { server, client } = world.connect();
    assert.equal(world.sessions.length, 2);
    assert.equal(SSL_in_init(server), 1);
    assert.equal(
      world.received(() => deliver(server, client, 'data')),
      1,
    );
  });

  test('are bounded', () => {
    const { server } = new World().connect();
    let accepted = 0;
    while (accepted < 5_000 && SSL_new_session_ticket(server) === 1) accepted++;
    assert.equal(accepted, 1_024);
  });

  test('SSL_clear keeps the number and forgets what was asked for', () => {
    const world = new World();
    const { server, client } = world.connect(null, (pair) => SSL_set_num_tickets(pair.server, 3));
    SSL_new_session_ticket(server);
    assert.equal(SSL_clear(server), 1);
    assert.equal(SSL_new_session_ticket(server), 0);
    assert.equal(SSL_get_num_tickets(server), 3);
    SSL_free(client);
  });
});

describe('a peer that does not read', () => {
  test('the handshake succeeds when the last ticket is written', () => {
    const world = new World();
    SSL_CTX_set_num_tickets(world.serverCtx, 6);
    const { server, client } = newPair(world.serverCtx, world.clientCtx, 500);
    let clientDone = false;
    while (!clientDone) {
      clientDone = SSL_do_handshake(client) === 1;
      SSL_do_handshake(server);
    }
    let blocked = 0;
    for (let ret = SSL_do_handshake(server); ret !== 1; ret = SSL_do_handshake(server)) {
      assert.equal(SSL_get_error(server, ret), SSL_ERROR_WANT_WRITE);
      assert.equal(SSL_in_init(server), 1);
      assert.equal(SSL_new_session_ticket(server), 0);
      readNothing(client);
      blocked++;
    }
    readNothing(client);
    assert.ok(blocked >= 2, `blocked ${blocked} times`);
    assert.equal(world.sessions.length, 6);
  });

  test('requested tickets wait, and reading goes on', () => {
    const world = new World();
    const { server, client } = world.connect(null, () => {}, 500);
    for (let i = 0; i < 5; i++) SSL_new_session_ticket(server);
    const ret = SSL_do_handshake(server);
    assert.deepEqual([ret, SSL_get_error(server, ret)], [-1, SSL_ERROR_WANT_WRITE]);
    deliver(client, server, 'hello');
    const again = SSL_read(server, new Uint8Array(10));
    assert.deepEqual([again, SSL_get_error(server, again)], [-1, SSL_ERROR_WANT_READ]);
    const received = world.received(() => {
      for (let i = 0; i < 20 && SSL_in_init(server) === 1; i++) {
        readNothing(client);
        SSL_do_handshake(server);
      }
      deliver(server, client, 'data');
    });
    assert.equal(received, 5);
  });

  test('a request during a half-done write waits for the next write or handshake', () => {
    for (const finish of ['write', 'handshake'] as const) {
      const world = new World();
      const { server, client } = world.connect(null, () => {}, 500);
      const data = new Uint8Array(2_000);
      assert.equal(SSL_write(server, data), -1);
      assert.equal(SSL_get_error(server, -1), SSL_ERROR_WANT_WRITE);
      assert.equal(SSL_new_session_ticket(server), 1);
      assert.equal(SSL_in_init(server), 0);
      assert.equal(SSL_do_handshake(server), 1);
      assert.equal(SSL_key_update(server, SSL_KEY_UPDATE_REQUESTED), 0);
      assert.deepEqual(errors(), ['bad write retry']);
      assert.equal(world.issued, 2);
      assert.equal(
        world.received(() => finishWrite(server, client, data)),
        0,
      );
      const received = world.received(() => {
        if (finish === 'write') deliver(server, client, 'more');
        else assert.equal(SSL_do_handshake(server), 1);
        readNothing(client);
      });
      assert.equal(received, 1, finish);
    }
  });

  test('one that is gone costs neither the handshake nor its data', () => {
    const world = new World();
    const { server, client } = newPair(world.serverCtx, world.clientCtx);
    SSL_do_handshake(client);
    SSL_do_handshake(server);
    assert.equal(SSL_do_handshake(client), 1);
    assert.equal(SSL_write(client, Buffer.from('bye')), 3);
    // The server can write no more, but what the client sent is there.
    shutDownWriting(server);
    assert.equal(SSL_do_handshake(server), 1);
    const into = new Uint8Array(10);
    assert.equal(SSL_read(server, into), 3);
    assert.equal(SSL_write(server, Buffer.from('data')), -1);
  });
});

function shutDownWriting(ssl: SSL): void {
  assert.equal(BIO_shutdown_wr(SSL_get_wbio(ssl)), 1);
}

/** Repeats a write until it is through, while the client reads. */
function finishWrite(server: SSL, client: SSL, data: Uint8Array): void {
  let read = 0;
  const into = new Uint8Array(4_000);
  for (let ret = -1; ret !== data.length; ) {
    const count = SSL_read(client, into);
    if (count > 0) read += count;
    ret = SSL_write(server, data);
  }
  while (read < data.length) {
    const count = SSL_read(client, into);
    assert.ok(count > 0);
    read += count;
  }
}

describe('no tickets where they would be of no use', () => {
  test('SSL_OP_NO_TICKET gives tickets that are ids of cached sessions', () => {
    const world = new World();
    SSL_CTX_set_options(world.serverCtx, SSL_OP_NO_TICKET);
    world.connect();
    assert.equal(world.sessions.length, 2);
    assert.equal(SSL_CTX_sess_number(world.serverCtx), 2);
    const [session] = world.sessions;
    assert.equal(SSL_session_reused(world.connect(session!).server), 1);
    assert.equal(world.sessions.length, 3);
  });

  test('the cache of such sessions is bounded, the oldest goes', () => {
    const world = new World();
    SSL_CTX_set_options(world.serverCtx, SSL_OP_NO_TICKET);
    SSL_CTX_sess_set_cache_size(world.serverCtx, 3);
    world.connect(null, ({ server }) => SSL_set_num_tickets(server, 5));
    assert.equal(SSL_CTX_sess_number(world.serverCtx), 3);
    const [oldest, , , , newest] = world.sessions;
    assert.equal(SSL_session_reused(world.connect(oldest!).server), 0);
    assert.equal(SSL_session_reused(world.connect(newest!).server), 1);
  });

  test('SSL_OP_NO_TICKET with the cache off: none, but on request', () => {
    const world = new World();
    SSL_CTX_set_options(world.serverCtx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(world.serverCtx, SSL_SESS_CACHE_OFF);
    const { server, client } = world.connect();
    assert.equal(world.sessions.length, 0);
    SSL_new_session_ticket(server);
    assert.equal(
      world.received(() => deliver(server, client, 'data')),
      1,
    );
  });

  test('with the cache off the new-session callback is silent, and sealed tickets work', () => {
    const world = new World();
    SSL_CTX_set_session_cache_mode(world.serverCtx, SSL_SESS_CACHE_OFF);
    world.connect();
    assert.deepEqual([world.sessions.length, world.issued], [2, 0]);
    assert.equal(SSL_session_reused(world.connect(world.sessions[0]!).server), 1);
  });

  test('SSL_VERIFY_PEER without a session id context: none', () => {
    const world = new World();
    SSL_CTX_set_verify(world.serverCtx, SSL_VERIFY_PEER, null);
    world.connect();
    assert.equal(world.sessions.length, 0);
    SSL_CTX_set_session_id_context(world.serverCtx, Buffer.from('app'));
    world.connect();
    assert.equal(world.sessions.length, 2);
    assert.equal(SSL_session_reused(world.connect(world.sessions[0]!).server), 1);
  });

  test('SSL_VERIFY_PEER without a session id context refuses a client that comes with a ticket', () => {
    const world = new World();
    world.connect();
    SSL_CTX_set_verify(world.serverCtx, SSL_VERIFY_PEER, null);
    const pair: Pair = newPair(world.serverCtx, world.clientCtx);
    setSession(pair.client, world);
    SSL_do_handshake(pair.client);
    const ret = SSL_do_handshake(pair.server);
    assert.deepEqual([ret, SSL_get_error(pair.server, ret)], [-1, SSL_ERROR_SSL]);
    assert.deepEqual(errors(), ['session id context uninitialized']);
  });

  for (const [kind, options] of [
    ['sealed ticket', 0],
    ['cached session', SSL_OP_NO_TICKET],
  ] as const) {
    test(`a ${kind} is taken only under the session id context it was given under`, () => {
      const world = new World();
      SSL_CTX_set_options(world.serverCtx, options);
      SSL_CTX_set_session_id_context(world.serverCtx, Buffer.from('one'));
      world.connect();
      SSL_CTX_set_session_id_context(world.serverCtx, Buffer.from('two'));
      assert.equal(SSL_session_reused(world.connect(world.sessions[0]!).server), 0);
      assert.equal(world.sessions.length, 4);
    });
  }

  test('a ticket of another context is declined, and the number given', () => {
    const one = new World();
    one.connect();
    const other = new World();
    assert.equal(
      other.received(() => assert.equal(SSL_session_reused(other.connect(one.sessions[0]!).server), 0)),
      2,
    );
  });

  test('lifetimes: the timeout, 0 for the default, at most seven days', () => {
    for (const [timeout, hint] of [
      [1, 1],
      [7_200, 7_200],
      [0, 7_200],
      [604_800, 604_800],
      [604_801, 604_800],
      [-1, 604_800],
    ] as const) {
      const world = new World();
      SSL_CTX_set_timeout(world.serverCtx, timeout);
      world.connect();
      assert.equal(SSL_SESSION_get_ticket_lifetime_hint(world.sessions[0]!), hint);
    }
  });
});

function setSession(client: SSL, world: World): void {
  assert.equal(SSL_set_session(client, world.sessions[0]!), 1);
}

test('an exception in a callback reaches the caller, and the connection goes on', () => {
  const world = new World();
  const { server, client } = world.connect();
  SSL_CTX_sess_set_new_cb(world.serverCtx, () => {
    throw new Error('from the callback');
  });
  SSL_new_session_ticket(server);
  assert.throws(() => SSL_do_handshake(server), /from the callback/);
  assert.equal(SSL_do_handshake(server), 1);
  assert.equal(
    world.received(() => deliver(server, client, 'data')),
    1,
  );
});
