/** Settings by name. */
import {
  SSL_CONF_FLAG_CLIENT,
  SSL_CONF_FLAG_CMDLINE,
  SSL_CONF_FLAG_FILE,
  SSL_CONF_FLAG_SERVER,
  SSL_CONF_FLAG_SHOW_ERRORS,
} from '../../../../src/openssl/index.ts';
import { must, reason, type Scenario, serverContext } from '../scenario.ts';

/** One command of a configuration. */
function conf(flags: number, cmd: string, value: string | null): Scenario {
  return {
    name: `SSL_CONF_cmd ${cmd} ${value} with flags ${flags}`,
    run(api) {
      const ctx = serverContext(api);
      const cctx = api.SSL_CONF_CTX_new();
      const set = api.SSL_CONF_CTX_set_flags(cctx, flags);
      api.SSL_CONF_CTX_set_ssl_ctx(cctx, ctx);
      const type = api.SSL_CONF_cmd_value_type(cctx, cmd);
      const ret = api.SSL_CONF_cmd(cctx, cmd, value);
      const why = reason(api);
      const finished = api.SSL_CONF_CTX_finish(cctx);
      return [set, type, ret, why, finished, api.SSL_CTX_get_num_tickets(ctx), api.SSL_CTX_get_options(ctx)];
    },
  };
}
const IN_FILE = SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_SHOW_ERRORS;
const ON_LINE = SSL_CONF_FLAG_CMDLINE | SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_SHOW_ERRORS;

export const configuration: readonly Scenario[] = [
  conf(IN_FILE, 'NumTickets', '7'),
  conf(IN_FILE, 'numtickets', '0'),
  conf(IN_FILE, 'NumTickets', null),
  conf(IN_FILE, 'NoSuchCommand', '1'),
  conf(IN_FILE, '-num_tickets', '3'),
  conf(ON_LINE, '-num_tickets', '3'),
  conf(ON_LINE, 'num_tickets', '3'),
  conf(ON_LINE, '-NumTickets', '3'),
  conf(ON_LINE, '-no_ticket', null),
  conf(SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_CLIENT, 'NumTickets', '3'),
  conf(IN_FILE, 'Options', '-SessionTicket'),
  conf(IN_FILE, 'Options', 'NoSuchOption'),
  {
    name: 'SSL_CONF_cmd NumTickets with numbers that are none',
    run(api) {
      const ctx = serverContext(api);
      const cctx = api.SSL_CONF_CTX_new();
      api.SSL_CONF_CTX_set_flags(cctx, IN_FILE);
      api.SSL_CONF_CTX_set_ssl_ctx(cctx, ctx);
      return ['five', '5x', '2147483648'].map((value) => [
        api.SSL_CONF_cmd(cctx, 'NumTickets', value),
        reason(api),
        api.SSL_CTX_get_num_tickets(ctx),
      ]);
    },
    differs: {
      row: '`NumTickets` takes any text',
      endsWithRelease: true,
      ours: [
        [0, 'bad value', 2],
        [0, 'bad value', 2],
        [0, 'bad value', 2],
      ],
      libssl: [
        [
          [2, null, 0],
          [2, null, 5],
          [0, 'bad value', 5],
        ],
      ],
    },
  },
  {
    name: 'SSL_CONF_cmd with a prefix',
    run(api) {
      const ctx = serverContext(api);
      const cctx = api.SSL_CONF_CTX_new();
      api.SSL_CONF_CTX_set_flags(cctx, IN_FILE);
      api.SSL_CONF_CTX_set_ssl_ctx(cctx, ctx);
      api.SSL_CONF_CTX_set1_prefix(cctx, 'SSL');
      return ['SSLNumTickets', 'sslNumTickets', 'NumTickets', 'SSL'].map((cmd) => [
        api.SSL_CONF_cmd(cctx, cmd, '4'),
        reason(api),
      ]);
    },
  },
  {
    name: 'SSL_CONF_cmd for a connection',
    run(api) {
      const ssl = must(api.SSL_new(serverContext(api)));
      const cctx = api.SSL_CONF_CTX_new();
      api.SSL_CONF_CTX_set_flags(cctx, IN_FILE);
      api.SSL_CONF_CTX_set_ssl(cctx, ssl);
      return [api.SSL_CONF_cmd(cctx, 'NumTickets', '9'), api.SSL_get_num_tickets(ssl)];
    },
  },
];
