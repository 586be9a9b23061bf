/** Names, protocols, certificates and suites, and who is asked about them. */
import {
  SSL_CB_HANDSHAKE_DONE,
  SSL_CB_HANDSHAKE_START,
  SSL_CB_READ_ALERT,
  SSL_CB_WRITE_ALERT,
  SSL_CLIENT_HELLO_ERROR,
  SSL_CLIENT_HELLO_RETRY,
  SSL_CLIENT_HELLO_SUCCESS,
  SSL_OP_NO_TICKET,
  SSL_TICKET_RETURN_USE_RENEW,
  SSL_TLSEXT_ERR_ALERT_FATAL,
  SSL_TLSEXT_ERR_NOACK,
  SSL_TLSEXT_ERR_OK,
  SSL_VERIFY_PEER,
} from '../../../../src/openssl/index.ts';
import {
  type Api,
  must,
  otherIdentity,
  outcome,
  type Pair,
  reason,
  type Scenario,
  serverContext,
  trust,
  World,
} from '../scenario.ts';

const text = (bytes: Uint8Array | null): string | null => bytes && Buffer.from(bytes).toString('latin1');
const sni =
  (api: Api, name: string): ((pair: Pair) => void) =>
  ({ client }) =>
    void api.SSL_set_tlsext_host_name(client, name);
const HTTP = Buffer.from('\x02h2\x08http/1.1');

/** A handshake in which the server's ALPN callback answers so. */
function alpn(name: string, ret: number, selected: string | null): Scenario {
  return {
    name: `the ALPN callback answers ${name}`,
    run(api) {
      const world = new World(api);
      const seen: unknown[] = [];
      api.SSL_CTX_set_alpn_select_cb(world.serverCtx, (_ssl, offered) => {
        seen.push(text(offered));
        return selected === null ? { ret } : { ret, selected: Buffer.from(selected) };
      });
      const set = api.SSL_CTX_set_alpn_protos(world.clientCtx, HTTP);
      const pair = world.pair();
      const ends = world.finish(pair);
      const chosen = [pair.server, pair.client].map((ssl) => text(api.SSL_get0_alpn_selected(ssl)));
      return [set, ends, chosen, seen];
    },
  };
}

