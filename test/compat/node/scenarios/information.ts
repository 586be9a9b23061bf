/** What a connection tells of itself. */
import type { TLSSocket } from 'node:tls';
import { ca, closed, fixture, identity, once, type Scenario, turns } from '../scenario.ts';

type Named = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** A connection, and what these methods give at both ends. */
function asked(
  name: string,
  questions: readonly (readonly [string, ...unknown[]])[],
  more: Partial<Scenario> = {},
): Scenario {
  return {
    name: `information: ${name}`,
    across: true,
    async run(w) {
      const { client, server } = await w.pair({ minVersion: 'TLSv1.3', requestCert: true, ca }, identity('client'));
      for (const [method, ...args] of questions) {
        w.try(method, () => (client as unknown as Named)[method]!(...args));
        w.try(method, () => (server as unknown as Named)[method]!(...args), 'server');
      }
      client.end();
      await closed(client, server);
    },
    ...more,
  };
}

/** What certificates a client gets. */
function shown(name: string, certificate: string): Scenario {
  return {
    name: `information: getPeerCertificate of ${name}`,
    differs: {
      reason:
        'an X509Certificate of ours does not know its issuer, as in Node before 26; `getPeerCertificate(true)` does',
      lines: /^issuer/,
      ours: /^issuer undefined/,
      in: (release) => release >= 26,
    },
    across: true,
    async run(w) {
      const chain =
        certificate === 'leaf' ? identity('leaf').cert + identity('intermediate').cert : identity(certificate).cert;
      const { client, server } = await w.pair(
        { key: identity(certificate).key, cert: chain, requestCert: true, ca },
        { ...identity('client'), rejectUnauthorized: false },
      );
      for (const [side, socket] of [
        ['client', client],
        ['server', server],
      ] as const) {
        w.try('plain', () => socket.getPeerCertificate(), side);
        w.try('detailed', () => socket.getPeerCertificate(true), side);
        w.try('own', () => socket.getCertificate(), side);
        w.try('X509', () => socket.getPeerX509Certificate()?.fingerprint256, side);
        w.try('issuer', () => socket.getPeerX509Certificate()?.issuerCertificate?.subject, side);
        w.try('own X509', () => socket.getX509Certificate()?.fingerprint256, side);
      }
      client.end();
      await closed(client, server);
    },
  };
}

const same = (one: Buffer | undefined, other: Buffer | undefined): unknown => [
  one?.length,
  one && other && one.equals(other),
];

