/** Data, ends and flow, as streams have them. */
import { connect as connectTcp } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { TLSSocket } from 'node:tls';
import { ca, closed, duplexPair, identity, once, type Scenario, textOf, turns } from '../scenario.ts';

const BIG = Buffer.alloc(3_000_000, 'abcdefghij');

export const streams: readonly Scenario[] = [
  {
    name: 'streams: an echo, and who ends first',
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) => socket.pipe(socket));
      const client = w.connect(server);
      client.setEncoding('utf8');
      client.on('data', (text) => w.c('data', text, typeof text));
      client.write('hello');
      await once(client, 'data');
      client.end('bye');
      await closed(client);
    },
  },
  {
    name: 'streams: written before the handshake',
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) => {
        void textOf(socket).then((text) => {
          w.s('text', text);
          socket.end();
        });
      });
      const client = w.connect(server);
      w.c('write', client.write('one '), client.writableLength, client.bytesWritten);
      client.write('two ', () => w.c('written'));
      client.end('three', () => w.c('ended'));
      client.resume();
      await closed(client);
    },
  },
  {
    name: 'streams: encodings',
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) => {
        void textOf(socket).then((text) => {
          w.s('text', text);
          socket.end();
        });
      });
      const client = w.connect(server);
      client.write('6869', 'hex');
      client.write('aGk=', 'base64');
      client.write(new Uint8Array([104, 105]));
      client.write('hé', 'latin1');
      client.write('');
      client.write(Buffer.alloc(0));
      w.try('null', () => client.write(null as never));
      w.try('number', () => client.write(5 as never));
      w.try('object', () => client.write({} as never));
      client.setDefaultEncoding('hex');
      client.end('6869');
      client.resume();
      await closed(client);
    },
  },
  {
    name: 'streams: big transfers both ways',
    across: true,
    async run(w) {
      const server = await w.listen({ allowHalfOpen: true }, (socket) => {
        void textOf(socket).then((text) => {
          w.s('received', text.length, text === BIG.toString());
          socket.end(BIG);
        });
      });
      const client = w.connect(server, { allowHalfOpen: true });
      client.on('drain', () => w.c('drain'));
      const all = textOf(client);
      await once(client, 'secureConnect');
      w.c('write', client.write(BIG));
      await once(client, 'drain');
      w.c('sent', client.bytesWritten, client.writableLength);
      client.end();
      const text = await all;
      await closed(client);
      w.c('received', text.length, text === BIG.toString(), client.bytesRead);
    },
  },
  {
    name: 'streams: cork, uncork and writev',
    across: true,
    async run(w) {
      const { client, server } = await w.pair();
      client.cork();
      for (const word of ['a', 'b', 'c']) client.write(word, () => w.c('written', word));
      w.c('corked', client.writableCorked, client.writableLength);
      client.uncork();
      const text = textOf(server);
      client.end();
      w.s('text', await text);
      server.end();
      await closed(client, server);
    },
  },
  {
    name: 'streams: pause and resume',
    across: true,
    async run(w) {
      const { client, server } = await w.pair();
      client.pause();
      client.on('data', (chunk) => w.c('data', chunk.toString()));
      w.c('paused', client.isPaused(), client.readableFlowing);
      server.write('hello');
      await turns(20);
      w.c('nothing yet');
      client.resume();
      await once(client, 'data');
      w.c('resumed', client.isPaused(), client.readableFlowing);
      client.end();
      server.resume();
      await closed(client, server);
    },
  },
  {
    name: 'streams: read with readable',
    across: true,
    async run(w) {
      const { client, server } = await w.pair();
      server.end('hello');
      await once(client, 'readable');
      w.c('read', client.read(2), client.read(0), client.read());
      w.c('read', client.read());
      await closed(client, server);
    },
  },
  {
    name: 'streams: async iteration',
    across: true,
    async run(w) {
      const { client, server } = await w.pair();
      server.write('hello ');
      server.end('world');
      let text = '';
      for await (const chunk of client) text += chunk;
      w.c('text', text, client.destroyed);
      await closed(client, server);
    },
  },
  {
    name: 'streams: pipeline',
    across: true,
    async run(w) {
      const { client, server } = await w.pair();
      const from = new PassThrough();
      const chunks: Buffer[] = [];
      const into = new Writable({
        write(chunk, _, done) {
          chunks.push(chunk);
          done();
        },
      });
      const received = pipeline(server, into);
      from.end('hello');
      await Promise.all([pipeline(from, client), received]);
      w.s('text', Buffer.concat(chunks).toString());
      await closed(client, server);
    },
  },
  {
    name: 'streams: half-open, allowed',
    across: true,
    async run(w) {
      const { client, server } = await w.pair({ allowHalfOpen: true }, { allowHalfOpen: true });
      client.end('question');
      const question = await textOf(server);
      w.s('state', question, server.readyState, server.writable, server.readable);
      const answer = textOf(client);
      w.c('state', client.readyState, client.writable);
      server.end('answer');
      await closed(client, server);
      w.c('closed', client.readyState, await answer);
    },
  },
  {
    name: 'streams: half-open, not allowed',
    across: true,
    async run(w) {
      const { client, server } = await w.pair();
      server.resume();
      client.resume();
      server.end('x');
      await closed(client, server);
      w.c('closed', client.readyState, client.destroyed);
      w.s('closed', server.readyState, server.destroyed);
    },
  },
  {
    name: 'streams: write after end, and after destroy',
    across: true,
    async run(w) {
      const { client, server } = await w.pair();
      server.resume();
      client.end();
      client.write('late', (error) => w.c('callback', error));
      await closed(client);
      client.write('later', (error) => w.c('callback', error));
      client.end('latest', (error?: Error) => w.c('ended', error));
      await turns();
    },
  },
  {
    name: 'streams: end with a callback, end twice',
    across: true,
    async run(w) {
      const { client, server } = await w.pair();
      server.resume();
      client.end('x', 'utf8', () => w.c('callback', client.writableFinished));
      client.end(() => w.c('second callback'));
      client.resume();
      await closed(client, server);
    },
  },
  {
    name: 'streams: TLS over a Duplex',
    differs: {
      reason: 'the end comes through to a server over any Duplex',
      lines: /^(finish|end|close)/,
      ours: /^end/,
    },
    async run(w) {
      const [one, other] = duplexPair();
      const server = new w.server.TLSSocket(other, { isServer: true, ...identity('server') });
      const client = w.client.connect({ socket: one, ca, servername: 'localhost' });
      w.watch(w.keep(client), 'c');
      w.watch(w.keep(server), 's', ['secure', 'end', 'close', 'error', 'finish']);
      server.on('data', (chunk) => server.end(`got ${chunk}`));
      client.write('hello');
      w.c('text', await textOf(client));
      w.state(client);
      w.state(server, 'server');
      w.c('addresses', client.remoteAddress, client.localPort, client.remoteFamily, client.connecting);
      client.destroy();
      await closed(client);
    },
  },
  {
    name: 'streams: new TLSSocket at both ends of a TCP connection (STARTTLS)',
    async run(w) {
      const tcp = await w.tcp((plain) => {
        plain.once('data', (chunk) => {
          w.s('plain', chunk.toString());
          plain.write('GO');
          const secure = new w.server.TLSSocket(plain, {
            isServer: true,
            secureContext: w.server.createSecureContext(identity('server')),
          });
          w.watch(w.keep(secure), 's', ['secure', 'secureConnect', 'end', 'close', 'error']);
          secure.on('secure', () => w.state(secure, 'server'));
          secure.on('data', (data) => secure.end(`secret ${data}`));
        });
      });
      const plain = await w.raw(tcp);
      plain.write('STARTTLS');
      await once(plain, 'data');
      const secure = w.client.connect({ socket: plain, ca, servername: 'localhost' }, () => w.c('listener'));
      w.watch(w.keep(secure), 'c');
      secure.write('hello');
      w.c('text', await textOf(secure));
      w.c('ports', secure.remoteAddress, secure.remotePort === w.port(tcp));
      await closed(secure);
    },
  },
  {
    name: 'streams: new TLSSocket as a client',
    differs: {
      reason: 'a new TLSSocket judges its server, as `connect` does',
      lines: /^state/,
      ours: /^state .*authorized: true/,
    },
    async run(w) {
      const server = await w.listen({}, (socket) => socket.end('hello'));
      const plain = await w.raw(server);
      const context = w.client.createSecureContext({ ca });
      const secure = new w.client.TLSSocket(plain, {
        isServer: false,
        secureContext: context,
        rejectUnauthorized: true,
      } as never);
      w.watch(w.keep(secure), 'c', ['secure', 'secureConnect', 'data', 'end', 'close', 'error']);
      secure.write('hello'); // which begins the handshake
      await once(secure, 'secure');
      w.state(secure);
      w.c('verify', secure.getProtocol(), secure.getPeerCertificate().subject?.CN);
      await once(secure, 'end');
      secure.end();
      await closed(secure);
    },
  },
  {
    name: 'streams: connect with a socket that is still connecting',
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) => socket.end('hello'));
      const plain = w.keep(connectTcp(w.port(server), '127.0.0.1'));
      const secure = w.watch(w.keep(w.client.connect({ socket: plain, ca, servername: 'localhost' })), 'c');
      w.c('connecting', secure.connecting, secure.pending);
      w.c('text', await textOf(secure));
      await closed(secure);
      w.c('plain', plain.destroyed);
    },
  },
  {
    name: 'streams: the stream beneath is destroyed',
    differs: { reason: '`close` says that there was an error', lines: /^close/, ours: /^close true/ },
    async run(w) {
      const [one, other] = duplexPair();
      const server = new w.server.TLSSocket(other, { isServer: true, ...identity('server') });
      const client = w.client.connect({ socket: one, ca, servername: 'localhost' });
      w.watch(w.keep(client), 'c');
      server.on('error', () => {});
      w.keep(server);
      await once(client, 'secureConnect');
      one.destroy(new Error('the wire broke'));
      await closed(client);
    },
  },
  {
    name: 'streams: TLS in TLS',
    differs: {
      reason: 'when the inner connection is over, so is the outer one',
      lines: /^(finish|end|close|protocol)/,
      ours: /^end/,
    },
    async run(w) {
      const outer = await w.pair();
      const inner = new w.server.TLSSocket(outer.server, { isServer: true, ...identity('server') });
      w.keep(inner).on('data', (chunk) => inner.end(`got ${chunk}`));
      inner.on('error', () => {});
      const client = w.client.connect({ socket: outer.client, ca, servername: 'localhost' });
      w.keep(client).on('error', (error) => w.c('inner error', error));
      client.end('hello');
      w.c('text', await textOf(client));
      w.c('protocol', client.getProtocol(), client.authorized);
    },
  },
  {
    name: 'streams: writes of many sizes arrive in order',
    across: true,
    async run(w) {
      const { client, server } = await w.pair();
      const text = textOf(server);
      let expected = '';
      for (let size = 1; size < 40_000; size = size * 3 + 1) {
        const chunk = 'x'.repeat(size).concat(`${size};`);
        expected += chunk;
        client.write(chunk);
      }
      client.end();
      w.s('equal', (await text) === expected, expected.length);
      server.end();
      await closed(client, server);
    },
  },
  {
    name: 'streams: an end without close_notify',
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) => socket.write('hello'));
      const accepted = once(server, 'secureConnection');
      const between = await w.between(server);
      const client = w.connect(between.port);
      const [socket] = (await accepted) as [TLSSocket];
      client.on('data', (data) => {
        w.c('data', data.toString());
        between.end();
      });
      await closed(client, socket);
    },
  },
  {
    name: 'streams: the connection beneath is reset',
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) => socket.write('hello'));
      const between = await w.between(server);
      const client = w.connect(between.port);
      client.on('data', (data) => {
        w.c('data', data.toString());
        between.reset();
      });
      await closed(client);
      w.c('write', client.write('x'), client.destroyed);
    },
  },
];
