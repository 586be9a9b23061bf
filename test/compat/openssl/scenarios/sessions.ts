/** Sessions: what is in them, where they are kept, and what spoils them. */
import {
  SSL_OP_NO_TICKET,
  SSL_SESS_CACHE_BOTH,
  SSL_SESS_CACHE_CLIENT,
  SSL_SESS_CACHE_NO_INTERNAL,
  SSL_SESS_CACHE_NO_INTERNAL_LOOKUP,
  SSL_SESS_CACHE_NO_INTERNAL_STORE,
  SSL_SESS_CACHE_OFF,
  SSL_SESS_CACHE_SERVER,
  SSL_VERIFY_PEER,
} from '../../../../src/openssl/index.ts';
import {
  type Api,
  type Ctx,
  countRemoved,
  must,
  outcome,
  reason,
  type Scenario,
  type Session,
  World,
} from '../scenario.ts';

function statistics(api: Api, ctx: Ctx): unknown {
  return {
    connect: [api.SSL_CTX_sess_connect(ctx), api.SSL_CTX_sess_connect_good(ctx)],
    accept: [api.SSL_CTX_sess_accept(ctx), api.SSL_CTX_sess_accept_good(ctx)],
    hits: [api.SSL_CTX_sess_hits(ctx), api.SSL_CTX_sess_cb_hits(ctx)],
    misses: api.SSL_CTX_sess_misses(ctx),
    timeouts: api.SSL_CTX_sess_timeouts(ctx),
    full: api.SSL_CTX_sess_cache_full(ctx),
    number: api.SSL_CTX_sess_number(ctx),
  };
}

const MODES: readonly [string, number][] = [
  ['off', SSL_SESS_CACHE_OFF],
  ['server', SSL_SESS_CACHE_SERVER],
  ['client', SSL_SESS_CACHE_CLIENT],
  ['both', SSL_SESS_CACHE_BOTH],
  ['server, no internal', SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL],
  ['server, no internal store', SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_STORE],
  ['server, no internal lookup', SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_LOOKUP],
];