export const negotiation: readonly Scenario[] = [
  alpn('OK', SSL_TLSEXT_ERR_OK, 'h2'),
  alpn('NOACK', SSL_TLSEXT_ERR_NOACK, null),
  alpn('ALERT_FATAL', SSL_TLSEXT_ERR_ALERT_FATAL, null),
  {
    name: 'ALPN on one side only',
    run(api) {
      const log: unknown[] = [];
      for (const side of ['server', 'client']) {
        const world = new World(api);
        let asked = 0;
        if (side === 'client') api.SSL_CTX_set_alpn_protos(world.clientCtx, HTTP);
        else
          api.SSL_CTX_set_alpn_select_cb(world.serverCtx, () => {
            asked++;
            return { ret: SSL_TLSEXT_ERR_ALERT_FATAL };
          });
        const { server } = world.connect();
        log.push(asked, api.SSL_get0_alpn_selected(server));
      }
      return log;
    },
  },
  {
    name: 'ALPN is chosen anew in a resumption',
    run(api) {
      const world = new World(api);
      let name = 'h2';
      api.SSL_CTX_set_alpn_protos(world.clientCtx, HTTP);
      api.SSL_CTX_set_alpn_select_cb(world.serverCtx, () => ({ ret: SSL_TLSEXT_ERR_OK, selected: Buffer.from(name) }));
      world.close(world.connect());
      const inSession = text(api.SSL_SESSION_get0_alpn_selected(world.sessions[0]!));
      name = 'http/1.1';
      const pair = world.connect({ session: world.sessions[0]! });
      return [inSession, api.SSL_session_reused(pair.server), text(api.SSL_get0_alpn_selected(pair.client))];
    },
  },
  {
    name: 'ALPN lists that are none',
    run(api) {
      const { clientCtx } = new World(api);
      return ['\x05h2', '\x02h2\x00', ''].map((list) => api.SSL_CTX_set_alpn_protos(clientCtx, Buffer.from(list)));
    },
  },
  ...(
    [
      ['OK', SSL_TLSEXT_ERR_OK],
      ['NOACK', SSL_TLSEXT_ERR_NOACK],
      ['ALERT_FATAL', SSL_TLSEXT_ERR_ALERT_FATAL],
    ] as const
  ).map(
    ([name, answer]): Scenario => ({
      name: `the servername callback answers ${name}`,
      run(api) {
        const world = new World(api);
        const names: unknown[] = [];
        api.SSL_CTX_set_tlsext_servername_callback(world.serverCtx, (ssl) => {
          names.push(api.SSL_get_servername(ssl, 0));
          return answer;
        });
        const pair = world.pair();
        sni(api, 'localhost')(pair);
        return [world.finish(pair), names];
      },
    }),
  ),
  {
    name: 'the servername callback without a server name',
    run(api) {
      const world = new World(api);
      const names: unknown[] = [];
      api.SSL_CTX_set_tlsext_servername_callback(world.serverCtx, (ssl) => {
        names.push(api.SSL_get_servername(ssl, 0));
        return SSL_TLSEXT_ERR_OK;
      });
      world.connect();
      return names;
    },
  },
  {
    name: 'the servername callback chooses another context',
    run(api) {
      const world = new World(api);
      const other = serverContext(api, otherIdentity);
      let otherNew = 0;
      api.SSL_CTX_set_num_tickets(other, 5);
      api.SSL_CTX_sess_set_new_cb(other, () => {
        otherNew++;
        return 0;
      });
      api.SSL_CTX_set_tlsext_servername_callback(world.serverCtx, (ssl) => {
        if (api.SSL_get_servername(ssl, 0) === 'other.example') api.SSL_set_SSL_CTX(ssl, other);
        return SSL_TLSEXT_ERR_OK;
      });
      trust(api, world.clientCtx, otherIdentity);
      api.SSL_CTX_set_verify(world.clientCtx, SSL_VERIFY_PEER, null);
      const pair = world.connect({ prepare: sni(api, 'other.example') });
      const log: unknown[] = [api.SSL_is_init_finished(pair.client), api.SSL_get_verify_result(pair.client)];
      log.push(api.SSL_get_SSL_CTX(pair.server) === other, world.sessions.length, world.generated, otherNew);
      world.close(pair);
      log.push(world.resume(world.sessions[0], sni(api, 'other.example')));
      return log;
    },
  },
  {
    name: 'a ticket of one name offered for another',
    run(api) {
      const world = new World(api);
      world.close(world.connect({ prepare: sni(api, 'one.example') }));
      return [world.resume(world.sessions[0], sni(api, 'two.example'))];
    },
    differs: {
      row: 'a ticket is good for any server name',
      ours: [{ reused: [0, 0], tickets: 2 }],
      libssl: [[{ reused: [1, 1], tickets: 1 }]],
    },
  },
  {
    name: 'SSL_OP_NO_TICKET set in the servername callback, which answers NOACK',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_tlsext_servername_callback(world.serverCtx, (ssl) => {
        api.SSL_set_options(ssl, SSL_OP_NO_TICKET);
        return SSL_TLSEXT_ERR_NOACK;
      });
      world.close(world.connect({ prepare: sni(api, 'localhost') }));
      return [world.sessions.length, api.SSL_SESSION_get0_ticket(world.sessions[0]!)?.length];
    },
  },
  {
    name: 'server names that are none',
    run(api) {
      const ssl = must(api.SSL_new(new World(api).clientCtx));
      const log: unknown[] = [null, 'a'.repeat(255), 'a'.repeat(256)].map((name) => [
        Number(api.SSL_set_tlsext_host_name(ssl, name)),
        api.SSL_get_servername(ssl, 0)?.length ?? null,
      ]);
      api.ERR_clear_error();
      return log;
    },
  },
  ...(
    [
      ['SUCCESS', SSL_CLIENT_HELLO_SUCCESS],
      ['ERROR', SSL_CLIENT_HELLO_ERROR],
    ] as const
  ).map(
    ([name, answer]): Scenario => ({
      name: `the ClientHello callback answers ${name}`,
      run(api) {
        const world = new World(api);
        const seen: unknown[] = [];
        api.SSL_CTX_set_client_hello_cb(world.serverCtx, (ssl) => {
          seen.push(api.SSL_client_hello_isv2(ssl), api.SSL_client_hello_get0_legacy_version(ssl));
          seen.push(api.SSL_client_hello_get0_random(ssl)?.length, api.SSL_client_hello_get0_session_id(ssl)?.length);
          seen.push([...(api.SSL_client_hello_get0_compression_methods(ssl) ?? [])]);
          const name = api.SSL_client_hello_get0_ext(ssl, 0);
          seen.push(name && Buffer.from(name).subarray(5).toString(), api.SSL_client_hello_get0_ext(ssl, 41));
          const { ret, out } = api.SSL_client_hello_get1_extensions_present(ssl);
          seen.push(
            ret,
            [0, 10, 13, 43, 45, 51].every((type) => out.includes(type)),
          );
          return answer;
        });
        const pair = world.pair();
        sni(api, 'localhost')(pair);
        return [world.finish(pair), seen, api.SSL_client_hello_get0_legacy_version(pair.client)].slice(0, 2);
      },
    }),
  ),
  {
    name: 'the ClientHello callback wants to be asked again',
    run(api) {
      const world = new World(api);
      let asked = 0;
      api.SSL_CTX_set_client_hello_cb(world.serverCtx, () =>
        ++asked < 3 ? SSL_CLIENT_HELLO_RETRY : SSL_CLIENT_HELLO_SUCCESS,
      );
      const pair = world.pair();
      api.SSL_do_handshake(pair.client);
      const log = [1, 2, 3].map(() => {
        const result = outcome(api, pair.server, () => api.SSL_do_handshake(pair.server));
        return [result, api.SSL_want(pair.server)];
      });
      return [log, world.finish(pair), asked];
    },
  },
  {
    name: 'what the ClientHello callback sets holds for the handshake',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_client_hello_cb(world.serverCtx, (ssl) => {
        api.SSL_set_ciphersuites(ssl, 'TLS_AES_128_GCM_SHA256');
        api.SSL_set_num_tickets(ssl, 4);
        api.SSL_set_options(ssl, SSL_OP_NO_TICKET);
        return SSL_CLIENT_HELLO_SUCCESS;
      });
      const { server } = world.connect();
      const ticket = api.SSL_SESSION_get0_ticket(world.sessions[0]!);
      return [api.SSL_CIPHER_get_name(api.SSL_get_current_cipher(server)), world.sessions.length, ticket?.length];
    },
  },
  ...([1, 0] as const).map(
    (answer): Scenario => ({
      name: `the certificate callback answers ${answer}`,
      run(api) {
        const world = new World(api);
        let asked = 0;
        api.SSL_CTX_set_cert_cb(world.serverCtx, () => {
          asked++;
          return answer;
        });
        const pair = world.pair();
        const ends = world.finish(pair);
        const next = world.sessions[0] ? world.resume(world.sessions[0]) : null;
        return [ends, asked, next];
      },
    }),
  ),
  {
    name: 'the certificate callback waits',
    run(api) {
      const world = new World(api);
      let asked = 0;
      api.SSL_CTX_set_cert_cb(world.serverCtx, () => {
        asked++;
        return -1;
      });
      const pair = world.pair();
      api.SSL_do_handshake(pair.client);
      const log = [1, 2, 3].map(() => outcome(api, pair.server, () => api.SSL_do_handshake(pair.server)));
      return [log, asked, api.SSL_want(pair.server)];
    },
  },
  {
    name: 'the certificate callback brings the certificate',
    run(api) {
      const world = new World(api);
      const ctx = must(api.SSL_CTX_new(api.TLS_server_method()));
      const other = serverContext(api, otherIdentity);
      api.SSL_CTX_set_cert_cb(ctx, (ssl) => {
        api.SSL_set_SSL_CTX(ssl, other);
        return 1;
      });
      const pair = world.pair(0, ctx);
      return [world.finish(pair)];
    },
  },
  {
    name: 'the order of the callbacks of a full handshake',
    run(api) {
      return order(api, false);
    },
  },
  {
    name: 'the order of the callbacks of a resumption',
    run(api) {
      return order(api, true);
    },
    differs: {
      row: 'the servername callback comes after the ticket was opened',
      ours: ['hello', 'name', 'decrypt', 'alpn', 'done', 'generate', 'new'],
      libssl: [['hello', 'decrypt', 'name', 'alpn', 'done', 'generate', 'new']],
    },
  },
  {
    name: 'info callbacks of a handshake that succeeds, and of one that fails',
    run(api) {
      const seen: unknown[] = [];
      const watch = (where: number, ret: number): void => {
        if (where & (SSL_CB_HANDSHAKE_START | SSL_CB_HANDSHAKE_DONE)) seen.push(where & 0xff);
        if (where === SSL_CB_WRITE_ALERT || where === SSL_CB_READ_ALERT) {
          seen.push([where, ret, api.SSL_alert_type_string_long(ret), api.SSL_alert_desc_string(ret)]);
          seen.push([api.SSL_alert_desc_string_long(ret), api.SSL_alert_type_string(ret)]);
        }
      };
      const world = new World(api);
      api.SSL_CTX_set_info_callback(world.clientCtx, (_ssl, where, ret) => watch(where, ret));
      world.connect();
      seen.push('next');
      const failing = world.pair();
      api.SSL_set_ciphersuites(failing.server, 'TLS_AES_128_GCM_SHA256');
      api.SSL_set_ciphersuites(failing.client, 'TLS_AES_256_GCM_SHA384');
      world.finish(failing);
      return seen;
    },
  },
  {
    name: 'the labels of the key log',
    run(api) {
      const world = new World(api);
      const labels: string[] = [];
      api.SSL_CTX_set_keylog_callback(world.serverCtx, (_ssl, line) => {
        labels.push(
          line.split(' ')[0]!,
          line
            .split(' ')
            .slice(1)
            .map((part) => part.length)
            .join(),
        );
      });
      world.connect();
      return [labels.filter((_, index) => index % 2 === 0).sort(), labels.filter((_, index) => index % 2 === 1)];
    },
  },
  {
    name: 'suites: lists, and the choice',
    run(api) {
      const world = new World(api);
      const lists = ['TLS_CHACHA20_POLY1305_SHA256', 'TLS_NO_SUCH', ''].map((list) => [
        api.SSL_CTX_set_ciphersuites(world.clientCtx, list),
        reason(api),
      ]);
      api.SSL_CTX_set_ciphersuites(world.clientCtx, 'TLS_CHACHA20_POLY1305_SHA256');
      const { server } = world.connect();
      const cipher = api.SSL_get_current_cipher(server);
      return [lists.slice(0, 1), api.SSL_CIPHER_get_name(cipher), api.SSL_CIPHER_get_protocol_id(cipher)];
    },
  },
  {
    name: 'no suite in common',
    run(api) {
      const world = new World(api);
      const pair = world.pair();
      api.SSL_set_ciphersuites(pair.server, 'TLS_AES_128_GCM_SHA256');
      api.SSL_set_ciphersuites(pair.client, 'TLS_AES_256_GCM_SHA384');
      return [world.finish(pair)];
    },
  },
  ...(['TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'] as const).map(
    (suite): Scenario => ({
      name: `a ticket of TLS_AES_256_GCM_SHA384 when the server has ${suite} only`,
      run(api) {
        const world = new World(api);
        world.close(world.connect());
        api.SSL_CTX_set_ciphersuites(world.serverCtx, suite);
        return [world.resume(world.sessions[0])];
      },
      // Before the spring of 2026.
      olderReleases: [[{ reused: [0, 0], tickets: 0 }]],
    }),
  ),
  {
    name: 'a ticket and another suite of the same hash',
    run(api) {
      const world = new World(api);
      api.SSL_CTX_set_ciphersuites(world.serverCtx, 'TLS_AES_128_GCM_SHA256');
      world.close(world.connect());
      api.SSL_CTX_set_ciphersuites(world.serverCtx, 'TLS_CHACHA20_POLY1305_SHA256');
      return [world.resume(world.sessions[0])];
    },
  },
  {
    name: 'groups: lists, and a HelloRetryRequest',
    run(api) {
      const world = new World(api);
      const lists = ['P-256', 'P-256:X25519', 'X25519:nothing', ''].map((list) => {
        const ret = Number(api.SSL_CTX_set1_groups_list(world.serverCtx, list));
        api.ERR_clear_error();
        return ret;
      });
      api.SSL_CTX_set1_groups_list(world.serverCtx, 'P-384');
      let hellos = 0;
      let names = 0;
      api.SSL_CTX_set_client_hello_cb(world.serverCtx, () => {
        hellos++;
        return 1;
      });
      api.SSL_CTX_set_tlsext_servername_callback(world.serverCtx, () => {
        names++;
        return SSL_TLSEXT_ERR_OK;
      });
      world.connect();
      return [lists, world.sessions.length, hellos, names];
    },
    differs: {
      row: 'the ClientHello and servername callbacks are called again',
      ours: [[1, 1, 0, 0], 2, 1, 1],
      libssl: [[[1, 1, 0, 0], 2, 2, 2]],
    },
  },
];

