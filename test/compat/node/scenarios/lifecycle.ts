/** Events and their order, from the connection to its close; ends, timeouts and signals at every stage. */
import type { ConnectionOptions, TLSSocket, TlsOptions } from 'node:tls';
import { ca, closed, either, once, type Scenario, turns, type World, within } from '../scenario.ts';

/** What a program does with a connection that both ends have. */
function stage(
  name: string,
  act: (w: World, client: TLSSocket, server: TLSSocket) => void | Promise<void>,
  more: Partial<Scenario> = {},
): Scenario {
  return {
    name: `lifecycle: ${name}`,
    across: true,
    async run(w) {
      const { client, server } = await w.pair();
      client.resume();
      server.resume();
      await act(w, client, server);
      await closed(client, server);
      w.c('closed', client.destroyed, client.readyState, client.errored?.message);
      w.s('closed', server.destroyed, server.readyState, server.errored?.message);
    },
    ...more,
  };
}

const NAMES = [
  'connect',
  'ready',
  'secure',
  'secureConnect',
  'data',
  'end',
  'finish',
  'close',
  'readable',
  'prefinish',
  'lookup',
  'session',
];

export const lifecycle: readonly Scenario[] = [
  {
    name: 'lifecycle: all events of a short connection, in order',
    across: true,
    async run(w) {
      const server = w.keep(
        w.server.createServer({ minVersion: 'TLSv1.3', ...(await import('../scenario.ts')).identity('server') }),
      );
      server.on('connection', () => w.s('server connection'));
      server.on('secureConnection', (socket) => {
        w.s('server secureConnection');
        for (const event of NAMES) if (event !== 'readable') socket.on(event, (...args) => w.s(event, args.length));
        socket.end('x');
      });
      server.on('listening', () => w.s('server listening'));
      server.on('close', () => w.s('server close'));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const client = w.keep(
        w.client.connect({
          port: w.port(server),
          host: '127.0.0.1',
          servername: 'localhost',
          ca,
          minVersion: 'TLSv1.3',
        }),
      );
      for (const event of NAMES) {
        if (event !== 'readable' && event !== 'session') client.on(event, (...args) => w.c(event, args.length));
      }
      await closed(client);
      await turns(20);
      server.close();
      await once(server, 'close');
    },
  },
  {
    name: 'lifecycle: lookup, and a host by name',
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) => socket.end());
      const client = w.client.connect({
        port: w.port(server),
        host: 'localhost',
        ca,
        lookup: ((host: string, options: { all?: boolean }, done: (...args: unknown[]) => void) => {
          w.c('asked', host, Object.keys(options).includes('all'));
          if (options.all) done(null, [{ address: '127.0.0.1', family: 4 }]);
          else done(null, '127.0.0.1', 4);
        }) as never,
      });
      w.watch(w.keep(client), 'c');
      client.on('lookup', (...args) => w.c('lookup', args));
      client.on('secureConnect', () => w.state(client));
      client.resume();
      await closed(client);
    },
  },
  {
    name: 'lifecycle: a name that is not found',
    async run(w) {
      const client = w.client.connect({
        port: 1,
        host: 'no.example',
        lookup: ((_host: string, _options: unknown, done: (...args: unknown[]) => void) =>
          done(
            Object.assign(new Error('getaddrinfo ENOTFOUND no.example'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' }),
          )) as never,
      });
      w.watch(w.keep(client), 'c');
      await closed(client);
      w.state(client);
    },
  },
  {
    name: 'lifecycle: connection refused',
    async run(w) {
      const tcp = await w.tcp(() => {});
      const port = w.port(tcp);
      tcp.close();
      await once(tcp, 'close');
      const client = w.connect(port);
      w.c('at once', client.connecting, client.destroyed);
      await closed(client);
      w.c('closed', client.destroyed, client.connecting, client.pending);
    },
  },
  {
    name: 'lifecycle: a path that is not there',
    async run(w) {
      const client = w.watch(w.keep(w.client.connect({ path: '/no/such/socket', ca })), 'c');
      await closed(client);
    },
  },
  stage('the client ends', (_, client) => void client.end()),
  stage('the server ends', (_, _client, server) => void server.end()),
  stage('both end', (_, client, server) => {
    client.end();
    server.end();
  }),
  stage('the client is destroyed', (_, client) => void client.destroy()),
  stage('the server is destroyed', (_, _client, server) => void server.destroy()),
  stage(
    'the client is destroyed with an error',
    (_, client) => void client.destroy(Object.assign(new Error('mine'), { code: 'EMINE' })),
  ),
  stage('the server is destroyed with an error', (_, _client, server) => void server.destroy(new Error('mine alone'))),
  stage('destroySoon', (_, client) => {
    client.write('last words');
    client.destroySoon();
  }),
  stage(
    'resetAndDestroy',
    (w, client, server) => {
      w.try('resetAndDestroy', () => client.resetAndDestroy() === client);
      client.destroy();
      server.destroy();
    },
    {
      differs: {
        reason: 'TLS over TCP can be reset',
        lines: /^(resetAndDestroy|error|end|finish|close)/,
        ours: /^resetAndDestroy true/,
      },
    },
  ),
  stage('end with data, then destroy in its callback', (_, client) => void client.end('x', () => client.destroy())),
  stage('an error thrown by nobody: emit', (w, client) => {
    w.c('emit', client.emit('error', new Error('by hand')));
    client.end();
  }),
  stage('setTimeout', async (w, client) => {
    w.c('gives itself', client.setTimeout(30, () => w.c('callback')) === client, client.timeout);
    await once(client, 'timeout');
    w.c('destroyed', client.destroyed);
    client.setTimeout(0);
    client.end();
  }),
  stage('setTimeout with wrong values', (w, client) => {
    for (const value of ['x', -1, Number.NaN, Number.POSITIVE_INFINITY, undefined, null])
      w.try(`${value}`, () => client.setTimeout(value as never) === client);
    w.try('callback', () => client.setTimeout(100_000, 5 as never));
    client.end();
  }),
  stage('setNoDelay, setKeepAlive, ref and unref', (w, client, server) => {
    for (const socket of [client, server]) {
      w.try('gives itself', () => [
        socket.setNoDelay() === socket,
        socket.setKeepAlive(true, 1000) === socket,
        socket.unref() === socket,
        socket.ref() === socket,
      ]);
    }
    client.end();
  }),
  {
    name: 'lifecycle: the option timeout',
    across: true,
    async run(w) {
      const server = await w.listen();
      const accepted = once(server, 'secureConnection');
      const client = w.connect(server, { timeout: 400 });
      w.c('timeout', client.timeout);
      await once(client, 'timeout');
      client.destroy();
      await closed(client, (await accepted)[0] as TLSSocket);
    },
  },
  {
    name: 'lifecycle: handshakeTimeout of a server',
    across: true,
    async run(w) {
      const server = await w.listen({ handshakeTimeout: 30 });
      const failed = once(server, 'tlsClientError');
      const raw = await w.raw(server);
      raw.resume();
      await failed;
      await once(raw, 'close');
      w.c('closed');
    },
  },
  {
    name: 'lifecycle: signal, aborted before TCP is connected',
    across: true,
    async run(w) {
      const server = await w.listen();
      const controller = new AbortController();
      const socket = w.connect(server, { signal: controller.signal } as ConnectionOptions);
      controller.abort();
      await closed(socket);
    },
  },
  {
    name: 'lifecycle: signal, aborted after the handshake',
    across: true,
    async run(w) {
      const server = await w.listen();
      const controller = new AbortController();
      const accepted = once(server, 'secureConnection');
      const socket = w.connect(server, { signal: controller.signal } as ConnectionOptions);
      await Promise.all([accepted, once(socket, 'secureConnect')]);
      await turns(10);
      controller.abort(new Error('enough'));
      await closed(socket);
    },
  },
  {
    name: 'lifecycle: destroyed at once',
    across: true,
    async run(w) {
      const server = await w.listen();
      const client = w.connect(server);
      w.c('gives itself', client.destroy() === client);
      await closed(client);
      const failing = w.connect(server);
      failing.destroy(new Error('mine'));
      await closed(failing);
    },
  },
  {
    name: 'lifecycle: destroyed when TCP is connected',
    differs: { reason: 'a socket that is destroyed is not ready', lines: /^ready/, ours: /^connect/ },
    across: true,
    async run(w) {
      const server = await w.listen();
      const failed = once(server, 'tlsClientError');
      const client = w.connect(server);
      client.on('connect', () => client.destroy());
      await closed(client);
      await failed;
    },
  },
  {
    name: 'lifecycle: ended before the handshake is done',
    differs: {
      reason: 'what is ended before the handshake is done ends after it, and not in its middle',
      lines: /./,
      ours: /^secureConnection/,
    },
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) => socket.resume());
      const served = either(server, 'secureConnection', 'tlsClientError');
      const client = w.connect(server);
      client.resume();
      client.end();
      w.c('state', client.writable, client.writableEnded);
      await closed(client);
      await served;
    },
  },
  {
    name: 'lifecycle: destroyed in secureConnect, and in secureConnection',
    async run(w) {
      const server = await w.listen({}, (socket) => socket.destroy());
      const first = w.connect(server);
      first.resume();
      await closed(first);
      const second = w.connect(server);
      second.on('secureConnect', () => second.destroy());
      await closed(second);
    },
  },
  {
    name: 'lifecycle: server.close with a live connection',
    across: true,
    async run(w) {
      const { client, server, listener } = await w.pair();
      client.resume();
      server.resume();
      let over = false;
      w.try(
        'close',
        () =>
          listener.close((error) => {
            over = true;
            w.s('close callback', error);
          }) === listener,
        'server',
      );
      w.s('listening', listener.listening, listener.address());
      await turns(10);
      w.s('still open', over);
      client.end();
      await closed(client, server);
      await within('close', new Promise((resolve) => (over ? resolve(undefined) : listener.on('close', resolve))));
      w.try('close again', () => listener.close((error) => w.s('again', error)) === listener, 'server');
      await turns();
    },
  },
  {
    name: 'lifecycle: getConnections and maxConnections',
    across: true,
    async run(w) {
      const { client, server, listener } = await w.pair();
      client.resume();
      server.resume();
      const count = (): Promise<unknown> =>
        new Promise((resolve) => listener.getConnections((error, value) => resolve([error, value])));
      w.s('connections', await count());
      listener.maxConnections = 1;
      listener.on('drop', (data) => w.s('drop', Object.keys(data ?? {})));
      const second = w.connect(listener);
      await closed(second);
      client.end();
      await closed(client, server);
      await turns(5);
      w.s('connections', await count());
    },
  },
  {
    name: 'lifecycle: pauseOnConnect',
    across: true,
    async run(w) {
      const server = await w.listen({ pauseOnConnect: true } as TlsOptions, (socket) => {
        w.s('paused', socket.isPaused());
        socket.on('data', (data) => {
          w.s('data', data.toString());
          socket.end();
        });
        setImmediate(() => {
          w.s('resume');
          socket.resume();
        });
      });
      const client = w.connect(server);
      client.resume();
      client.write('hello');
      await closed(client);
    },
  },
  {
    name: 'lifecycle: listen twice, and on a port in use',
    async run(w) {
      const server = await w.listen();
      w.try('again', () => server.listen(0), 'server');
      const second = w.keep(w.server.createServer({}));
      second.on('error', (error) => w.s('error', error));
      second.listen(w.port(server), '127.0.0.1');
      await once(second, 'error');
    },
  },
  {
    name: 'lifecycle: listeners that are there at first',
    async run(w) {
      const server = await w.listen();
      const accepted = once(server, 'secureConnection');
      const client = w.keep(
        w.client.connect({ port: w.port(server), host: '127.0.0.1', servername: 'localhost', ca }, () => {}),
      );
      const names = ['secureConnect', 'error', 'timeout', 'data'];
      w.c(
        'at once',
        names.map((name) => client.listenerCount(name)),
      );
      await once(client, 'secureConnect');
      const [socket] = (await accepted) as [TLSSocket];
      await turns(10);
      w.c(
        'secure',
        names.map((name) => client.listenerCount(name)),
      );
      w.s(
        'secure',
        ['secureConnect', 'data', 'timeout'].map((name) => socket.listenerCount(name)),
      );
      client.destroy();
      await closed(socket);
    },
  },
];
