/** Further tickets on request: when they are granted, and what sends them. */
import {
  SSL_CB_HANDSHAKE_DONE,
  SSL_CB_HANDSHAKE_START,
  SSL_KEY_UPDATE_NOT_REQUESTED,
  SSL_KEY_UPDATE_REQUESTED,
} from '../../../../src/openssl/index.ts';
import { type Api, outcome, recordLengths, type Scenario, type Ssl, World } from '../scenario.ts';

const state = (api: Api, ssl: Ssl): unknown => [api.SSL_in_init(ssl), api.SSL_is_init_finished(ssl)];

type Flush = (api: Api, ssl: Ssl) => unknown;
const flushes: readonly [string, Flush][] = [
  ['SSL_do_handshake', (api, ssl) => api.SSL_do_handshake(ssl)],
  ['SSL_write', (api, ssl) => api.SSL_write(ssl, Buffer.from('data'))],
  ['SSL_write of nothing', (api, ssl) => api.SSL_write(ssl, Buffer.alloc(0))],
  ['SSL_write_ex of nothing', (api, ssl) => api.SSL_write_ex(ssl, Buffer.alloc(0))],
  ['SSL_read', (api, ssl) => api.SSL_read(ssl, Buffer.alloc(10))],
  ['SSL_peek', (api, ssl) => api.SSL_peek(ssl, Buffer.alloc(10))],
  ['SSL_accept', (api, ssl) => api.SSL_accept(ssl)],
  ['SSL_shutdown', (api, ssl) => outcome(api, ssl, () => api.SSL_shutdown(ssl))],
  ['SSL_pending', (api, ssl) => api.SSL_pending(ssl)],
];

