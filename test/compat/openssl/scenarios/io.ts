/** Reading, writing, blocking, closing. */
import {
  SSL_ERROR_WANT_WRITE,
  SSL_KEY_UPDATE_NOT_REQUESTED,
  SSL_KEY_UPDATE_REQUESTED,
  SSL_MODE_AUTO_RETRY,
  SSL_MODE_ENABLE_PARTIAL_WRITE,
  SSL_OP_IGNORE_UNEXPECTED_EOF,
  SSL_RECEIVED_SHUTDOWN,
  SSL_SENT_SHUTDOWN,
} from '../../../../src/openssl/index.ts';
import { type Api, must, outcome, reason, type Scenario, type Ssl, serverContext, World } from '../scenario.ts';

/** Reads until nothing is left. How many bytes. */
function drain(api: Api, ssl: Ssl): number {
  const into = Buffer.allocUnsafeSlow(4_096);
  let sum = 0;
  for (let count = api.SSL_read(ssl, into); count > 0; count = api.SSL_read(ssl, into)) sum += count;
  api.ERR_clear_error();
  return sum;
}

export const io: readonly Scenario[] = [
  {
    name: 'a full transport: the handshake is done when the last ticket is written',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_num_tickets(world.serverCtx, 6);
      const { server, client } = world.pair(500);
      let clientDone = 0;
      for (let i = 0; i < 100 && clientDone !== 1; i++) {
        clientDone = api.SSL_do_handshake(client);
        api.SSL_do_handshake(server);
      }
      const seen = new Set<string>();
      let ret = api.SSL_do_handshake(server);
      for (let i = 0; i < 100 && ret !== 1; i++) {
        const error = api.SSL_get_error(server, ret);
        seen.add(`${error === SSL_ERROR_WANT_WRITE} ${api.SSL_in_init(server)} ${api.SSL_new_session_ticket(server)}`);
        world.readNothing(client);
        ret = api.SSL_do_handshake(server);
      }
      world.readNothing(client);
      return [ret, [...seen], world.sessions.length];
    },
  },
  {
    name: 'a full transport: the callback count runs ahead of what the peer has',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_num_tickets(world.serverCtx, 6);
      const { server, client } = world.pair(400);
      for (let i = 0; i < 20; i++) {
        api.SSL_do_handshake(client);
        api.SSL_do_handshake(server);
      }
      const ahead = world.generated > world.sessions.length;
      for (let i = 0; i < 50; i++) {
        world.readNothing(client);
        api.SSL_do_handshake(server);
      }
      return [ahead, world.generated, world.sessions.length];
    },
  },
  {
    name: 'a full transport: requested tickets, then SSL_read of the server',
    run(api) {
      const world = new World(api);
      const { server, client } = world.connect({ size: 500 });
      for (let i = 0; i < 5; i++) api.SSL_new_session_ticket(server);
      const blocked = outcome(api, server, () => api.SSL_do_handshake(server));
      const log: unknown[] = [blocked, outcome(api, server, () => api.SSL_read(server, Buffer.alloc(10)))];
      const received = world.received(() => {
        for (let i = 0; i < 20; i++) {
          world.readNothing(client);
          api.SSL_do_handshake(server);
        }
      });
      return [...log, received, api.SSL_in_init(server)];
    },
    differs: {
      row: '`SSL_read` with queued tickets and a full transport',
      ours: [[-1, 'WANT_WRITE'], [-1, 'WANT_READ'], 5, 0],
      libssl: [[[-1, 'WANT_WRITE'], [-1, 'WANT_WRITE'], 5, 0]],
    },
  },
  ...(['SSL_write', 'SSL_do_handshake'] as const).map(
    (finish): Scenario => ({
      name: `a request during a half-done write, and then ${finish}`,
      run(api) {
        const world = new World(api);
        const { server, client } = world.connect({ size: 500 });
        const data = Buffer.allocUnsafeSlow(2_000).fill('x');
        const log: unknown[] = [outcome(api, server, () => api.SSL_write(server, data))];
        log.push(api.SSL_new_session_ticket(server), api.SSL_in_init(server), api.SSL_do_handshake(server));
        log.push(outcome(api, server, () => api.SSL_key_update(server, SSL_KEY_UPDATE_REQUESTED)));
        let read = 0;
        const first = world.received(() => {
          let written = -1;
          for (let i = 0; i < 50 && written < 0; i++) {
            read += drain(api, client);
            written = api.SSL_write(server, data);
          }
          read += drain(api, client);
          log.push(written, read);
        });
        const second = world.received(() => {
          if (finish === 'SSL_write') api.SSL_write(server, Buffer.from('more'));
          else log.push(api.SSL_do_handshake(server));
          drain(api, client);
        });
        return [...log, first, second];
      },
      ...(finish === 'SSL_do_handshake' && {
        differs: {
          row: 'tickets asked for during a half-done write',
          ours: [[-1, 'WANT_WRITE'], 1, 0, 1, [0, 'SSL', 'bad write retry'], 2_000, 2_000, 1, 0, 1],
          libssl: [[[-1, 'WANT_WRITE'], 1, 0, 1, [0, 'SSL', 'bad write retry'], 2_000, 2_000, 1, 0, 0]],
        },
      }),
    }),
  ),
  {
    name: 'a half-done write that is repeated wrongly',
    run(api) {
      const world = new World(api);
      const { server } = world.connect({ size: 500 });
      const data = Buffer.allocUnsafeSlow(2_000).fill('x');
      return [
        outcome(api, server, () => api.SSL_write(server, data)),
        outcome(api, server, () => api.SSL_write(server, Buffer.allocUnsafeSlow(2_000).fill('y'))),
        outcome(api, server, () => api.SSL_write(server, data.subarray(0, 1_000))),
      ];
    },
  },
  {
    name: 'partial writes',
    run(api) {
      const world = new World(api);
      const { server } = world.connect({ size: 20_000 });
      api.SSL_set_mode(server, SSL_MODE_ENABLE_PARTIAL_WRITE);
      return [outcome(api, server, () => api.SSL_write(server, Buffer.allocUnsafeSlow(50_000).fill('x')))];
    },
  },
  {
    name: 'without SSL_MODE_AUTO_RETRY each ticket costs one SSL_read',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_num_tickets(world.serverCtx, 3);
      const { server, client } = world.pair();
      api.SSL_clear_mode(client, SSL_MODE_AUTO_RETRY);
      for (let i = 0; i < 3; i++) {
        api.SSL_do_handshake(client);
        api.SSL_do_handshake(server);
      }
      api.SSL_write(server, Buffer.from('data'));
      return [1, 2, 3, 4].map(() => [
        outcome(api, client, () => api.SSL_read(client, Buffer.alloc(10))),
        world.sessions.length,
      ]);
    },
  },
  {
    name: 'SSL_do_handshake of a client that is done reads nothing, SSL_peek of nothing does',
    run(api) {
      const world = new World(api);
      const { server, client } = world.pair();
      for (let i = 0; i < 3; i++) {
        api.SSL_do_handshake(client);
        api.SSL_do_handshake(server);
      }
      const before = world.sessions.length;
      api.SSL_peek(client, Buffer.alloc(0));
      return [before, world.sessions.length];
    },
  },
  {
    name: 'tickets on the way to close_notify',
    run(api) {
      const world = new World(api);
      const { server, client } = world.pair();
      for (let i = 0; i < 3; i++) {
        api.SSL_do_handshake(client);
        api.SSL_do_handshake(server);
      }
      const log: unknown[] = [api.SSL_shutdown(client), world.sessions.length];
      log.push(api.SSL_shutdown(server), api.SSL_shutdown(server), api.SSL_shutdown(client), world.sessions.length);
      return log;
    },
  },
  {
    name: 'closing in both directions',
    run(api) {
      const world = new World(api);
      const { server, client } = world.connect();
      const log: unknown[] = [];
      const step = (ssl: Ssl, call: () => number): void =>
        void log.push(outcome(api, ssl, call), api.SSL_get_shutdown(ssl));
      step(server, () => api.SSL_shutdown(server));
      step(server, () => api.SSL_shutdown(server));
      step(server, () => api.SSL_write(server, Buffer.from('x')));
      step(client, () => api.SSL_read(client, Buffer.alloc(1)));
      step(client, () => api.SSL_write(client, Buffer.from('late')));
      step(client, () => api.SSL_shutdown(client));
      step(server, () => api.SSL_read(server, Buffer.alloc(10)));
      step(server, () => api.SSL_shutdown(server));
      return log;
    },
  },
  {
    name: 'closing with data on its way',
    run(api) {
      const world = new World(api);
      const { server, client } = world.connect();
      api.SSL_shutdown(server);
      api.SSL_write(client, Buffer.from('late'));
      return [outcome(api, server, () => api.SSL_shutdown(server))];
    },
  },
  {
    name: 'SSL_shutdown before and during the handshake',
    run(api) {
      const world = new World(api);
      const { server, client } = world.pair();
      const log: unknown[] = [outcome(api, client, () => api.SSL_shutdown(client))];
      api.SSL_do_handshake(client);
      log.push(outcome(api, client, () => api.SSL_shutdown(client)));
      api.SSL_do_handshake(server);
      log.push(outcome(api, server, () => api.SSL_shutdown(server)));
      return log;
    },
  },
  {
    name: 'quiet shutdown',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_quiet_shutdown(world.serverCtx, 1);
      const { server, client } = world.connect();
      const closed = [api.SSL_shutdown(server), api.SSL_get_shutdown(server)];
      return [closed, world.readNothing(client)];
    },
  },
  {
    name: 'SSL_set_shutdown stands for close_notify',
    run(api) {
      const world = new World(api);
      const { server, client } = world.connect();
      api.SSL_set_shutdown(server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
      api.SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
      api.SSL_free(client);
      return [api.SSL_shutdown(server), world.sessions.map((session) => api.SSL_SESSION_is_resumable(session))];
    },
  },
  {
    name: 'the transport ends during the handshake',
    run(api) {
      const world = new World(api);
      const { server, client } = world.pair();
      api.SSL_do_handshake(client);
      api.BIO_shutdown_wr(api.SSL_get_wbio(server));
      return [outcome(api, client, () => api.SSL_do_handshake(client))];
    },
  },
  ...[0, SSL_OP_IGNORE_UNEXPECTED_EOF].map(
    (options): Scenario => ({
      name: `the transport ends without close_notify${options ? ', which is to be ignored' : ''}`,
      run(api) {
        const world = new World(api);
        const { server, client } = world.connect();
        api.SSL_set_options(client, options);
        api.BIO_shutdown_wr(api.SSL_get_wbio(server));
        return [outcome(api, client, () => api.SSL_read(client, Buffer.alloc(1)))];
      },
    }),
  ),
  {
    name: 'a peer that is gone before it took its tickets',
    run(api) {
      const world = new World(api);
      const { server, client } = world.pair();
      api.SSL_do_handshake(client);
      api.SSL_do_handshake(server);
      api.SSL_do_handshake(client);
      api.SSL_write(client, Buffer.from('bye'));
      api.SSL_free(client);
      return [outcome(api, server, () => api.SSL_do_handshake(server)), world.generated > 0];
    },
  },
  {
    name: 'KeyUpdates in both directions',
    run(api) {
      const world = new World(api);
      const { server, client } = world.connect();
      const log: unknown[] = [];
      log.push(api.SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED), api.SSL_get_key_update_type(client));
      log.push(world.deliver(client, server, 'one'), api.SSL_get_key_update_type(client));
      log.push(world.deliver(server, client, 'two'), world.deliver(client, server, 'three'));
      log.push(api.SSL_key_update(server, SSL_KEY_UPDATE_NOT_REQUESTED), api.SSL_do_handshake(server));
      log.push(world.deliver(server, client, 'four'));
      return log;
    },
  },
  {
    name: 'KeyUpdates that are refused',
    run(api) {
      const world = new World(api);
      const { server } = world.connect();
      const fresh = must(api.SSL_new(world.serverCtx));
      const log: unknown[] = [];
      for (const call of [() => api.SSL_key_update(server, 5), () => api.SSL_key_update(fresh, 0)]) {
        log.push(call(), reason(api));
      }
      api.SSL_shutdown(server);
      log.push(api.SSL_key_update(server, SSL_KEY_UPDATE_REQUESTED), reason(api));
      return log;
    },
    differs: {
      row: 'a KeyUpdate can follow our own close_notify',
      ours: [0, 'invalid key update type', 0, 'wrong ssl version', 0, 'protocol is shutdown'],
      libssl: [[0, 'invalid key update type', 0, 'wrong ssl version', 1, null]],
    },
  },
  {
    name: 'reading in pieces, and looking ahead',
    run(api) {
      const world = new World(api);
      const { server, client } = world.connect();
      api.SSL_write(server, Buffer.from('abcdef'));
      const two = Buffer.alloc(2);
      const log: unknown[] = [api.SSL_pending(client), api.SSL_peek_ex(client, two), api.SSL_pending(client)];
      log.push(api.SSL_read_ex(client, two), two.toString(), api.SSL_pending(client), api.SSL_has_pending(client));
      log.push(api.SSL_read(client, Buffer.alloc(10)), world.readNothing(client));
      log.push(api.SSL_write_ex(client, Buffer.from('abc')));
      return log;
    },
  },
  {
    name: 'no role, no BIOs',
    run(api) {
      const ssl = must(api.SSL_new(serverContext(api)));
      const log: unknown[] = [outcome(api, ssl, () => api.SSL_do_handshake(ssl))];
      log.push(outcome(api, ssl, () => api.SSL_read(ssl, Buffer.alloc(1))));
      log.push(outcome(api, ssl, () => api.SSL_write(ssl, Buffer.alloc(1))));
      return log;
    },
  },
  {
    name: 'the handshake inside SSL_read and SSL_write',
    run(api) {
      const world = new World(api);
      const { server, client } = world.pair();
      const hello = Buffer.from('hello');
      return [
        outcome(api, client, () => api.SSL_write(client, hello)),
        outcome(api, server, () => api.SSL_read(server, Buffer.alloc(10))),
        outcome(api, client, () => api.SSL_write(client, hello)),
        outcome(api, server, () => api.SSL_read(server, Buffer.alloc(10))),
        world.generated,
      ];
    },
  },
  {
    name: 'something that is no TLS',
    run(api) {
      const world = new World(api);
      const { server } = world.pair();
      const bio = api.BIO_new_mem_buf(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'));
      api.SSL_set_bio(server, bio, must(api.BIO_new(api.BIO_s_mem())));
      return [outcome(api, server, () => api.SSL_accept(server))];
    },
  },
  {
    name: 'memory BIOs',
    run(api) {
      const world = new World(api);
      const { server, client } = world.pair();
      const [toServer, toClient] = [must(api.BIO_new(api.BIO_s_mem())), must(api.BIO_new(api.BIO_s_mem()))];
      for (const bio of [toServer, toClient]) api.BIO_up_ref(bio);
      api.SSL_set_bio(server, toServer, toClient);
      api.SSL_set_bio(client, toClient, toServer);
      return [world.finish({ server, client }), world.deliver(client, server, 'hello'), world.sessions.length];
    },
  },
  {
    name: 'exporters agree',
    run(api) {
      const world = new World(api);
      const { server, client } = world.connect();
      const early = api.SSL_export_keying_material(must(api.SSL_new(world.serverCtx)), 16, 'EXPORTER-x', null).ret;
      api.ERR_clear_error();
      return [
        early > 0,
        ...[null, Buffer.alloc(0), Buffer.from('context')].map((context) => {
          const [one, other] = [server, client].map((ssl) =>
            api.SSL_export_keying_material(ssl, 32, 'EXPORTER-x', context),
          );
          return [one!.ret, Buffer.from(one!.out).equals(other!.out), one!.out.length];
        }),
      ];
    },
  },
];
