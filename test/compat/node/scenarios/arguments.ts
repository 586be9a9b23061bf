/** The shapes in which arguments may come, and arguments that are wrong. */
import { createHash } from 'node:crypto';
import type { ConnectionOptions, SecureContextOptions, TlsOptions } from 'node:tls';
import { ca, closed, duplexPair, identity, once, type Scenario, type World } from '../scenario.ts';

const base: ConnectionOptions = { ca, servername: 'localhost' };

/** Connects in its own way; what `listener` saw. */
function overload(
  name: string,
  connect: (w: World, port: number, listener: (...given: unknown[]) => void) => unknown[],
): Scenario {
  return {
    name: `arguments: connect(${name})`,
    async run(w) {
      const server = await w.listen();
      const accepted = once(server, 'secureConnection');
      let called = 0;
      const args = connect(w, w.port(server), function (this: unknown, ...given: unknown[]) {
        called++;
        w.c('listener', this === socket, given.length);
      });
      const socket = (w.client.connect as (...args: unknown[]) => ReturnType<typeof w.client.connect>)(...args);
      w.watch(w.keep(socket), 'c');
      await once(socket, 'secureConnect');
      await accepted;
      w.state(socket);
      w.c('called', called, socket.remotePort === w.port(server), socket.remoteAddress);
      socket.end();
      await closed(socket);
    },
  };
}

/** What wrong values of an option throw; of connect, from the call or as its error. */
function badOptions(
  name: string,
  values: readonly unknown[],
  where: 'client' | 'server' | 'context' = 'context',
  differs?: Scenario['differs'],
): Scenario {
  return {
    ...(differs !== undefined && { differs }),
    name: `arguments: bad ${name} of a ${where}`,
    run(w) {
      for (const [index, value] of values.entries()) {
        const given = { [name]: value };
        w.try(`${index}`, () => {
          if (where === 'context') return void w.client.createSecureContext(given as SecureContextOptions);
          if (where === 'server') return void w.server.createServer({ ...identity('server'), ...given } as TlsOptions);
          const socket = w.keep(w.client.connect({ socket: duplexPair()[0], ...given } as ConnectionOptions));
          socket.on('error', () => {});
          return undefined;
        });
      }
    },
  };
}

