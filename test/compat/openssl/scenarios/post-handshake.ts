/** Client authentication after the handshake. */
import {
  SSL_VERIFY_CLIENT_ONCE,
  SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
  SSL_VERIFY_NONE,
  SSL_VERIFY_PEER,
  SSL_VERIFY_POST_HANDSHAKE,
} from '../../../../src/openssl/index.ts';
import {
  type Api,
  identity,
  otherIdentity,
  outcome,
  type Pair,
  range,
  reason,
  type Scenario,
  trust,
  useIdentity,
  World,
} from '../scenario.ts';

const LATER = SSL_VERIFY_PEER | SSL_VERIFY_POST_HANDSHAKE;

/** A server that asks later and a client that lets it; the client has a certificate that the server trusts, unless told otherwise. */
function worldFor(api: Api, { mode = LATER, certificate = true, offers = true, trusted = true } = {}): World {
  const world = new World(api);
  api.SSL_CTX_set_verify(world.serverCtx, mode, null);
  api.SSL_CTX_set_session_id_context(world.serverCtx, Buffer.from('later'));
  if (trusted) trust(api, world.serverCtx, otherIdentity);
  if (certificate) useIdentity(api, world.clientCtx, otherIdentity);
  if (offers) api.SSL_CTX_set_post_handshake_auth(world.clientCtx, 1);
  return world;
}

function ask(api: Api, { server }: Pair): unknown {
  api.ERR_clear_error();
  const ret = api.SSL_verify_client_post_handshake(server);
  return ret === 1 ? 1 : [ret, reason(api)];
}

/** Asks, lets the client answer and the server take the answer: what each step gave, and how many tickets came. */
function authenticate(world: World, pair: Pair): unknown {
  const { api } = world;
  const log: unknown[] = [];
  const tickets = world.received(() => {
    log.push(
      ask(api, pair),
      outcome(api, pair.server, () => api.SSL_do_handshake(pair.server)),
    );
    log.push(world.readNothing(pair.client), world.readNothing(pair.server), world.readNothing(pair.client));
  });
  return { log, tickets };
}

const shown = (api: Api, { server }: Pair): unknown => [
  api.SSL_get1_peer_certificate(server) !== null,
  api.SSL_get_verify_result(server),
];

