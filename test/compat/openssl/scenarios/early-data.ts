/** Early data, on both sides. */
import {
  SSL_OP_NO_ANTI_REPLAY,
  SSL_SESS_CACHE_NO_INTERNAL_STORE,
  SSL_SESS_CACHE_SERVER,
} from '../../../../src/openssl/index.ts';
import { type Api, outcome, type Pair, reason, type Scenario, type Session, type Ssl, World } from '../scenario.ts';

const LONG_AGO = 'no early data arrives twice';

function write(api: Api, ssl: Ssl, text: string): unknown {
  api.ERR_clear_error();
  const { ret, written } = api.SSL_write_early_data(ssl, Buffer.from(text));
  return ret === 1 ? written : [ret, api.SSL_get_error(ssl, ret), reason(api)];
}

/** Reads until there is no more: what came, and how it ended. */
function readAll(api: Api, ssl: Ssl, size: number = 100): unknown[] {
  const log: unknown[] = [];
  for (;;) {
    api.ERR_clear_error();
    const into = Buffer.alloc(size);
    const { ret, readbytes } = api.SSL_read_early_data(ssl, into);
    if (ret === 1) log.push(into.subarray(0, readbytes).toString());
    else return [...log, ret === 0 ? [0, api.SSL_get_error(ssl, 0), reason(api)] : ret];
  }
}

const status = (api: Api, { server, client }: Pair): unknown =>
  [server, client].map((ssl) => api.SSL_get_early_data_status(ssl));
const reused = (api: Api, { server, client }: Pair): unknown =>
  [server, client].map((ssl) => api.SSL_session_reused(ssl));

interface Choices {
  readonly max?: number;
  readonly options?: number;
  readonly alpn?: string;
}

function worldFor(api: Api, { max = 1_000, options = 0, alpn }: Choices = {}): World {
  const world = new World(api);
  api.SSL_CTX_set_max_early_data(world.serverCtx, max);
  api.SSL_CTX_set_options(world.serverCtx, options);
  if (alpn !== undefined) {
    api.SSL_CTX_set_alpn_protos(world.clientCtx, Buffer.from(`\u0001${alpn}`));
    api.SSL_CTX_set_alpn_select_cb(world.serverCtx, () => ({ ret: 0, selected: Buffer.from(alpn) }));
  }
  world.close(world.connect());
  return world;
}

/** A connection that begins with early data: what was written, read and decided. */
function early(
  world: World,
  session: Session | undefined,
  prepare: (pair: Pair) => void = () => {},
  text = LONG_AGO,
): unknown {
  const { api } = world;
  const pair = world.pair();
  api.SSL_set_session(pair.client, session!);
  prepare(pair);
  let log: unknown[] = [];
  const tickets = world.received(() => {
    log = [write(api, pair.client, text), readAll(api, pair.server), world.finish(pair)];
  });
  log.push(status(api, pair), reused(api, pair), tickets, world.deliver(pair.client, pair.server, 'and then'));
  world.close(pair);
  return log;
}

