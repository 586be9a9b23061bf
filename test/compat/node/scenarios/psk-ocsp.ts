/** External PSKs, and stapled OCSP answers. */
import type { ConnectionOptions, TlsOptions } from 'node:tls';
import { closed, either, identity, once, type Scenario } from '../scenario.ts';

const KEY = Buffer.alloc(32, 5);

/** A connection with these callbacks. */
function psk(name: string, server: TlsOptions, client: ConnectionOptions, more: Partial<Scenario> = {}): Scenario {
  return {
    ...more,
    name: `PSK: ${name}`,
    across: true,
    async run(w) {
      const listener = await w.serve(w.server.createServer({ minVersion: 'TLSv1.3', ...server }), (socket) => {
        w.state(socket, 'server');
        w.s('peer', socket.getPeerCertificate());
        socket.end();
      });
      const served = either(listener, 'secureConnection', 'tlsClientError');
      const socket = w.connect(listener, { minVersion: 'TLSv1.3', ...client });
      socket.on('secureConnect', () => {
        w.state(socket);
        w.c('peer', socket.getPeerCertificate(), socket.isSessionReused());
      });
      socket.resume();
      await closed(socket);
      await Promise.race([served, once(listener, 'close')]).catch(() => w.s('nothing'));
    },
  };
}

const suites = { ciphers: 'TLS_AES_128_GCM_SHA256' };

export const pskAndOcsp: readonly Scenario[] = [
  psk(
    'both know it',
    { ...suites, pskCallback: (_socket, name) => (name === 'me' ? KEY : null) },
    { ...suites, pskCallback: () => ({ psk: KEY, identity: 'me' }), checkServerIdentity: () => undefined },
    {
      differs: {
        reason: 'isSessionReused is about tickets; and who knows a PSK has proved who it is',
        lines: /^(peer|state)/,
        ours: /^peer \{\} false/,
      },
    },
  ),
  psk(
    'the server does not know the name, and has a certificate',
    { ...suites, ...identity('server'), pskCallback: () => null },
    { ...suites, pskCallback: () => ({ psk: KEY, identity: 'me' }) },
  ),
  psk(
    'another key',
    { ...suites, pskCallback: () => Buffer.alloc(32, 6) },
    { ...suites, pskCallback: () => ({ psk: KEY, identity: 'me' }), checkServerIdentity: () => undefined },
    {
      differs: {
        reason: 'the alert about a wrong binder is decrypt_error, as with OpenSSL since 3.5',
        lines: /^error/,
        ours: /^error Error, ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR/,
        in: (release) => release < 22,
      },
    },
  ),
  psk(
    'the client has none',
    { ...suites, ...identity('server'), pskCallback: () => KEY },
    { ...suites, pskCallback: () => null as never },
  ),
  {
    name: 'PSK: arguments of the callbacks',
    across: true,
    async run(w) {
      const listener = await w.serve(
        w.server.createServer({
          ...suites,
          minVersion: 'TLSv1.3',
          pskCallback(this: unknown, socket: unknown, name: string, ...more: unknown[]) {
            w.s('pskCallback', name, socket instanceof w.server.TLSSocket, more.length);
            return KEY;
          },
          pskIdentityHint: 'a hint',
        } as TlsOptions),
        (socket) => socket.end(),
      );
      const socket = w.connect(listener, {
        ...suites,
        minVersion: 'TLSv1.3',
        checkServerIdentity: () => undefined,
        pskCallback(hint: string | null, ...more: unknown[]) {
          w.c('pskCallback', hint, more.length);
          return { psk: KEY, identity: 'mé' };
        },
      } as ConnectionOptions);
      socket.resume();
      await closed(socket);
    },
  },
  ...(
    [
      ['psk that is no Buffer', { psk: 'x', identity: 'me' }],
      ['identity that is no text', { psk: KEY, identity: 5 }],
      ['a number', 5],
    ] as const
  ).map(
    ([name, value]): Scenario => ({
      name: `PSK: the client’s callback gives ${name}`,
      differs: {
        reason: 'the callback is asked while TCP connects, so that a mistake is known before',
        lines: /^(connect|ready|tlsClientError)/,
        ours: /^error TypeError/,
      },
      async run(w) {
        const listener = await w.serve(
          w.server.createServer({ ...suites, minVersion: 'TLSv1.3', pskCallback: () => KEY }),
        );
        const thrown: Error[] = [];
        const listener2 = (error: Error): void => void thrown.push(error);
        process.on('uncaughtException', listener2);
        try {
          const socket = w.connect(listener, { ...suites, minVersion: 'TLSv1.3', pskCallback: () => value as never });
          await Promise.race([closed(socket), new Promise((resolve) => setTimeout(resolve, 200))]);
          w.c('thrown', ...thrown);
        } finally {
          process.removeListener('uncaughtException', listener2);
        }
      },
    }),
  ),
  {
    name: 'OCSP: asked and answered',
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) => socket.end());
      server.on('OCSPRequest', (certificate, issuer, done) => {
        w.s(
          'OCSPRequest',
          Buffer.isBuffer(certificate),
          certificate.length,
          issuer === null ? null : Buffer.isBuffer(issuer),
          typeof done,
        );
        setImmediate(() => done(null, Buffer.from('the answer')));
      });
      const socket = w.connect(server, { requestOCSP: true });
      socket.on('OCSPResponse', (answer) => w.c('OCSPResponse', answer?.toString()));
      socket.resume();
      await closed(socket);
    },
  },
  {
    name: 'OCSP: the server is given its issuer',
    across: true,
    async run(w) {
      const { cert, key } = identity('server');
      const server = await w.listen({ cert, key, ca: (await import('../scenario.ts')).ca }, (socket) => socket.end());
      server.on('OCSPRequest', (certificate, issuer, done) => {
        w.s('OCSPRequest', certificate.length, issuer?.length ?? null);
        done(null, null as never);
      });
      const socket = w.connect(server, { requestOCSP: true });
      socket.on('OCSPResponse', (answer) => w.c('OCSPResponse', answer));
      socket.resume();
      await closed(socket);
    },
  },
  {
    name: 'OCSP: asked, and nobody answers',
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) => socket.end());
      const socket = w.connect(server, { requestOCSP: true });
      socket.on('OCSPResponse', (answer) => w.c('OCSPResponse', answer));
      socket.resume();
      await closed(socket);
    },
  },
  {
    name: 'OCSP: the listener gives an error',
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) => socket.end());
      const failed = once(server, 'tlsClientError');
      server.on('OCSPRequest', (_certificate, _issuer, done) =>
        done(Object.assign(new Error('no answer today'), { code: 'EMINE' }), null as never),
      );
      const socket = w.connect(server, { requestOCSP: true });
      socket.on('OCSPResponse', (answer) => w.c('OCSPResponse', answer));
      socket.resume();
      await closed(socket);
      await failed;
    },
  },
  {
    name: 'OCSP: not asked',
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) => socket.end());
      server.on('OCSPRequest', () => w.s('OCSPRequest'));
      const socket = w.connect(server);
      socket.on('OCSPResponse', (answer) => w.c('OCSPResponse', answer));
      socket.resume();
      await closed(socket);
    },
  },
];
