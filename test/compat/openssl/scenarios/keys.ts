/** Ticket keys, and the callbacks that give keys, look into tickets and decide about them. */
import {
  SSL_OP_NO_TICKET,
  SSL_SESS_CACHE_OFF,
  SSL_TICKET_NO_DECRYPT,
  SSL_TICKET_RETURN_ABORT,
  SSL_TICKET_RETURN_IGNORE,
  SSL_TICKET_RETURN_IGNORE_RENEW,
  SSL_TICKET_RETURN_USE,
  SSL_TICKET_RETURN_USE_RENEW,
} from '../../../../src/openssl/index.ts';
import { type Api, type Ctx, must, reason, type Scenario, type Session, serverContext, World } from '../scenario.ts';

const NAME = Buffer.from('a ticket key 001');
const AES_KEY = Buffer.from('0123456789abcdefghijklmnopqrstuv');
const MAC_KEY = Buffer.from('vutsrqponmlkjihgfedcba9876543210');
/** 80 bytes that could be random. */
const KEYS = Buffer.from(Array.from({ length: 80 }, (_, index) => (index * 73 + 41) % 251));

/** A key callback with one key, whose answers the program chooses. */
function useKey(api: Api, ctx: Ctx, answers: { seal: number; open: number }): { calls: string[] } {
  const log: { calls: string[] } = { calls: [] };
  api.SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, (_ssl, keyName, iv, cipherCtx, macCtx, enc) => {
    log.calls.push(enc === 1 ? 'seal' : `open ${Buffer.from(keyName).equals(NAME)}`);
    if (enc === 1) {
      keyName.set(NAME);
      iv.set(Buffer.alloc(16, log.calls.length));
    }
    const done = [
      api.EVP_CipherInit_ex(cipherCtx, api.EVP_aes_256_cbc(), null, AES_KEY, iv, enc),
      api.EVP_MAC_CTX_set_params(macCtx, { key: MAC_KEY, digest: 'SHA256' }),
    ];
    if (done.some((one) => one !== 1)) log.calls.push('failed');
    return enc === 1 ? answers.seal : answers.open;
  });
  return log;
}

/** A first connection with `answers`, then a resumption. */
function withKey(name: string, seal: number, open: number): Scenario {
  return {
    name,
    run(api) {
      const world = new World(api);
      const log = useKey(api, world.serverCtx, { seal, open });
      const pair = world.pair();
      const ends = world.finish(pair);
      world.close(pair);
      const [first] = world.sessions;
      const next = first ? resumption(world, first) : null;
      return [ends.server, world.sessions.length, world.generated, next, log.calls];
    },
  };
}

/** As `World.resume`, also where the handshake fails. */
function resumption(world: World, session: Session): unknown {
  const { api } = world;
  const pair = world.pair();
  api.SSL_set_session(pair.client, session);
  const before = world.sessions.length;
  const ends = world.finish(pair);
  return [ends, api.SSL_session_reused(pair.server), world.sessions.length - before];
}

const RETURNS: readonly [string, number][] = [
  ['ABORT', SSL_TICKET_RETURN_ABORT],
  ['IGNORE', SSL_TICKET_RETURN_IGNORE],
  ['IGNORE_RENEW', SSL_TICKET_RETURN_IGNORE_RENEW],
  ['USE', SSL_TICKET_RETURN_USE],
  ['USE_RENEW', SSL_TICKET_RETURN_USE_RENEW],
  ['99', 99],
];