export const information: readonly Scenario[] = [
  asked('getProtocol and getCipher', [['getProtocol'], ['getCipher']]),
  asked('getEphemeralKeyInfo', [['getEphemeralKeyInfo']], {
    differs: {
      reason: 'ML-KEM is there in all releases, and told as by Node 24, without a `size`',
      lines: /^getEphemeralKeyInfo/,
      ours: /^getEphemeralKeyInfo .*X25519MLKEM768/,
    },
  }),
  asked('getSharedSigalgs', [['getSharedSigalgs']], {
    differs: {
      reason: 'the algorithms that are offered are those of TLS 1.3, in our order',
      lines: /^getSharedSigalgs/,
      ours: /^getSharedSigalgs \[/,
    },
  }),
  asked('isSessionReused', [['isSessionReused']]),
  asked('renegotiate', [['disableRenegotiation'], ['renegotiate', {}, undefined]]),
  asked('renegotiate with wrong arguments', [
    ['renegotiate'],
    ['renegotiate', 5],
    ['renegotiate', {}, 5],
    ['renegotiate', null],
  ]),
  asked(
    'setMaxSendFragment',
    [511, 512, 16_384, 16_385, 'x', undefined].map((size) => ['setMaxSendFragment', size]),
  ),
  asked('exportKeyingMaterial with wrong arguments', [
    ['exportKeyingMaterial', 'x', 'label'],
    ['exportKeyingMaterial', 0, 'label'],
    ['exportKeyingMaterial', -1, 'label'],
    ['exportKeyingMaterial', 10, 5],
    ['exportKeyingMaterial', 10],
    ['exportKeyingMaterial', 10, 'label', 'text'],
    ['exportKeyingMaterial', 10, 'label', 5],
  ]),
  asked('address, and numbers', [['getTypeOfService']].slice(1).concat([['isPaused']]) as [string][]),
  {
    name: 'information: renegotiate with a callback',
    across: true,
    async run(w) {
      const { client, server } = await w.pair({ minVersion: 'TLSv1.3' });
      w.try('renegotiate', () => client.renegotiate({}, (error) => w.c('callback', error)));
      await turns();
      client.disableRenegotiation();
      w.try('disabled', () => client.renegotiate({}, (error) => w.c('callback', error)));
      await turns();
      client.destroy();
      w.try('destroyed', () => client.renegotiate({}, (error) => w.c('callback', error)));
      await closed(server);
    },
  },
  {
    name: 'information: exportKeyingMaterial is the same at both ends',
    across: true,
    async run(w) {
      const { client, server } = await w.pair();
      for (const [length, label, context] of [
        [20, 'EXPORTER-test'],
        [64, 'EXPORTER-test', Buffer.from('x')],
        [32, 'x', Buffer.alloc(0)],
      ] as const) {
        const ask = (socket: TLSSocket): Buffer => socket.exportKeyingMaterial(length, label, context as Buffer);
        w.try(label, () => same(ask(client), ask(server)));
      }
      const absent = client.exportKeyingMaterial(20, 'l', undefined as never);
      w.c('without context as with an empty one', absent.equals(client.exportKeyingMaterial(20, 'l', Buffer.alloc(0))));
      client.end();
      await closed(client, server);
    },
  },
  {
    name: 'information: getFinished and getPeerFinished',
    across: true,
    async run(w) {
      const { client, server } = await w.pair();
      w.c('client’s', same(client.getFinished(), server.getPeerFinished()));
      w.c('server’s', same(server.getFinished(), client.getPeerFinished()));
      client.end();
      await closed(client, server);
    },
  },
  {
    name: 'information: before the handshake and after the end',
    across: true,
    async run(w) {
      const server = await w.listen();
      const accepted = once(server, 'secureConnection');
      const socket = w.connect(server);
      const questions = [
        'getProtocol',
        'getCipher',
        'getEphemeralKeyInfo',
        'getSharedSigalgs',
        'getSession',
        'getTLSTicket',
        'isSessionReused',
        'getPeerCertificate',
        'getPeerX509Certificate',
        'getCertificate',
        'getX509Certificate',
        'getFinished',
        'getPeerFinished',
        'address',
      ];
      const ask = (when: string): void => {
        for (const method of questions) {
          // Node 24 and 26 crash when asked for the key's info too soon.
          const skipped = when === 'at once' ? 'getEphemeralKeyInfo' : 'isSessionReused';
          if (method !== skipped) w.try(`${when} ${method}`, () => (socket as unknown as Named)[method]!());
        }
        if (when === 'at once')
          w.try(`${when} exportKeyingMaterial`, () => socket.exportKeyingMaterial(10, 'label', Buffer.alloc(0)));
        const { connecting, pending, readyState, destroyed, secureConnecting, bytesRead, bytesWritten } =
          socket as unknown as TLSSocket & { secureConnecting: boolean };
        w.c(when, {
          connecting,
          pending,
          readyState,
          destroyed,
          secureConnecting,
          read: bytesRead > 0,
          written: bytesWritten > 0,
        });
        w.c(
          when,
          socket.remoteFamily,
          socket.remoteAddress,
          typeof socket.remotePort,
          socket.localAddress,
          typeof socket.localPort,
        );
        w.state(socket);
      };
      ask('at once');
      await once(socket, 'connect');
      w.c('connected', socket.connecting, socket.pending, socket.readyState, socket.remoteAddress);
      await Promise.all([accepted, once(socket, 'secureConnect')]);
      await turns(10);
      w.c('secure', socket.connecting, socket.pending, socket.readyState, socket.remoteAddress);
      w.try('address', () => Object.keys(socket.address()));
      socket.destroy();
      ask('destroyed');
      await closed(socket);
      ask('closed');
      await closed((await accepted)[0] as TLSSocket);
    },
  },
  {
    name: 'information: enableTrace',
    across: true,
    async run(w) {
      const { client } = await w.pair();
      w.c('enableTrace', typeof client.enableTrace);
    },
  },
  {
    name: 'information: own properties, and what a socket is',
    across: true,
    async run(w) {
      const { client, server } = await w.pair();
      for (const [side, socket, module] of [
        ['client', client, w.client],
        ['server', server, w.server],
      ] as const) {
        w.try(
          'is',
          () => [socket instanceof module.TLSSocket, socket.constructor.name, Object.prototype.toString.call(socket)],
          side,
        );
        w.try(
          'flags',
          () => [socket.encrypted, socket.readable, socket.writable, socket.allowHalfOpen, socket.readyState],
          side,
        );
        w.try(
          'marks',
          () => [
            socket.readableHighWaterMark,
            socket.writableHighWaterMark,
            socket.writableLength,
            socket.readableLength,
          ],
          side,
        );
        w.try('server', () => typeof (socket as unknown as { server: unknown }).server, side);
        w.try(
          'names',
          () =>
            Object.getOwnPropertyNames(module.TLSSocket.prototype)
              .filter((name) => !name.startsWith('_'))
              .filter((name) => !(name in socket)),
          side,
        );
      }
      w.c('instanceof net.Server', w.server.Server.prototype instanceof (await import('node:net')).Server);
      client.end();
      await closed(client, server);
    },
  },
  {
    name: 'information: labels of keylog lines',
    across: true,
    async run(w) {
      const server = await w.listen();
      const lines: Record<'client' | 'server', string[]> = { client: [], server: [] };
      server.on('keylog', (line, socket) => {
        w.s('keylog', line.toString().endsWith('\n'), Buffer.isBuffer(line), socket instanceof w.server.TLSSocket);
        lines.server.push(line.toString().split(' ')[0]!);
      });
      const accepted = once(server, 'secureConnection');
      const socket = w.connect(server);
      socket.on('keylog', (line) => {
        const [label, ...secrets] = line.toString().split(' ');
        lines.client.push(`${label} ${secrets.map(({ length }) => length)}`);
      });
      await Promise.all([once(socket, 'secureConnect'), accepted]);
      // In which order keys are logged is up to the library.
      w.c('lines', lines.client.sort());
      w.s('lines', lines.server.sort());
    },
  },
  shown('a server with few names', 'server'),
  shown('an RSA certificate with all kinds of names', 'rsa'),
  shown('a chain', 'leaf'),
  shown('a self-signed one', 'self'),
  shown('one without names', 'named'),
  {
    name: 'information: getPeerCertificate without a certificate',
    across: true,
    async run(w) {
      const { client, server } = await w.pair({ ca: fixture('ca.pem') });
      w.try('plain', () => server.getPeerCertificate(), 'server');
      w.try('detailed', () => server.getPeerCertificate(true), 'server');
      w.try('X509', () => server.getPeerX509Certificate(), 'server');
      w.try('own of the client', () => client.getCertificate());
      w.try('own X509 of the client', () => client.getX509Certificate());
      client.end();
      await closed(client, server);
    },
  },
];