export const argumentShapes: readonly Scenario[] = [
  overload('options, listener', (_, port, listener) => [{ ...base, port, host: '127.0.0.1' }, listener]),
  overload('options', (_, port) => [{ ...base, port, host: '127.0.0.1' }]),
  overload('port, host, options, listener', (_, port, listener) => [port, '127.0.0.1', base, listener]),
  overload('port, options, listener', (_, port, listener) => [port, { ...base, host: '127.0.0.1' }, listener]),
  overload('port, host, options', (_, port) => [port, '127.0.0.1', base]),
  overload('port as text, host, options, listener', (_, port, listener) => [`${port}`, '127.0.0.1', base, listener]),
  overload('port, host, undefined options and context', (w, port, listener) => [
    { port, host: '127.0.0.1', servername: 'localhost', secureContext: w.client.createSecureContext({ ca }) },
    undefined,
    listener,
  ]),
  {
    name: 'arguments: createServer(listener)',
    async run(w) {
      w.try('function', () => w.server.createServer(() => {}) instanceof w.server.Server);
      w.try('nothing', () => w.server.createServer() instanceof w.server.Server);
      w.try('null', () => w.server.createServer(null as never) instanceof w.server.Server);
      w.try('number', () => w.server.createServer(5 as never));
      w.try('text', () => w.server.createServer('x' as never));
    },
  },
  {
    name: 'arguments: createServer(options, listener): this',
    async run(w) {
      const server = w.server.createServer(identity('server'), function (this: unknown, socket, ...more: unknown[]) {
        w.s('listener', this === server, more.length, socket instanceof w.server.TLSSocket);
      });
      await w.serve(server);
      const client = w.connect(server);
      await once(client, 'secureConnect');
      client.end();
      await closed(client);
    },
  },
  {
    name: 'arguments: a server without a certificate',
    across: true,
    async run(w) {
      const server = await w.serve(w.server.createServer({}));
      const failed = once(server, 'tlsClientError');
      await closed(w.connect(server));
      await failed;
    },
  },
  {
    name: 'arguments: connect without a port or with a bad one',
    run(w) {
      for (const options of [{}, { port: 'x' }, { port: -1 }, { port: 70_000 }, { port: null }, { host: 5, port: 1 }]) {
        w.try(JSON.stringify(options), () => {
          const socket = w.keep(w.client.connect({ ...options } as ConnectionOptions));
          socket.on('error', () => {});
        });
      }
      for (const port of ['x', null, undefined, true]) {
        w.try(`connect(${port})`, () => void w.keep(w.client.connect(port as never)).on('error', () => {}));
      }
    },
  },
  badOptions('ca', [5, true, {}, [5], 'not PEM', '', null, []]),
  badOptions('cert', [5, true, {}, [5], 'not PEM', null, []]),
  badOptions('key', [5, true, [5], 'not PEM', null, []]),
  badOptions('ciphers', [5, 'no-such-cipher', null, '']),
  badOptions('ecdhCurve', [5, 'no-such-curve', null, 'auto', 'P-256:P-384', 'X25519:prime256v1']),
  badOptions('sigalgs', [5, 'no-such-algorithm', '', null, 'ecdsa_secp256r1_sha256', 'RSA-PSS+SHA256']),
  badOptions('passphrase', [5, null]),
  badOptions('crl', [5, 'not PEM', null]),
  badOptions('pfx', [5, 'not PFX', null]),
  badOptions('minVersion', ['x', 5, null]),
  badOptions('maxVersion', ['x', 5, null]),
  badOptions('ticketKeys', [5, 'x', Buffer.alloc(47), createHash('sha384').update('x').digest(), null]),
  badOptions('sessionTimeout', ['x', {}, null]),
  badOptions('sessionIdContext', [5, null, 'x']),
  badOptions('secureProtocol', [5, 'x']),
  badOptions('privateKeyIdentifier', [5]),
  badOptions('dhparam', [5, null, 'auto']),
  badOptions('handshakeTimeout', ['x', {}, null], 'server'),
  badOptions('SNICallback', [5, 'x', {}, null], 'server'),
  badOptions('ALPNCallback', [5, 'x', {}, null], 'server', {
    reason: 'what cannot be called is refused before it is needed',
    lines: /^[0-2] /,
    ours: /^0 throws TypeError, ERR_INVALID_ARG_TYPE/,
  }),
  badOptions('ALPNProtocols', [5, 'x', {}, null, [], [5], ['x'.repeat(256)]], 'server', {
    reason: 'what is no list of protocols is refused',
    lines: /^[0-35] /,
    ours: /^0 throws .*option.bad_alpn/,
  }),
  badOptions('ticketKeys', [5, 'x', Buffer.alloc(47), null], 'server'),
  badOptions('sessionTimeout', ['x', null], 'server'),
  badOptions('pskCallback', [5, 'x', null], 'server'),
  badOptions('pskIdentityHint', [5, null, 'x'], 'server'),
  badOptions('checkServerIdentity', [5, 'x'], 'client', {
    reason: 'node:tls has an internal assertion there',
    lines: /./,
    ours: /^0 throws TypeError, ERR_INVALID_ARG_TYPE/,
    in: (release) => release < 22,
  }),
  badOptions('ALPNProtocols', [5, 'x', {}, null, [], ['x'.repeat(256)]], 'client', {
    reason: 'what is no list of protocols is refused in our own words',
    lines: /^[0-25] /,
    ours: /^0 throws .*option.bad_alpn/,
  }),
  badOptions('minDHSize', [5, 'x', 0, -1], 'client', {
    reason: 'TLS 1.3 has no such parameters, and the option is ignored',
    lines: /^[1-3] /,
    ours: /^1 undefined/,
  }),
  badOptions('servername', [5, null, ''], 'client'),
  badOptions('pskCallback', [5, 'x', null], 'client'),
  badOptions('session', [5, null, Buffer.alloc(0), Buffer.from('junk')], 'client'),
  {
    name: 'arguments: addContext, setSecureContext and setTicketKeys with wrong values',
    run(w) {
      const server = w.server.createServer(identity('server'));
      const of = (name: string, ...args: unknown[]): void =>
        w.try(
          `${name} ${args.length}`,
          () => (server as unknown as Record<string, (...args: unknown[]) => unknown>)[name]!(...args),
          'server',
        );
      of('addContext', '');
      of('addContext', undefined, {});
      of('addContext', 'a.example', identity('other'));
      of('addContext', 'a.example', { cert: 5 });
      of('setSecureContext', 5);
      of('setSecureContext');
      of('setSecureContext', { cert: 5 });
      of('setTicketKeys', 5);
      of('setTicketKeys', 'x');
      const keys = createHash('sha384').update('keys').digest();
      of('setTicketKeys', keys);
      w.s('keys', server.getTicketKeys().equals(keys));
      w.s('buffer', Buffer.isBuffer(server.getTicketKeys()), server.getTicketKeys().length);
    },
  },
];