export const earlyData: readonly Scenario[] = [
  {
    name: 'early data, taken once: the ticket is good for one resumption',
    run(api) {
      const world = worldFor(api);
      const [session] = world.sessions;
      const before = api.SSL_CTX_sess_number(world.serverCtx);
      return [
        api.SSL_SESSION_get_max_early_data(session!),
        before,
        early(world, session),
        api.SSL_CTX_sess_number(world.serverCtx),
      ];
    },
  },
  {
    name: 'the same ticket again gives a full handshake, with early data or without',
    run(api) {
      const world = worldFor(api);
      const [first, second] = world.sessions.map((session) => Buffer.from(api.i2d_SSL_SESSION(session)!));
      const again = (bytes: Buffer): Session => api.d2i_SSL_SESSION(bytes)!;
      const log = [early(world, again(first!)), early(world, again(first!))];
      return [...log, world.resume(again(second!)), world.resume(again(second!))];
    },
  },
  {
    name: 'the remove callback hears of a ticket that is used',
    run(api) {
      const world = worldFor(api);
      let removed = 0;
      api.SSL_CTX_sess_set_remove_cb(world.serverCtx, () => {
        removed++;
      });
      early(world, world.sessions[0]);
      return [removed];
    },
  },
  {
    name: 'without anti-replay the same ticket takes early data again',
    run(api) {
      const world = worldFor(api, { options: SSL_OP_NO_ANTI_REPLAY });
      const bytes = Buffer.from(api.i2d_SSL_SESSION(world.sessions[0]!)!);
      const log = [1, 2].map(() => early(world, api.d2i_SSL_SESSION(bytes)!));
      return [...log, api.SSL_CTX_sess_number(world.serverCtx)];
    },
  },
  {
    name: 'anti-replay without an internal cache resumes nothing',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_max_early_data(world.serverCtx, 1_000);
      api.SSL_CTX_set_session_cache_mode(world.serverCtx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL_STORE);
      world.close(world.connect());
      return [world.sessions.length, world.resume(world.sessions[0])];
    },
  },
  {
    name: 'rejected by a server that does not read early data',
    run(api) {
      const world = worldFor(api);
      const pair = world.pair();
      api.SSL_set_session(pair.client, world.sessions[0]!);
      const log = [write(api, pair.client, LONG_AGO), world.finish(pair), status(api, pair), reused(api, pair)];
      return [
        ...log,
        world.deliver(pair.client, pair.server, 'once more'),
        world.deliver(pair.server, pair.client, 'yes'),
      ];
    },
  },
  {
    name: 'rejected by the program, which is asked once',
    run(api) {
      const log: unknown[] = [];
      for (const answer of [0, 1]) {
        const world = worldFor(api);
        let asked = 0;
        api.SSL_CTX_set_allow_early_data_cb(world.serverCtx, () => {
          asked++;
          return answer;
        });
        log.push(early(world, world.sessions[0]), asked);
      }
      return log;
    },
  },
  {
    name: 'rejected by a server that has switched it off meanwhile',
    run(api) {
      const world = worldFor(api, { options: SSL_OP_NO_ANTI_REPLAY });
      return [early(world, world.sessions[0], ({ server }) => api.SSL_set_max_early_data(server, 0))];
    },
  },
  {
    name: 'in pieces, written and read',
    run(api) {
      const world = worldFor(api);
      const pair = world.pair();
      api.SSL_set_session(pair.client, world.sessions[0]!);
      const log = ['one', '', 'three'].map((text) => write(api, pair.client, text));
      log.push(readAll(api, pair.server, 2));
      log.push(write(api, pair.client, 'late'), readAll(api, pair.server), world.finish(pair), status(api, pair));
      return log;
    },
  },
  {
    name: 'a server answers early data before the handshake is done',
    run(api) {
      const world = worldFor(api);
      const pair = world.pair();
      api.SSL_set_session(pair.client, world.sessions[0]!);
      const log: unknown[] = [write(api, pair.client, 'question')];
      const into = Buffer.alloc(100);
      const { ret, readbytes } = api.SSL_read_early_data(pair.server, into);
      log.push(ret, into.subarray(0, readbytes).toString(), write(api, pair.server, 'answer'));
      const read = outcome(api, pair.client, () => api.SSL_connect(pair.client));
      const text = Buffer.alloc(100);
      const got = outcome(api, pair.client, () => api.SSL_read(pair.client, text));
      log.push(read, typeof got === 'number' ? text.subarray(0, got).toString() : got, readAll(api, pair.server));
      log.push(write(api, pair.server, 'more'), world.deliver(pair.server, pair.client, 'done') !== null);
      return [...log, outcome(api, pair.server, () => api.SSL_accept(pair.server)), status(api, pair)];
    },
  },
  {
    name: 'nothing to read for SSL_read_early_data: no early data, no session',
    run(api) {
      const world = worldFor(api);
      const pair = world.pair();
      api.SSL_do_handshake(pair.client);
      return [readAll(api, pair.server), world.finish(pair), status(api, pair), reused(api, pair)];
    },
  },
  {
    name: 'functions called by the wrong side or at the wrong time',
    run(api) {
      const world = worldFor(api);
      const pair = world.pair();
      const log: unknown[] = [
        write(api, pair.client, 'no session'),
        readAll(api, pair.client),
        write(api, pair.server, 'server'),
      ];
      world.finish(pair);
      return [...log, write(api, pair.client, 'too late'), readAll(api, pair.server)];
    },
  },
  {
    name: 'no early writing once the handshake went on',
    run(api) {
      const world = worldFor(api);
      const pair = world.pair();
      api.SSL_set_session(pair.client, world.sessions[0]!);
      const log: unknown[] = [
        write(api, pair.client, 'before'),
        outcome(api, pair.client, () => api.SSL_connect(pair.client)),
      ];
      return [...log, write(api, pair.client, 'after'), status(api, pair)];
    },
  },
  {
    name: 'another protocol than the session has',
    run(api) {
      const world = worldFor(api, { alpn: 'a' });
      const log = [early(world, world.sessions[0])];
      const pair = world.pair();
      api.SSL_set_session(pair.client, world.sessions[1]!);
      api.SSL_set_alpn_protos(pair.client, Buffer.from('\u0001b'));
      log.push(write(api, pair.client, 'x'));
      return log;
    },
  },
  {
    name: 'limits as they are set and read back',
    run(api) {
      const world = new World(api);
      const { serverCtx } = world;
      const ssl = api.SSL_new(serverCtx)!;
      const log: unknown[] = [
        api.SSL_CTX_get_max_early_data(serverCtx),
        api.SSL_CTX_get_recv_max_early_data(serverCtx),
      ];
      log.push(
        api.SSL_CTX_set_max_early_data(serverCtx, 5),
        api.SSL_CTX_set_recv_max_early_data(serverCtx, 0xffff_ffff),
      );
      log.push(api.SSL_CTX_get_max_early_data(serverCtx), api.SSL_CTX_get_recv_max_early_data(serverCtx));
      log.push(api.SSL_get_max_early_data(ssl), api.SSL_get_recv_max_early_data(ssl));
      const later = api.SSL_new(serverCtx)!;
      log.push(api.SSL_get_max_early_data(later), api.SSL_get_recv_max_early_data(later));
      log.push(api.SSL_set_max_early_data(ssl, 7), api.SSL_set_recv_max_early_data(ssl, 8));
      return [...log, api.SSL_get_max_early_data(ssl), api.SSL_get_recv_max_early_data(ssl)];
    },
  },
  {
    name: 'more than the server takes',
    run(api) {
      const world = worldFor(api);
      const pair = world.pair();
      api.SSL_set_session(pair.client, world.sessions[0]!);
      api.SSL_set_recv_max_early_data(pair.server, 5);
      return [write(api, pair.client, 'six bytes'), readAll(api, pair.server), status(api, pair)];
    },
  },
  {
    name: 'early data that is accepted and not read',
    run(api) {
      const world = worldFor(api);
      const pair = world.pair();
      api.SSL_set_session(pair.client, world.sessions[0]!);
      const log: unknown[] = [write(api, pair.client, 'one'), write(api, pair.client, 'two')];
      log.push(api.SSL_read_early_data(pair.server, Buffer.alloc(100)));
      return [...log, outcome(api, pair.server, () => api.SSL_accept(pair.server))];
    },
  },
  {
    name: 'early keying material is the same on both sides, and there is none without early data',
    run(api) {
      const world = worldFor(api);
      const pair = world.pair();
      api.SSL_set_session(pair.client, world.sessions[0]!);
      const log: unknown[] = [write(api, pair.client, 'x'), readAll(api, pair.server)];
      const [client, server, other] = [
        api.SSL_export_keying_material_early(pair.client, 20, 'label', Buffer.from('context')),
        api.SSL_export_keying_material_early(pair.server, 20, 'label', Buffer.from('context')),
        api.SSL_export_keying_material_early(pair.server, 20, 'label', Buffer.from('other')),
      ];
      const equal = Buffer.from(client.out).equals(Buffer.from(server.out));
      const same = Buffer.from(server.out).equals(Buffer.from(other.out));
      const fresh = world.pair();
      return [
        ...log,
        client.ret,
        server.ret,
        equal,
        same,
        api.SSL_export_keying_material_early(fresh.client, 20, 'label', Buffer.from('x')).ret,
      ];
    },
  },
];
