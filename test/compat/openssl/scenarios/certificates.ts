/** Certificates: asked for, judged, missing. */
import { SSL_VERIFY_FAIL_IF_NO_PEER_CERT, SSL_VERIFY_NONE, SSL_VERIFY_PEER } from '../../../../src/openssl/index.ts';
import { identity, must, type Scenario, trust, useIdentity, World } from '../scenario.ts';

export const certificates: readonly Scenario[] = [
  {
    name: 'a client certificate that is asked for and not there',
    run(api) {
      const log: unknown[] = [];
      for (const mode of [SSL_VERIFY_PEER, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT]) {
        const world = new World(api);
        api.SSL_CTX_set_session_id_context(world.serverCtx, Buffer.from('app'));
        api.SSL_CTX_set_verify(world.serverCtx, mode, null);
        const pair = world.pair();
        log.push(world.finish(pair).server, world.sessions.length);
      }
      return log;
    },
  },
  {
    name: 'a client certificate, and what a resumption knows of it',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_session_id_context(world.serverCtx, Buffer.from('app'));
      api.SSL_CTX_set_verify(world.serverCtx, SSL_VERIFY_PEER, null);
      trust(api, world.serverCtx, identity);
      useIdentity(api, world.clientCtx, identity);
      const full = world.connect();
      world.close(full);
      const next = world.connect({ session: world.sessions[0]! });
      return [full, next].map(({ server }) => [
        api.SSL_session_reused(server),
        api.SSL_get_verify_result(server),
        api.SSL_SESSION_get0_peer(must(api.SSL_get_session(server))) !== null,
      ]);
    },
  },
  {
    name: 'a server certificate that is not trusted, by the mode of verification',
    run(api) {
      const log: unknown[] = [];
      for (const mode of [SSL_VERIFY_NONE, SSL_VERIFY_PEER]) {
        const world = new World(api);
        api.SSL_CTX_set_verify(world.clientCtx, mode, null);
        const pair = world.pair();
        log.push(world.finish(pair), api.SSL_get_verify_result(pair.client));
      }
      return log;
    },
  },
  {
    name: 'a verify callback overrules',
    run(api) {
      const world = new World(api);
      const seen: unknown[] = [];
      api.SSL_CTX_set_verify(world.clientCtx, SSL_VERIFY_PEER, (ok, storeCtx) => {
        seen.push(ok, api.X509_STORE_CTX_get_error(storeCtx));
        return 1;
      });
      const { client } = world.connect();
      return [api.SSL_is_init_finished(client), seen.slice(0, 2), api.SSL_get_verify_result(client)];
    },
  },
  {
    name: 'a server without a certificate',
    run(api) {
      const world = new World(api);
      const pair = world.pair(0, must(api.SSL_CTX_new(api.TLS_server_method())));
      return [world.finish(pair)];
    },
    differs: {
      row: 'a server without a certificate says that it lacks the protocol version',
      ours: [{ server: [-1, 'SSL', 'no suitable signature algorithm'], client: [-1, 'SSL', 'alert 40'] }],
      libssl: [[{ server: [-1, 'SSL', 'unsupported protocol'], client: [-1, 'SSL', 'alert 70'] }]],
    },
  },
];
