/** External PSKs. */
import { SSL_VERIFY_FAIL_IF_NO_PEER_CERT, SSL_VERIFY_PEER } from '../../../../src/openssl/index.ts';
import { type Api, must, outcome, type Pair, range, type Scenario, type Session, World } from '../scenario.ts';

const AES_128_SHA256: Uint8Array = Uint8Array.of(0x13, 0x01);
const AES_256_SHA384: Uint8Array = Uint8Array.of(0x13, 0x02);
const KEY: Uint8Array = Buffer.alloc(32, 0x6b);

function pskSession(api: Api, ctx: Parameters<Api['SSL_new']>[0], suite = AES_256_SHA384, key = KEY): Session {
  const session = must(api.SSL_SESSION_new());
  const cipher = api.SSL_CIPHER_find(must(api.SSL_new(ctx)), suite);
  api.SSL_SESSION_set1_master_key(session, key);
  api.SSL_SESSION_set_cipher(session, cipher);
  api.SSL_SESSION_set_protocol_version(session, 0x0304);
  return session;
}

interface Sides {
  readonly clientSuite?: Uint8Array;
  readonly serverSuite?: Uint8Array;
  readonly clientKey?: Uint8Array;
  /** What the server knows. */
  readonly identity?: string;
}

/** Both sides have a key; the client calls it "me". `log`: what the server was asked. */
function worldFor(api: Api, log: unknown[], sides: Sides = {}): World {
  const world = new World(api);
  const { clientSuite, serverSuite, clientKey, identity = 'me' } = sides;
  api.SSL_CTX_set_psk_use_session_callback(world.clientCtx, (_ssl, md) => {
    log.push(['use', md === null]);
    return { id: Buffer.from('me'), sess: pskSession(api, world.clientCtx, clientSuite, clientKey) };
  });
  api.SSL_CTX_set_psk_find_session_callback(world.serverCtx, (_ssl, offered) => {
    const name = Buffer.from(offered).toString('latin1');
    log.push(['find', name.length > 10 ? 'a ticket' : name]);
    return name === identity ? pskSession(api, world.serverCtx, serverSuite) : null;
  });
  return world;
}

function look(world: World, pair: Pair): unknown {
  const { api } = world;
  const { server, client } = pair;
  return {
    reused: [api.SSL_session_reused(server), api.SSL_session_reused(client)],
    suite: api.SSL_CIPHER_get_name(api.SSL_get_current_cipher(server)),
    certificate: api.SSL_get1_peer_certificate(client) !== null,
    tickets: world.sessions.length,
    data: [world.deliver(client, server, 'up'), world.deliver(server, client, 'down')],
  };
}

export const psk: readonly Scenario[] = [
  {
    name: 'an external PSK in place of a certificate',
    run(api) {
      const log: unknown[] = [];
      const world = worldFor(api, log);
      return [look(world, world.connect()), log];
    },
  },
  {
    name: 'an external PSK for SHA-256',
    run(api) {
      const log: unknown[] = [];
      const world = worldFor(api, log, { clientSuite: AES_128_SHA256, serverSuite: AES_128_SHA256 });
      for (const ctx of [world.serverCtx, world.clientCtx]) api.SSL_CTX_set_ciphersuites(ctx, 'TLS_AES_128_GCM_SHA256');
      return [look(world, world.connect()), log];
    },
  },
  {
    name: 'an external PSK for SHA-256, where both sides prefer a suite with SHA-384',
    run(api) {
      const world = worldFor(api, [], { clientSuite: AES_128_SHA256, serverSuite: AES_128_SHA256 });
      const { server } = world.connect();
      return [api.SSL_session_reused(server)];
    },
    differs: { row: 'an external PSK of the other hash', ours: [1], libssl: [[0]] },
  },
  {
    name: 'an identity that the server does not know leads to a certificate',
    run(api) {
      const log: unknown[] = [];
      const world = worldFor(api, log, { identity: 'another' });
      return [look(world, world.connect()), log];
    },
  },
  {
    name: 'another key under the same identity ends the handshake',
    run(api) {
      const world = worldFor(api, [], { clientKey: Buffer.alloc(32, 0x6c) });
      const pair = world.pair();
      api.SSL_connect(pair.client);
      return [outcome(api, pair.server, () => api.SSL_accept(pair.server))];
    },
  },
  ...range(4).map(
    (count): Scenario => ({
      name: `one ticket at most after an external PSK, of the number ${count}, which resumes`,
      run(api) {
        const log: unknown[] = [];
        const world = worldFor(api, log);
        api.SSL_CTX_set_num_tickets(world.serverCtx, count);
        const pair = world.connect();
        const first = look(world, pair);
        world.close(pair);
        if (count === 0) return [first, log];
        return [first, world.resume(world.sessions[0]), log];
      },
    }),
  ),
  {
    name: 'a session of the program as it is filled in',
    run(api) {
      const session = must(api.SSL_SESSION_new());
      const ssl = must(api.SSL_new(new World(api).clientCtx));
      const log: unknown[] = [api.SSL_SESSION_get_protocol_version(session), api.SSL_SESSION_is_resumable(session)];
      log.push(api.SSL_SESSION_get_timeout(session), api.SSL_SESSION_has_ticket(session));
      log.push(
        api.SSL_SESSION_set1_master_key(session, Buffer.alloc(512)),
        api.SSL_SESSION_set1_master_key(session, Buffer.alloc(513)),
      );
      log.push(api.SSL_SESSION_set_cipher(session, api.SSL_CIPHER_find(ssl, AES_128_SHA256)));
      log.push(api.SSL_SESSION_set_protocol_version(session, 0x0304), api.SSL_SESSION_get_protocol_version(session));
      return [...log, api.SSL_SESSION_is_resumable(session)];
    },
  },
  {
    name: 'a session without the right version is no PSK for a client',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_psk_use_session_callback(world.clientCtx, () => {
        const sess = pskSession(api, world.clientCtx);
        api.SSL_SESSION_set_protocol_version(sess, 0x0303);
        return { id: Buffer.from('me'), sess };
      });
      const { client } = world.pair();
      return [outcome(api, client, () => api.SSL_connect(client))];
    },
  },
  {
    name: 'a client that has no PSK this time',
    run(api) {
      const log: unknown[] = [];
      const world = worldFor(api, log);
      api.SSL_CTX_set_psk_use_session_callback(world.clientCtx, () => null);
      return [look(world, world.connect()), log];
    },
  },
  {
    name: 'a server that wants certificates lets in who has the PSK',
    run(api) {
      const world = worldFor(api, []);
      api.SSL_CTX_set_verify(world.serverCtx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, null);
      api.SSL_CTX_set_session_id_context(world.serverCtx, Buffer.from('psk'));
      return [look(world, world.connect())];
    },
  },
];