/** Which callbacks are called in which order. */
function order(api: Api, resumes: boolean): string[] {
  const world = new World(api, { count: false });
  const { serverCtx } = world;
  api.SSL_CTX_set_alpn_protos(world.clientCtx, HTTP);
  world.close(world.connect({ prepare: sni(api, 'localhost') }));
  const calls: string[] = [];
  const note = <T>(name: string, answer: T): T => {
    calls.push(name);
    return answer;
  };
  api.SSL_CTX_set_client_hello_cb(serverCtx, () => note('hello', SSL_CLIENT_HELLO_SUCCESS));
  api.SSL_CTX_set_tlsext_servername_callback(serverCtx, () => note('name', SSL_TLSEXT_ERR_OK));
  api.SSL_CTX_set_cert_cb(serverCtx, () => note('certificate', 1));
  api.SSL_CTX_set_not_resumable_session_callback(serverCtx, () => note('not resumable', 0));
  api.SSL_CTX_set_alpn_select_cb(serverCtx, () =>
    note('alpn', { ret: SSL_TLSEXT_ERR_OK, selected: Buffer.from('h2') }),
  );
  api.SSL_CTX_set_session_ticket_cb(
    serverCtx,
    () => note('generate', 1),
    () => note('decrypt', SSL_TICKET_RETURN_USE_RENEW),
  );
  api.SSL_CTX_sess_set_new_cb(serverCtx, () => note('new', 0));
  api.SSL_CTX_set_info_callback(serverCtx, (_ssl, where) => {
    if (where & SSL_CB_HANDSHAKE_DONE) note('done', undefined);
  });
  const pair = world.pair();
  api.SSL_set_num_tickets(pair.server, 1);
  sni(api, 'localhost')(pair);
  if (resumes) api.SSL_set_session(pair.client, world.sessions[0]!);
  world.finish(pair);
  return calls;
}