export const postHandshake: readonly Scenario[] = [
  {
    name: 'a certificate asked for after the handshake, and what the server knows before and after',
    run(api) {
      const world = worldFor(api);
      const pair = world.connect();
      const before = shown(api, pair);
      return [
        before,
        authenticate(world, pair),
        shown(api, pair),
        world.deliver(pair.client, pair.server, 'still here'),
      ];
    },
  },
  ...[0, 1, 2, 3].map(
    (count): Scenario => ({
      name: `${count} tickets by number, and again as many after the client has shown itself`,
      run(api) {
        const world = worldFor(api);
        api.SSL_CTX_set_num_tickets(world.serverCtx, count);
        const pair = world.connect();
        return [world.sessions.length, authenticate(world, pair), world.generated];
      },
    }),
  ),
  {
    name: 'the number changed between the handshake and the request',
    run(api) {
      const world = worldFor(api);
      const pair = world.connect();
      const log: unknown[] = [authenticate(world, pair)];
      for (const count of [4, 0, 1]) log.push(api.SSL_set_num_tickets(pair.server, count), authenticate(world, pair));
      return [...log, world.sessions.length, world.generated];
    },
  },
  {
    name: 'a client without a certificate answers with none, and gets its tickets',
    run(api) {
      const world = worldFor(api, { certificate: false });
      const pair = world.connect();
      return [authenticate(world, pair), shown(api, pair)];
    },
  },
  {
    name: 'a certificate that must be shown, and is not',
    run(api) {
      const world = worldFor(api, { certificate: false, mode: LATER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT });
      const pair = world.connect();
      return [authenticate(world, pair), shown(api, pair)];
    },
  },
  {
    name: 'a certificate that nobody vouches for',
    run(api) {
      const world = worldFor(api, { trusted: false });
      const pair = world.connect();
      return [authenticate(world, pair), api.SSL_get_verify_result(pair.server)];
    },
  },
  {
    name: 'a ticket of before has the old identity, one of after the new one',
    run(api) {
      const world = worldFor(api);
      const pair = world.connect();
      authenticate(world, pair);
      world.close(pair);
      return range(4).map((index) => {
        const again = world.connect({ session: world.sessions[index]! });
        const log = [api.SSL_session_reused(again.server), shown(api, again)];
        world.close(again);
        return log;
      });
    },
  },
  {
    name: 'one ticket after a resumption and a request, whatever the number',
    run(api) {
      const world = worldFor(api);
      world.close(world.connect());
      const pair = world.connect({
        session: world.sessions[0]!,
        prepare: ({ server }) => api.SSL_set_num_tickets(server, 5),
      });
      return [api.SSL_session_reused(pair.server), authenticate(world, pair)];
    },
  },
  {
    name: 'refused: before the handshake, by a client, to a client that does not offer it, and twice at once',
    run(api) {
      const world = worldFor(api);
      const early = world.pair();
      const log = [ask(api, early), ask(api, { server: early.client, client: early.server })];
      const pair = world.connect();
      log.push(ask(api, { server: pair.client, client: pair.server }));
      log.push(
        ask(api, pair),
        ask(api, pair),
        outcome(api, pair.server, () => api.SSL_do_handshake(pair.server)),
      );
      log.push(ask(api, pair));
      const silent = worldFor(api, { offers: false });
      return [...log, ask(api, silent.connect())];
    },
  },
  {
    name: 'refused: while a ticket is queued, and in the middle of the handshake',
    run(api) {
      const world = worldFor(api);
      const pair = world.connect();
      const log: unknown[] = [api.SSL_new_session_ticket(pair.server), ask(api, pair)];
      log.push(
        outcome(api, pair.server, () => api.SSL_do_handshake(pair.server)),
        ask(api, pair),
      );
      const half = world.pair();
      api.SSL_do_handshake(half.client);
      api.SSL_do_handshake(half.server);
      return [...log, ask(api, half)];
    },
  },
  {
    name: 'refused: without SSL_VERIFY_PEER, until it is set',
    run(api) {
      const log: unknown[] = [];
      for (const mode of [SSL_VERIFY_NONE, SSL_VERIFY_POST_HANDSHAKE]) {
        const world = worldFor(api, { mode });
        const pair = world.connect();
        log.push(ask(api, pair), ask(api, pair), api.SSL_in_init(pair.server));
        api.SSL_set_verify(pair.server, SSL_VERIFY_PEER, null);
        log.push(authenticate(world, pair), shown(api, pair));
      }
      return log;
    },
  },
  {
    name: 'a client that may be asked once',
    run(api) {
      const world = worldFor(api, { mode: LATER | SSL_VERIFY_CLIENT_ONCE });
      const pair = world.connect();
      return [authenticate(world, pair), authenticate(world, pair)];
    },
  },
  {
    name: 'a client that was asked in the handshake, and may be asked once',
    run(api) {
      const world = worldFor(api, { mode: SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE });
      const pair = world.connect();
      const log = [shown(api, pair), ask(api, pair)];
      api.SSL_set_verify(pair.server, SSL_VERIFY_PEER, null);
      return [...log, authenticate(world, pair), shown(api, pair)];
    },
  },
  {
    name: 'the request goes out with a write, and with a read',
    run(api) {
      const world = worldFor(api);
      const pair = world.connect();
      const log: unknown[] = [
        ask(api, pair),
        api.SSL_in_init(pair.server),
        world.deliver(pair.server, pair.client, 'after'),
      ];
      log.push(api.SSL_in_init(pair.server), world.readNothing(pair.server), world.readNothing(pair.client));
      log.push(ask(api, pair), world.readNothing(pair.server), world.readNothing(pair.client));
      log.push(world.readNothing(pair.server), world.readNothing(pair.client), shown(api, pair));
      return [...log, world.sessions.length];
    },
  },
  {
    name: 'data of both sides around a request, and a close while it is queued',
    run(api) {
      const world = worldFor(api);
      const pair = world.connect();
      const log: unknown[] = [ask(api, pair), outcome(api, pair.server, () => api.SSL_shutdown(pair.server))];
      log.push(outcome(api, pair.server, () => api.SSL_do_handshake(pair.server)));
      log.push(world.deliver(pair.client, pair.server, 'before the answer'));
      log.push(world.deliver(pair.server, pair.client, 'behind the request'));
      log.push(
        world.deliver(pair.client, pair.server, 'behind the answer'),
        shown(api, pair),
        world.readNothing(pair.client),
      );
      return [...log, world.sessions.length];
    },
  },
  {
    name: 'a verify callback decides about a certificate shown later',
    run(api) {
      const log: unknown[] = [];
      for (const verdict of [1, 0]) {
        const world = worldFor(api, { trusted: false });
        const asked: unknown[] = [];
        const pair = world.connect({
          prepare: ({ server }) =>
            api.SSL_set_verify(server, LATER, (ok, store) => {
              asked.push([ok, api.X509_STORE_CTX_get_error(store)]);
              return verdict;
            }),
        });
        log.push(authenticate(world, pair), api.SSL_get_verify_result(pair.server), asked[0]);
      }
      return log;
    },
  },
  {
    name: 'without a session id context no new tickets follow',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_verify(world.serverCtx, LATER, null);
      trust(api, world.serverCtx, identity);
      api.SSL_CTX_set_post_handshake_auth(world.clientCtx, 1);
      const pair = world.connect();
      return [world.sessions.length, authenticate(world, pair), world.generated];
    },
    differs: {
      row: 'no session id context',
      ours: [0, { log: [1, 1, [-1, 'WANT_READ'], [-1, 'WANT_READ'], [-1, 'WANT_READ']], tickets: 0 }, 0],
      libssl: [[2, { log: [1, 1, [-1, 'WANT_READ'], [-1, 'WANT_READ'], [-1, 'WANT_READ']], tickets: 2 }, 0]],
    },
  },
];