export const requests: readonly Scenario[] = [
  {
    name: 'a request before, during and after the handshake, on either side',
    run(api) {
      const world = new World(api);
      const { server, client } = world.pair();
      const log: unknown[] = [];
      const ask = (): void => {
        log.push([api.SSL_new_session_ticket(server), api.SSL_new_session_ticket(client), api.ERR_peek_error()]);
      };
      ask();
      api.SSL_do_handshake(client);
      ask();
      api.SSL_do_handshake(server);
      ask();
      api.SSL_do_handshake(client);
      ask();
      api.SSL_do_handshake(server);
      ask();
      return log;
    },
  },
  {
    name: 'a request on a connection without a role',
    run(api) {
      const world = new World(api);
      return [api.SSL_new_session_ticket(api.SSL_new(world.serverCtx)!)];
    },
  },
  ...flushes.map(
    ([name, flush]): Scenario => ({
      name: `what ${name} does with three requested tickets`,
      run(api) {
        const world = new World(api);
        const { server, client } = world.connect();
        const before = world.generated;
        const granted = [1, 2, 3].map(() => api.SSL_new_session_ticket(server));
        const queued = [state(api, server), world.generated - before, api.BIO_ctrl_pending(api.SSL_get_rbio(client))];
        const result = flush(api, server);
        const after = [state(api, server), world.generated - before];
        const received = world.received(() => world.readNothing(client));
        return [granted, queued, result, after, received];
      },
    }),
  ),
  ...(
    [
      ['0, then raised to 3', 0, 3, 1],
      ['2, then raised to 5, one request', 2, 5, 1],
      ['2, then raised to 5, four requests', 2, 5, 4],
    ] as const
  ).map(
    ([name, first, then, asked]): Scenario => ({
      name: `requests after the number was ${name}`,
      run(api) {
        const world = new World(api);
        const { server, client } = world.connect({ prepare: (pair) => api.SSL_set_num_tickets(pair.server, first) });
        api.SSL_set_num_tickets(server, then);
        for (let i = 0; i < asked; i++) api.SSL_new_session_ticket(server);
        api.SSL_do_handshake(server);
        return [world.received(() => world.readNothing(client))];
      },
      ...(asked < then - first
        ? { differs: { row: 'one request may send several tickets', ours: [asked], libssl: [[then - first]] } }
        : {}),
    }),
  ),
  ...(
    [
      [0, 0, 1],
      [5, 1, 1],
      [2, 2, 4],
      [1, 0, 2],
    ] as const
  ).map(
    ([first, then, asked]): Scenario => ({
      name: `${asked} requests when the number was ${first} and is ${then}`,
      run(api) {
        const world = new World(api);
        const { server, client } = world.connect({ prepare: (pair) => api.SSL_set_num_tickets(pair.server, first) });
        api.SSL_set_num_tickets(server, then);
        for (let i = 0; i < asked; i++) api.SSL_new_session_ticket(server);
        api.SSL_do_handshake(server);
        return [world.received(() => world.readNothing(client))];
      },
    }),
  ),
  {
    name: 'one request on a resumed connection with a number of 9',
    run(api) {
      const world = new World(api);
      world.close(world.connect());
      const { server, client } = world.connect({ session: world.sessions[0]! });
      api.SSL_set_num_tickets(server, 9);
      api.SSL_new_session_ticket(server);
      api.SSL_do_handshake(server);
      return [api.SSL_session_reused(server), world.received(() => world.readNothing(client))];
    },
  },
  {
    name: 'requested tickets go in front of the data, each in a record of its own',
    run(api) {
      const world = new World(api);
      const { server, client } = world.connect();
      api.SSL_new_session_ticket(server);
      api.SSL_new_session_ticket(server);
      api.SSL_write(server, Buffer.from('data'));
      const lengths = recordLengths(api, client);
      return [lengths.length, lengths[0] === lengths[1], lengths[2]];
    },
  },
  {
    name: 'automatic tickets are records of their own',
    run(api) {
      const world = new World(api);
      const pair = world.pair();
      api.SSL_set_num_tickets(pair.server, 3);
      api.SSL_do_handshake(pair.client);
      api.SSL_do_handshake(pair.server);
      api.SSL_do_handshake(pair.client);
      const done = api.SSL_do_handshake(pair.server);
      return [done, recordLengths(api, pair.client).length];
    },
  },
  {
    name: 'requested tickets make no handshake events',
    run(api) {
      const world = new World(api);
      const { server, client } = world.connect();
      let events = 0;
      api.SSL_CTX_set_info_callback(world.serverCtx, (_ssl, where) => {
        if (where & (SSL_CB_HANDSHAKE_START | SSL_CB_HANDSHAKE_DONE)) events++;
      });
      api.SSL_new_session_ticket(server);
      api.SSL_do_handshake(server);
      return [events, world.received(() => world.readNothing(client))];
    },
  },
  {
    name: 'each requested ticket resumes',
    run(api) {
      const world = new World(api);
      const pair = world.connect({ prepare: ({ server }) => api.SSL_set_num_tickets(server, 0) });
      api.SSL_new_session_ticket(pair.server);
      api.SSL_new_session_ticket(pair.server);
      world.deliver(pair.server, pair.client, 'data');
      world.close(pair);
      return world.sessions.slice().map((session) => world.resume(session));
    },
  },
  {
    name: 'requests and KeyUpdates refuse each other',
    run(api) {
      const world = new World(api);
      const { server, client } = world.connect();
      const log: unknown[] = [];
      log.push(api.SSL_new_session_ticket(server));
      log.push(outcome(api, server, () => api.SSL_key_update(server, SSL_KEY_UPDATE_REQUESTED)));
      log.push(api.SSL_do_handshake(server));
      log.push(api.SSL_key_update(server, SSL_KEY_UPDATE_NOT_REQUESTED), state(api, server));
      log.push(api.SSL_new_session_ticket(server));
      log.push(api.SSL_do_handshake(server), api.SSL_new_session_ticket(server));
      log.push(world.received(() => log.push(world.deliver(server, client, 'data'))));
      log.push(world.deliver(client, server, 'back'));
      return log;
    },
  },
  {
    name: 'a KeyUpdate that the client asked for, and a request',
    run(api) {
      const world = new World(api);
      const { server, client } = world.connect();
      api.SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED);
      world.deliver(client, server, 'x');
      const granted = api.SSL_new_session_ticket(server);
      const first = world.received(() => world.deliver(server, client, 'one'));
      const second = world.received(() => world.deliver(server, client, 'two'));
      return [granted, first, second];
    },
    differs: {
      row: 'a KeyUpdate that the peer asked for delays requested tickets',
      ours: [1, 1, 0],
      libssl: [[1, 0, 1]],
    },
  },
  {
    name: 'a request after our close_notify',
    run(api) {
      const world = new World(api);
      const { server, client } = world.connect();
      const closed = api.SSL_shutdown(server);
      const granted = api.SSL_new_session_ticket(server);
      const done = api.SSL_do_handshake(server);
      return [closed, granted, done, recordLengths(api, client).length];
    },
    differs: {
      row: 'a ticket can be written after our own close_notify',
      ours: [0, 0, 1, 1],
      libssl: [[0, 1, 1, 2]],
    },
  },
  {
    name: "a request after the client's close_notify",
    run(api) {
      const world = new World(api);
      const { server, client } = world.connect();
      const log: unknown[] = [
        api.SSL_shutdown(client),
        outcome(api, server, () => api.SSL_read(server, Buffer.alloc(5))),
      ];
      log.push(api.SSL_new_session_ticket(server), api.SSL_do_handshake(server), api.SSL_shutdown(server));
      log.push(world.received(() => log.push(api.SSL_shutdown(client))));
      return log;
    },
  },
  {
    name: 'a request from the new-session callback, with one queued',
    run(api) {
      const world = new World(api, { count: false });
      const { server, client } = world.connect();
      const answers: number[] = [];
      api.SSL_CTX_sess_set_new_cb(world.serverCtx, (ssl) => {
        answers.push(api.SSL_new_session_ticket(ssl));
        return 0;
      });
      api.SSL_new_session_ticket(server);
      api.SSL_do_handshake(server);
      return [answers, world.received(() => world.readNothing(client))];
    },
  },
  {
    name: 'a request from the new-session callback, with two queued, four times at most',
    run(api) {
      const world = new World(api, { count: false });
      const { server, client } = world.connect();
      const answers: number[] = [];
      api.SSL_CTX_sess_set_new_cb(world.serverCtx, (ssl) => {
        if (answers.length < 4) answers.push(api.SSL_new_session_ticket(ssl));
        return 0;
      });
      api.SSL_new_session_ticket(server);
      api.SSL_new_session_ticket(server);
      for (let i = 0; i < 3; i++) api.SSL_do_handshake(server);
      return [answers, world.received(() => world.readNothing(client))];
    },
    differs: {
      row: 'a new-session callback that always asks for another ticket never ends',
      ours: [[1, 0, 0], 3],
      libssl: [[[1, 1, 1, 1], 6]],
    },
  },
  ...([1, 3] as const).map(
    (asked): Scenario => ({
      name: `${asked} requests when the handshake is reported done, and a number of 2`,
      run(api) {
        const world = new World(api);
        api.SSL_CTX_set_info_callback(world.serverCtx, (ssl, where) => {
          if (where & SSL_CB_HANDSHAKE_DONE) for (let i = 0; i < asked; i++) api.SSL_new_session_ticket(ssl);
        });
        const { server, client } = world.connect();
        api.SSL_do_handshake(server);
        world.readNothing(client);
        return [world.sessions.length];
      },
      differs: {
        row: 'requests made when the handshake is done are merged',
        ours: [2 + asked],
        libssl: [[Math.max(2, asked)]],
      },
    }),
  ),
  {
    name: 'SSL_clear with tickets queued',
    run(api) {
      const world = new World(api);
      const pair = world.connect();
      for (let i = 0; i < 3; i++) api.SSL_new_session_ticket(pair.server);
      const cleared = api.SSL_clear(pair.server);
      const granted = api.SSL_new_session_ticket(pair.server);
      api.SSL_shutdown(pair.client);
      api.SSL_clear(pair.client);
      for (const ssl of [pair.server, pair.client]) api.BIO_reset(api.SSL_get_rbio(ssl));
      const before = world.generated;
      const received = world.received(() => world.finish(pair));
      return [cleared, granted, received, world.generated - before];
    },
    differs: { row: '`SSL_clear` keeps queued requests', ours: [1, 0, 1, 1], libssl: [[1, 0, 3, 0]] },
  },
  {
    name: 'SSL_get_session of the server is the session of the last ticket',
    run(api) {
      const world = new World(api, { count: false });
      const seen: unknown[] = [];
      const same: boolean[] = [];
      api.SSL_CTX_sess_set_new_cb(world.serverCtx, (ssl, session) => {
        same.push(api.SSL_get_session(ssl) === session);
        seen.push(session);
        return 1;
      });
      const { server } = world.connect();
      api.SSL_new_session_ticket(server);
      api.SSL_do_handshake(server);
      return [same, api.SSL_get_session(server) === seen.at(-1), new Set(seen).size];
    },
  },
];