export const keys: readonly Scenario[] = [
  withKey('a key callback that answers 1 and 1', 1, 1),
  withKey('a key callback that answers 1 and 2', 1, 2),
  withKey('a key callback that answers 1 and 0', 1, 0),
  withKey('a key callback that answers 1 and -1', 1, -1),
  withKey('a key callback that answers 0: no tickets', 0, 1),
  withKey('a key callback that answers -1 when it should seal', -1, 1),
  withKey('a key callback that answers 3 and 3', 3, 3),
  {
    name: 'a key callback for ids of cached sessions',
    run(api) {
      const world = new World(api);
      const log = useKey(api, world.serverCtx, { seal: 1, open: 1 });
      api.SSL_CTX_set_options(world.serverCtx, SSL_OP_NO_TICKET);
      world.close(world.connect());
      return [world.resume(world.sessions[0]), log.calls];
    },
  },
  {
    name: 'a ticket starts with the name and IV that the key callback wrote',
    run(api) {
      const world = new World(api);
      useKey(api, world.serverCtx, { seal: 1, open: 1 });
      world.connect();
      const ticket = Buffer.from(must(api.SSL_SESSION_get0_ticket(world.sessions[0]!)));
      return [ticket.subarray(0, 16).toString(), [...ticket.subarray(16, 32)], ticket.length % 16];
    },
  },
  {
    name: 'a key callback with a key that is gone: the number of tickets again',
    run(api) {
      const world = new World(api);
      const answers = { seal: 1, open: 1 };
      useKey(api, world.serverCtx, answers);
      world.close(world.connect());
      answers.open = 0;
      api.SSL_CTX_set_num_tickets(world.serverCtx, 3);
      return [world.resume(world.sessions[0])];
    },
  },
  {
    name: 'a key callback that is taken away',
    run(api) {
      const world = new World(api);
      useKey(api, world.serverCtx, { seal: 1, open: 1 });
      world.close(world.connect());
      api.SSL_CTX_set_tlsext_ticket_key_evp_cb(world.serverCtx, null);
      return [world.resume(world.sessions[0])];
    },
  },
  {
    name: 'SSL_CTX_set_tlsext_ticket_keys: lengths, and what is read back',
    run(api) {
      const { serverCtx } = new World(api);
      const log: unknown[] = [api.SSL_CTX_set_tlsext_ticket_keys(serverCtx, null)];
      log.push(api.SSL_CTX_set_tlsext_ticket_keys(serverCtx, KEYS.subarray(1)), reason(api));
      log.push(api.SSL_CTX_get_tlsext_ticket_keys(serverCtx)!.length);
      log.push(api.SSL_CTX_set_tlsext_ticket_keys(serverCtx, KEYS));
      log.push(Buffer.from(api.SSL_CTX_get_tlsext_ticket_keys(serverCtx)!).equals(KEYS));
      return log;
    },
  },
  {
    name: 'SSL_CTX_set_tlsext_ticket_keys: two contexts with the same keys',
    run(api) {
      const world = new World(api);
      const other = serverContext(api);
      for (const ctx of [world.serverCtx, other]) api.SSL_CTX_set_tlsext_ticket_keys(ctx, KEYS);
      world.close(world.connect());
      const pair = world.pair(0, other);
      api.SSL_set_session(pair.client, world.sessions[0]!);
      const received = world.received(() => world.finish(pair));
      return [api.SSL_session_reused(pair.server), received];
    },
  },
  {
    name: 'SSL_CTX_get_tlsext_ticket_keys: the keys of one context set in another',
    run(api) {
      const world = new World(api);
      const other = serverContext(api);
      world.close(world.connect());
      api.SSL_CTX_set_tlsext_ticket_keys(other, must(api.SSL_CTX_get_tlsext_ticket_keys(world.serverCtx)));
      const old = world.resume(world.sessions[0]);
      const pair = world.pair(0, other);
      api.SSL_set_session(pair.client, world.sessions.at(-1)!);
      world.finish(pair);
      return [old, api.SSL_session_reused(pair.server)];
    },
  },
  {
    name: 'new ticket keys: old tickets are unknown',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_num_tickets(world.serverCtx, 3);
      world.close(world.connect());
      api.SSL_CTX_set_tlsext_ticket_keys(world.serverCtx, KEYS);
      return [world.resume(world.sessions[0])];
    },
  },
  {
    name: 'ticket keys that are all zero',
    run(api) {
      return [api.SSL_CTX_set_tlsext_ticket_keys(new World(api).serverCtx, Buffer.alloc(80)), reason(api)];
    },
    differs: { row: 'any 80 bytes are ticket keys', ours: [0, 'passed invalid argument'], libssl: [[1, null]] },
  },
  {
    name: 'a ticket of another context',
    run(api) {
      const world = new World(api);
      world.close(world.connect());
      const pair = world.pair(0, serverContext(api));
      api.SSL_set_session(pair.client, world.sessions[0]!);
      const received = world.received(() => world.finish(pair));
      return [api.SSL_session_reused(pair.server), received];
    },
  },
  ...RETURNS.map(
    ([name, answer]): Scenario => ({
      name: `the decrypt callback answers ${name} about a good ticket`,
      run(api) {
        const world = new World(api);
        const statuses: unknown[] = [];
        api.SSL_CTX_set_session_ticket_cb(
          world.serverCtx,
          () => 1,
          (_ssl, session, keyName, status) => {
            statuses.push([session !== null, keyName.length, status]);
            return answer;
          },
        );
        world.close(world.connect());
        return [resumption(world, world.sessions[0]!), statuses];
      },
    }),
  ),
  ...RETURNS.map(
    ([name, answer]): Scenario => ({
      name: `the decrypt callback answers ${name} about an unknown ticket`,
      run(api) {
        const world = new World(api);
        const statuses: unknown[] = [];
        world.close(world.connect());
        api.SSL_CTX_set_tlsext_ticket_keys(world.serverCtx, KEYS);
        api.SSL_CTX_set_session_ticket_cb(
          world.serverCtx,
          () => 1,
          (_ssl, session, _keyName, status) => {
            statuses.push([session !== null, status === SSL_TICKET_NO_DECRYPT]);
            return answer;
          },
        );
        return [resumption(world, world.sessions[0]!), statuses];
      },
    }),
  ),
  {
    name: 'the decrypt callback hears what a key callback answered',
    run(api) {
      const world = new World(api);
      const answers = { seal: 1, open: 1 };
      useKey(api, world.serverCtx, answers);
      const statuses: number[] = [];
      api.SSL_CTX_set_session_ticket_cb(
        world.serverCtx,
        () => 1,
        (_ssl, _session, _keyName, status) => {
          statuses.push(status);
          return status === SSL_TICKET_NO_DECRYPT ? SSL_TICKET_RETURN_IGNORE_RENEW : SSL_TICKET_RETURN_USE_RENEW;
        },
      );
      world.close(world.connect());
      const [one, two] = world.sessions;
      const log: unknown[] = [world.resume(one)];
      answers.open = 2;
      log.push(world.resume(two));
      answers.open = 0;
      log.push(world.resume(world.sessions.at(-1)), statuses);
      return log;
    },
  },
  {
    name: 'the decrypt callback and ids of cached sessions',
    run(api) {
      const world = new World(api);
      let generated = 0;
      let asked = 0;
      api.SSL_CTX_set_options(world.serverCtx, SSL_OP_NO_TICKET);
      api.SSL_CTX_set_session_ticket_cb(
        world.serverCtx,
        () => ++generated && 1,
        () => ++asked && SSL_TICKET_RETURN_USE,
      );
      world.close(world.connect());
      return [world.resume(world.sessions[0]), generated, asked];
    },
  },
  {
    name: 'the generate callback ends the connection',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_session_ticket_cb(world.serverCtx, () => 0, null);
      const pair = world.pair();
      const ends = world.finish(pair);
      return [ends.server, world.sessions.length, world.generated];
    },
  },
  {
    name: 'the generate callback ends the connection at a requested ticket',
    run(api) {
      const world = new World(api);
      const pair = world.connect();
      api.SSL_CTX_set_session_ticket_cb(world.serverCtx, () => 0, null);
      api.SSL_new_session_ticket(pair.server);
      const ret = api.SSL_do_handshake(pair.server);
      return [ret, api.SSL_get_error(pair.server, ret), reason(api), world.readNothing(pair.client)];
    },
  },
  {
    name: 'application data in a ticket comes back, and goes into the next one',
    run(api) {
      const world = new World(api);
      const seen: unknown[] = [];
      let put = true;
      api.SSL_CTX_set_session_ticket_cb(
        world.serverCtx,
        (ssl) => {
          const session = must(api.SSL_get_session(ssl));
          if (put) api.SSL_SESSION_set1_ticket_appdata(session, Buffer.from('for the ticket'));
          return 1;
        },
        (_ssl, session) => {
          const data = session && api.SSL_SESSION_get0_ticket_appdata(session);
          seen.push(data && Buffer.from(data).toString());
          return SSL_TICKET_RETURN_USE_RENEW;
        },
      );
      const pair = world.connect();
      world.close(pair);
      put = false;
      const log: unknown[] = [world.resume(world.sessions[0])];
      log.push(world.resume(world.sessions.at(-1)), seen);
      log.push(api.SSL_SESSION_get0_ticket_appdata(world.sessions[0]!)?.length);
      const last = world.connect({ session: world.sessions[1]! });
      const data = api.SSL_SESSION_get0_ticket_appdata(must(api.SSL_get_session(last.server)));
      log.push(Buffer.from(data!).toString());
      return log;
    },
  },
  {
    name: 'a different number in each ticket',
    run(api) {
      const world = new World(api);
      let next = 0;
      const seen: unknown[] = [];
      api.SSL_CTX_set_session_ticket_cb(
        world.serverCtx,
        (ssl) => api.SSL_SESSION_set1_ticket_appdata(must(api.SSL_get_session(ssl)), Buffer.from([next++])),
        (_ssl, session) => {
          seen.push(session && [...api.SSL_SESSION_get0_ticket_appdata(session)!]);
          return SSL_TICKET_RETURN_USE;
        },
      );
      world.close(world.connect({ prepare: ({ server }) => api.SSL_set_num_tickets(server, 3) }));
      for (const session of world.sessions.slice()) world.resume(session);
      return [seen, next];
    },
  },
  {
    name: 'the order of the callbacks around tickets',
    run(api) {
      const world = new World(api, { count: false });
      const calls: string[] = [];
      const log = useKey(api, world.serverCtx, { seal: 1, open: 2 });
      api.SSL_CTX_set_session_ticket_cb(
        world.serverCtx,
        () => {
          calls.push(`generate ${log.calls.length}`);
          return 1;
        },
        () => {
          calls.push(`decrypt ${log.calls.length}`);
          return SSL_TICKET_RETURN_USE_RENEW;
        },
      );
      api.SSL_CTX_sess_set_new_cb(world.serverCtx, () => {
        calls.push(`new ${log.calls.length}`);
        return 0;
      });
      world.close(world.connect());
      world.resume(world.sessions[0]);
      return calls;
    },
  },
  {
    name: 'sealed tickets with the server cache off',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_session_cache_mode(world.serverCtx, SSL_SESS_CACHE_OFF);
      world.close(world.connect());
      return [world.generated, world.sessions.length, world.resume(world.sessions[0])];
    },
  },
  {
    name: 'a not-resumable session: no tickets, and no session',
    run(api) {
      const world = new World(api);
      const asked: number[] = [];
      api.SSL_CTX_set_not_resumable_session_callback(world.serverCtx, (_ssl, forwardSecure) => {
        asked.push(forwardSecure);
        return 1;
      });
      const { server } = world.connect();
      return [asked, world.sessions.length, world.generated, api.SSL_SESSION_is_resumable(api.SSL_get_session(server))];
    },
  },
  {
    name: 'a not-resumable session callback that answers 0, and a resumption',
    run(api) {
      const world = new World(api);
      let asked = 0;
      api.SSL_CTX_set_not_resumable_session_callback(world.serverCtx, () => {
        asked++;
        return 0;
      });
      world.close(world.connect());
      return [world.sessions.length, world.resume(world.sessions[0]), asked];
    },
  },
  {
    name: 'a request on a not-resumable session',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_not_resumable_session_callback(world.serverCtx, () => 1);
      const { server, client } = world.connect();
      api.SSL_new_session_ticket(server);
      api.SSL_do_handshake(server);
      return [world.received(() => world.readNothing(client)), world.generated];
    },
    differs: { row: 'a request on a session that is not to be resumed', ours: [1, 1], libssl: [[2, 1]] },
  },
];