export const sessions: readonly Scenario[] = [
  ...MODES.flatMap(([name, mode]) =>
    [0, SSL_OP_NO_TICKET].map((options): Scenario => {
      const stateful = options !== 0;
      const useless = stateful && (mode & SSL_SESS_CACHE_SERVER) === 0;
      return {
        name: `cache mode ${name}, with ${stateful ? 'ids for tickets' : 'sealed tickets'}`,
        run(api) {
          const world = new World(api);
          const before = api.SSL_CTX_set_session_cache_mode(world.serverCtx, mode);
          api.SSL_CTX_set_options(world.serverCtx, options);
          world.close(world.connect());
          const log: unknown[] = [before, api.SSL_CTX_get_session_cache_mode(world.serverCtx)];
          log.push(world.generated, world.sessions.length, api.SSL_CTX_sess_number(world.serverCtx));
          log.push(world.resume(world.sessions[0]), statistics(api, world.serverCtx));
          return log;
        },
        ...(useless && {
          differs: {
            row: 'tickets nobody can redeem',
            endsWithRelease: true,
            ours: [SSL_SESS_CACHE_SERVER, mode, 0, 0, 0, { reused: [0, 0], tickets: 0 }, counters({ accept: [2, 2] })],
            libssl: [
              [
                SSL_SESS_CACHE_SERVER,
                mode,
                0,
                2,
                0,
                { reused: [0, 0], tickets: 2 },
                counters({ accept: [2, 2], misses: 1 }),
              ],
            ],
          },
        }),
      };
    }),
  ),
  {
    name: 'a client cache keeps what it is given, and offers each session once',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_session_cache_mode(world.clientCtx, SSL_SESS_CACHE_CLIENT);
      const removed = countRemoved(api, world.clientCtx);
      world.close(world.connect());
      const log: unknown[] = [statistics(api, world.clientCtx)];
      const first = world.sessions[0]!;
      log.push(world.resume(first), api.SSL_SESSION_is_resumable(first), removed.count);
      log.push(world.resume(first), statistics(api, world.clientCtx));
      return log;
    },
  },
  {
    name: 'without a client cache the same session is offered again and again',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_session_cache_mode(world.clientCtx, SSL_SESS_CACHE_OFF);
      const pair = world.connect();
      const session = api.SSL_get1_session(pair.client);
      world.close(pair);
      return [world.sessions.length, world.resume(session), world.resume(session), world.resume(session)];
    },
  },
  {
    name: 'a session that was encoded and decoded is resumable again',
    run(api) {
      const world = new World(api);
      world.close(world.connect());
      const session = world.sessions[0]!;
      const bytes = must(api.i2d_SSL_SESSION(session));
      const log: unknown[] = [world.resume(session), world.resume(session)];
      log.push(world.resume(api.d2i_SSL_SESSION(bytes)));
      log.push(api.d2i_SSL_SESSION(bytes.subarray(0, 20)) === null);
      api.ERR_clear_error();
      return log;
    },
  },
  {
    name: 'ids of cached sessions, used three times',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_session_cache_mode(world.clientCtx, SSL_SESS_CACHE_OFF);
      api.SSL_CTX_set_options(world.serverCtx, SSL_OP_NO_TICKET);
      const pair = world.connect();
      const session = must(api.SSL_get1_session(pair.client));
      world.close(pair);
      const log: unknown[] = [api.SSL_SESSION_get0_ticket(session)!.length];
      for (let i = 0; i < 3; i++) log.push(world.resume(session), api.SSL_CTX_sess_number(world.serverCtx));
      return log;
    },
  },
  {
    name: 'the get callback is asked for what the cache does not have',
    run(api) {
      const world = new World(api, { count: false });
      api.SSL_CTX_set_options(world.serverCtx, SSL_OP_NO_TICKET);
      api.SSL_CTX_set_session_cache_mode(world.serverCtx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
      const store = new Map<string, Session>();
      const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
      const asked: unknown[] = [];
      api.SSL_CTX_sess_set_new_cb(world.serverCtx, (_ssl, session) => {
        store.set(hex(must(api.SSL_SESSION_get_id(session))), session);
        return 1;
      });
      api.SSL_CTX_sess_set_get_cb(world.serverCtx, (_ssl, id) => {
        const found = store.get(hex(id)) ?? null;
        asked.push([id.length, found !== null]);
        return found;
      });
      world.close(world.connect());
      const log: unknown[] = [store.size, world.resume(world.sessions[0])];
      store.clear();
      log.push(world.resume(world.sessions[1]), asked, statistics(api, world.serverCtx));
      return log;
    },
  },
  {
    name: 'the get callback and the internal cache together',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_options(world.serverCtx, SSL_OP_NO_TICKET);
      let asked = 0;
      api.SSL_CTX_sess_set_get_cb(world.serverCtx, () => {
        asked++;
        return null;
      });
      world.close(world.connect());
      const log: unknown[] = [world.resume(world.sessions[0]), asked];
      api.SSL_CTX_flush_sessions(world.serverCtx, 0);
      log.push(world.resume(world.sessions[1]), asked, statistics(api, world.serverCtx));
      return log;
    },
  },
  {
    name: 'the get callback for sealed tickets',
    run(api) {
      const world = new World(api);
      let asked = 0;
      api.SSL_CTX_sess_set_get_cb(world.serverCtx, () => {
        asked++;
        return null;
      });
      world.close(world.connect());
      return [world.resume(world.sessions[0]), asked];
    },
  },
  {
    name: 'with a remove callback sealed sessions are cached too',
    run(api) {
      const world = new World(api);
      const removed = countRemoved(api, world.serverCtx);
      world.close(world.connect());
      const log: unknown[] = [api.SSL_CTX_sess_number(world.serverCtx)];
      log.push(world.resume(world.sessions[0]), api.SSL_CTX_sess_number(world.serverCtx), removed.count);
      api.SSL_CTX_flush_sessions(world.serverCtx, 0);
      log.push(api.SSL_CTX_sess_number(world.serverCtx), removed.count);
      return log;
    },
  },
  {
    name: 'SSL_CTX_add_session, SSL_CTX_remove_session, and the remove callback',
    run(api) {
      const world = new World(api);
      const removed = countRemoved(api, world.serverCtx);
      world.close(world.connect());
      const session = world.sessions[0]!;
      const { serverCtx } = world;
      const log: unknown[] = [];
      const step = (result: number): void => {
        log.push([result, api.SSL_CTX_sess_number(serverCtx), removed.count, api.SSL_SESSION_is_resumable(session)]);
      };
      step(api.SSL_CTX_add_session(serverCtx, session));
      step(api.SSL_CTX_add_session(serverCtx, session));
      step(api.SSL_CTX_remove_session(serverCtx, session));
      step(api.SSL_CTX_remove_session(serverCtx, session));
      return log;
    },
  },
  {
    name: 'SSL_CTX_remove_session makes a client session useless',
    run(api) {
      const world = new World(api);
      world.close(world.connect());
      const [first, second] = world.sessions;
      const removed = api.SSL_CTX_remove_session(world.clientCtx, first!);
      return [removed, api.SSL_SESSION_is_resumable(first!), world.resume(first), world.resume(second)];
    },
  },
  {
    name: 'SSL_CTX_flush_sessions by time',
    run(api) {
      const world = new World(api);
      const removed = countRemoved(api, world.serverCtx);
      api.SSL_CTX_set_options(world.serverCtx, SSL_OP_NO_TICKET);
      api.SSL_CTX_set_timeout(world.serverCtx, 100);
      world.close(world.connect());
      const now = Math.floor(Date.now() / 1000);
      const log: unknown[] = [];
      for (const at of [now, now + 50, now + 200]) {
        api.SSL_CTX_flush_sessions(world.serverCtx, at);
        log.push([api.SSL_CTX_sess_number(world.serverCtx), removed.count]);
      }
      log.push(world.resume(world.sessions[0]));
      return log;
    },
  },
  {
    name: 'freeing a context removes its sessions',
    run(api) {
      const world = new World(api);
      const removed = countRemoved(api, world.serverCtx);
      const pair = world.connect();
      world.close(pair);
      api.SSL_free(pair.server);
      api.SSL_CTX_free(world.serverCtx);
      return [removed.count];
    },
  },
  {
    name: 'a cache of four, and ten tickets',
    run(api) {
      const world = new World(api);
      const removed = countRemoved(api, world.serverCtx);
      api.SSL_CTX_set_options(world.serverCtx, SSL_OP_NO_TICKET);
      const sizes = [
        api.SSL_CTX_sess_set_cache_size(world.serverCtx, 4),
        api.SSL_CTX_sess_get_cache_size(world.serverCtx),
      ];
      world.close(world.connect({ prepare: ({ server }) => api.SSL_set_num_tickets(server, 10) }));
      return [
        sizes,
        api.SSL_CTX_sess_number(world.serverCtx),
        removed.count,
        api.SSL_CTX_sess_cache_full(world.serverCtx),
      ];
    },
    differs: {
      row: 'a cache of N holds N - 1 once it was full',
      ours: [[20_480, 4], 4, 6, 6],
      libssl: [[[20_480, 4], 3, 7, 7]],
    },
  },
  ...([1, 7_200, 0, 604_800, 604_801] as const).map(
    (timeout): Scenario => ({
      name: `a timeout of ${timeout} and the lifetime in the ticket`,
      run(api) {
        const world = new World(api);
        const before = api.SSL_CTX_set_timeout(world.serverCtx, timeout);
        world.connect();
        const hint = api.SSL_SESSION_get_ticket_lifetime_hint(world.sessions[0]!);
        return [before, api.SSL_CTX_get_timeout(world.serverCtx), hint];
      },
    }),
  ),
  {
    name: 'statistics of a context on either side',
    run(api) {
      const world = new World(api);
      world.close(world.connect());
      world.resume(world.sessions[0]);
      world.resume(null);
      return [statistics(api, world.serverCtx), statistics(api, world.clientCtx)];
    },
  },
  {
    name: 'another session id context: a full handshake',
    run(api) {
      const world = new World(api);
      const set = [Buffer.from('one'), Buffer.alloc(32), Buffer.alloc(33)].map((sid) => [
        api.SSL_CTX_set_session_id_context(world.serverCtx, sid),
        reason(api),
      ]);
      api.SSL_CTX_set_session_id_context(world.serverCtx, Buffer.from('one'));
      world.close(world.connect());
      api.SSL_CTX_set_session_id_context(world.serverCtx, Buffer.from('two'));
      return [set, world.resume(world.sessions[0])];
    },
  },
  {
    name: 'SSL_VERIFY_PEER without a session id context: tickets',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_verify(world.serverCtx, SSL_VERIFY_PEER, null);
      world.close(world.connect());
      return [world.sessions.length, world.generated];
    },
    differs: {
      row: 'tickets that make the next handshake fail',
      endsWithRelease: true,
      ours: [0, 0],
      libssl: [[2, 0]],
    },
  },
  {
    name: 'SSL_VERIFY_PEER without a session id context: a client that comes with a ticket',
    run(api) {
      const world = new World(api);
      world.close(world.connect());
      api.SSL_CTX_set_verify(world.serverCtx, SSL_VERIFY_PEER, null);
      const pair = world.pair();
      api.SSL_set_session(pair.client, world.sessions[0]!);
      return [world.finish(pair)];
    },
  },
  {
    name: 'errors of a connection: outcomes after a fatal one',
    run(api) {
      const world = new World(api);
      const { server } = world.pair();
      api.BIO_write(api.SSL_get_wbio(world.pair().client), Buffer.from('x'));
      const first = outcome(api, server, () => api.SSL_do_handshake(server));
      return [first];
    },
  },
];

/** {@link statistics} with these in place of zeros. */
function counters(some: Record<string, unknown>): unknown {
  return { connect: [0, 0], accept: [0, 0], hits: [0, 0], misses: 0, timeouts: 0, full: 0, number: 0, ...some };
}
