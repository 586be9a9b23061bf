/** How many tickets, and who says so. */
import { SSL_CB_HANDSHAKE_DONE } from '../../../../src/openssl/index.ts';
import { range, type Scenario, World } from '../scenario.ts';

export const counts: readonly Scenario[] = [
  ...[0, 1, 2, 3, 16, 40].map(
    (count): Scenario => ({
      name: `${count} tickets after a full handshake, set on the context`,
      run(api) {
        const world = new World(api);
        const set = api.SSL_CTX_set_num_tickets(world.serverCtx, count);
        const { server } = world.connect();
        return [
          set,
          api.SSL_CTX_get_num_tickets(world.serverCtx),
          api.SSL_get_num_tickets(server),
          world.sessions.length,
          world.generated,
        ];
      },
    }),
  ),
  ...[0, 1, 2, 3].map(
    (count): Scenario => ({
      name: `${count} tickets set on the connection, over a context that says otherwise`,
      run(api) {
        const world = new World(api);
        api.SSL_CTX_set_num_tickets(world.serverCtx, 7);
        const { server } = world.connect({ prepare: (pair) => api.SSL_set_num_tickets(pair.server, count) });
        return [api.SSL_get_num_tickets(server), world.sessions.length, world.generated];
      },
    }),
  ),
  ...[0, 1, 2, 3, 40].map(
    (count): Scenario => ({
      name: `a resumption with the number ${count}`,
      run(api) {
        const world = new World(api);
        world.close(world.connect());
        return [
          world.resume(world.sessions[0], ({ server }) => api.SSL_set_num_tickets(server, count)),
          world.generated,
        ];
      },
    }),
  ),
  {
    name: 'the default, and what reads back on either side',
    run(api) {
      const world = new World(api);
      const log: unknown[] = [];
      for (const ctx of [world.serverCtx, world.clientCtx]) {
        log.push(api.SSL_CTX_get_num_tickets(ctx));
        for (const count of [0, 1, 7, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
          log.push(api.SSL_CTX_set_num_tickets(ctx, count), api.SSL_CTX_get_num_tickets(ctx));
        }
        const ssl = api.SSL_new(ctx);
        log.push(api.SSL_get_num_tickets(ssl), api.SSL_set_num_tickets(ssl, 3), api.SSL_get_num_tickets(ssl));
      }
      return log;
    },
  },
  {
    name: 'a connection keeps the number its context had when it was made',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_num_tickets(world.serverCtx, 3);
      const early = world.pair();
      api.SSL_CTX_set_num_tickets(world.serverCtx, 5);
      world.finish(early);
      const late = api.SSL_new(world.serverCtx);
      return [api.SSL_get_num_tickets(early.server), world.sessions.length, api.SSL_get_num_tickets(late)];
    },
  },
  {
    name: 'on a client the number has no effect',
    run(api) {
      const world = new World(api);
      const { client } = world.connect({ prepare: (pair) => api.SSL_set_num_tickets(pair.client, 7) });
      return [world.sessions.length, api.SSL_get_num_tickets(client)];
    },
  },
  {
    name: 'changed between the server flight and the client Finished',
    run(api) {
      const world = new World(api);
      const pair = world.pair();
      api.SSL_do_handshake(pair.client);
      const waiting = api.SSL_do_handshake(pair.server);
      const set = api.SSL_set_num_tickets(pair.server, 5);
      world.finish(pair);
      return [waiting, set, world.sessions.length];
    },
  },
  {
    name: 'changed in the servername callback',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_tlsext_servername_callback(world.serverCtx, (ssl) => {
        api.SSL_set_num_tickets(ssl, 4);
        return 0;
      });
      world.connect({ prepare: ({ client }) => api.SSL_set_tlsext_host_name(client, 'localhost') });
      return [world.sessions.length];
    },
  },
  {
    name: 'changed in the certificate callback',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_cert_cb(world.serverCtx, (ssl) => api.SSL_set_num_tickets(ssl, 3));
      world.connect();
      return [world.sessions.length];
    },
  },
  {
    name: 'raised in the new-session callback while tickets are written',
    run(api) {
      const world = new World(api);
      const seen: unknown[] = [];
      api.SSL_CTX_sess_set_new_cb(world.serverCtx, (ssl) => {
        seen.push(api.SSL_get_num_tickets(ssl), api.SSL_new_session_ticket(ssl), api.SSL_in_init(ssl));
        api.SSL_set_num_tickets(ssl, 4);
        return 0;
      });
      world.connect();
      return [world.sessions.length, seen];
    },
  },
  {
    name: 'lowered in the new-session callback while tickets are written',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_sess_set_new_cb(world.serverCtx, (ssl) => {
        api.SSL_set_num_tickets(ssl, 1);
        return 0;
      });
      world.connect({ prepare: ({ server }) => api.SSL_set_num_tickets(server, 5) });
      return [world.sessions.length];
    },
  },
  {
    name: 'changed when the handshake is reported done',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_info_callback(world.serverCtx, (ssl, where) => {
        if (where & SSL_CB_HANDSHAKE_DONE) api.SSL_set_num_tickets(ssl, 3);
      });
      world.connect();
      return [world.sessions.length];
    },
  },
  {
    name: 'changed after the handshake it does nothing by itself',
    run(api) {
      const world = new World(api);
      const { server, client } = world.connect();
      return [
        api.SSL_set_num_tickets(server, 9),
        api.SSL_do_handshake(server),
        world.deliver(server, client, 'data'),
        world.sessions.length,
      ];
    },
  },
  {
    name: 'SSL_clear keeps the number, and the next handshake gives as many',
    run(api) {
      const world = new World(api);
      const pair = world.connect({ prepare: ({ server }) => api.SSL_set_num_tickets(server, 3) });
      world.close(pair);
      const cleared = [api.SSL_clear(pair.server), api.SSL_clear(pair.client)];
      const kept = api.SSL_get_num_tickets(pair.server);
      for (const ssl of [pair.server, pair.client]) api.BIO_reset(api.SSL_get_rbio(ssl));
      const ends = world.finish(pair);
      return [cleared, kept, ends, world.sessions.length];
    },
  },
  {
    name: 'SSL_dup of a connection that has not begun',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_num_tickets(world.serverCtx, 5);
      const ssl = api.SSL_new(world.serverCtx);
      api.SSL_set_num_tickets(ssl, 7);
      const copy = api.SSL_dup(ssl);
      return [copy === ssl, api.SSL_get_num_tickets(copy)];
    },
    differs: { row: '`SSL_dup` takes the number of tickets from the context', ours: [false, 7], libssl: [[false, 5]] },
  },
  {
    name: 'SSL_dup of a connection that has begun is the same one',
    run(api) {
      const world = new World(api);
      const { server } = world.connect();
      return [api.SSL_dup(server) === server];
    },
  },
  {
    name: 'SSL_set_SSL_CTX does not change the number',
    run(api) {
      const world = new World(api);
      const other = new World(api);
      api.SSL_CTX_set_num_tickets(other.serverCtx, 5);
      const pair = world.pair();
      const now = api.SSL_set_SSL_CTX(pair.server, other.serverCtx);
      world.finish(pair);
      return [
        now === other.serverCtx,
        api.SSL_get_SSL_CTX(pair.server) === other.serverCtx,
        api.SSL_get_num_tickets(pair.server),
        world.sessions.length,
        world.generated,
        other.generated,
      ];
    },
  },
  {
    name: 'the sessions of one handshake are different ones',
    run(api) {
      const world = new World(api);
      world.connect({ prepare: ({ server }) => api.SSL_set_num_tickets(server, 4) });
      const tickets = world.sessions.map((session) =>
        Buffer.from(api.SSL_SESSION_get0_ticket(session)!).toString('hex'),
      );
      return [new Set(world.sessions).size, new Set(tickets).size, range(4).length];
    },
  },
];
