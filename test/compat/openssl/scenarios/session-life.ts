/** What is in a session, and what spoils it. */
import { SSL_OP_NO_TICKET } from '../../../../src/openssl/index.ts';
import { countRemoved, must, reason, type Scenario, World } from '../scenario.ts';

export const sessionLife: readonly Scenario[] = [
  {
    name: 'freed without close_notify: the last session of the client is spoilt',
    run(api) {
      const world = new World(api);
      const { client } = world.connect({ prepare: ({ server }) => api.SSL_set_num_tickets(server, 3) });
      api.SSL_free(client);
      return world.sessions.map((session) => api.SSL_SESSION_is_resumable(session));
    },
  },
  {
    name: 'freed without close_notify: the last id of the server is spoilt',
    run(api) {
      const world = new World(api);
      const removed = countRemoved(api, world.serverCtx);
      api.SSL_CTX_set_options(world.serverCtx, SSL_OP_NO_TICKET);
      const pair = world.connect({ prepare: ({ server }) => api.SSL_set_num_tickets(server, 3) });
      api.SSL_shutdown(pair.client);
      api.SSL_free(pair.server);
      const left = [api.SSL_CTX_sess_number(world.serverCtx), removed.count];
      return [left, ...world.sessions.slice().map((session) => world.resume(session))];
    },
  },
  {
    name: 'freed after close_notify nothing is spoilt',
    run(api) {
      const world = new World(api);
      const pair = world.connect();
      world.close(pair);
      api.SSL_free(pair.client);
      api.SSL_free(pair.server);
      return world.sessions.map((session) => api.SSL_SESSION_is_resumable(session));
    },
  },
  {
    name: 'SSL_set_session in place of a session that is spoilt by it',
    run(api) {
      const world = new World(api);
      const { client } = world.connect();
      const last = world.sessions[1]!;
      const set = api.SSL_set_session(client, null);
      return [set, api.SSL_SESSION_is_resumable(world.sessions[0]!), api.SSL_SESSION_is_resumable(last)];
    },
  },
  {
    name: 'the session of a client before and after its first ticket',
    run(api) {
      const world = new World(api);
      const { server, client } = world.pair();
      const log: unknown[] = [api.SSL_get_session(client)];
      for (let i = 0; i < 3; i++) {
        api.SSL_do_handshake(client);
        api.SSL_do_handshake(server);
      }
      const before = must(api.SSL_get_session(client));
      log.push(api.SSL_SESSION_is_resumable(before), api.SSL_SESSION_has_ticket(before));
      log.push(api.SSL_SESSION_get_id(before)!.length);
      const ofServer = must(api.SSL_get_session(server));
      log.push(api.SSL_SESSION_is_resumable(ofServer), api.SSL_SESSION_get_id(ofServer)!.length);
      world.readNothing(client);
      const after = must(api.SSL_get_session(client));
      log.push(after === world.sessions[1], api.SSL_SESSION_is_resumable(after), api.SSL_SESSION_has_ticket(after));
      log.push(api.SSL_SESSION_get_id(after)!.length, api.SSL_SESSION_get_protocol_version(after));
      return log;
    },
  },
  {
    name: 'what can be read from sessions, and set in them',
    run(api) {
      const world = new World(api);
      const { server } = world.connect();
      const now = Math.floor(Date.now() / 1000);
      return [world.sessions[0]!, must(api.SSL_get_session(server))].map((session) => [
        Math.abs(api.SSL_SESSION_get_time(session) - now) <= 2,
        api.SSL_SESSION_get_timeout(session),
        api.SSL_SESSION_get_ticket_lifetime_hint(session) === 0,
        api.SSL_SESSION_get_max_early_data(session),
        api.SSL_SESSION_get_compress_id(session),
        api.SSL_CIPHER_get_name(api.SSL_SESSION_get0_cipher(session)),
        api.SSL_SESSION_get_protocol_version(session),
        api.SSL_SESSION_get0_hostname(session),
        api.SSL_SESSION_get0_alpn_selected(session),
        api.SSL_SESSION_get0_ticket_appdata(session)?.length,
        api.SSL_SESSION_set_timeout(session, 77),
        api.SSL_SESSION_get_timeout(session),
        api.SSL_SESSION_set_time(session, now - 5) === now - 5,
        api.SSL_SESSION_get_time(session) === now - 5,
        api.SSL_SESSION_set_max_early_data(session, 1_234),
        api.SSL_SESSION_get_max_early_data(session),
        api.SSL_SESSION_set1_hostname(session, 'other'),
        api.SSL_SESSION_get0_hostname(session),
        api.SSL_SESSION_set1_alpn_selected(session, Buffer.from('h2')),
        Buffer.from(api.SSL_SESSION_get0_alpn_selected(session) ?? []).toString(),
        api.SSL_SESSION_set1_id(session, Buffer.alloc(8, 1)),
        api.SSL_SESSION_get_id(session)!.length,
        api.SSL_SESSION_set1_id_context(session, Buffer.alloc(32, 1)),
        api.SSL_SESSION_set1_id_context(session, Buffer.alloc(33, 1)),
        reason(api),
        api.SSL_SESSION_set1_id(session, Buffer.alloc(33, 1)),
        reason(api),
      ]);
    },
  },
  {
    name: 'the server name in sessions, without a servername callback',
    run(api) {
      const world = new World(api);
      const { server } = world.connect({ prepare: ({ client }) => api.SSL_set_tlsext_host_name(client, 'localhost') });
      const session = must(api.SSL_get_session(server));
      return [api.SSL_SESSION_get0_hostname(session), api.SSL_SESSION_get0_hostname(world.sessions[0]!)];
    },
    differs: {
      row: 'a session has no server name unless a servername callback',
      ours: ['localhost', 'localhost'],
      libssl: [[null, null]],
    },
  },
  {
    name: 'NULL sessions',
    run(api) {
      return [
        api.SSL_SESSION_get_time(null),
        api.SSL_SESSION_get_timeout(null),
        api.SSL_SESSION_set_time(null, 1),
        api.SSL_SESSION_set_timeout(null, 1),
      ];
    },
  },
  {
    name: 'SSL_SESSION_dup is another session that resumes as well',
    run(api) {
      const world = new World(api);
      world.close(world.connect());
      const session = world.sessions[0]!;
      const copy = must(api.SSL_SESSION_dup(session));
      const same = Buffer.from(api.SSL_SESSION_get_id(copy)!).equals(api.SSL_SESSION_get_id(session)!);
      return [copy === session, same, world.resume(session), world.resume(copy)];
    },
  },
  {
    name: 'a session set back in time is not offered',
    run(api) {
      const world = new World(api);
      world.close(world.connect());
      api.SSL_SESSION_set_time(world.sessions[0]!, Math.floor(Date.now() / 1000) - 10_000);
      return [world.resume(world.sessions[0])];
    },
  },
  {
    name: 'a cached session whose timeout was shortened is not found',
    run(api) {
      const world = new World(api, { count: false });
      api.SSL_CTX_set_options(world.serverCtx, SSL_OP_NO_TICKET);
      api.SSL_CTX_sess_set_new_cb(world.serverCtx, (_ssl, session) => {
        api.SSL_SESSION_set_time(session, Math.floor(Date.now() / 1000) - 100);
        api.SSL_SESSION_set_timeout(session, 50);
        return 0;
      });
      world.close(world.connect());
      return [world.resume(world.sessions[0]), api.SSL_CTX_sess_timeouts(world.serverCtx)];
    },
  },
];
