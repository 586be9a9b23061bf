/** Peers that speak something else, or leave. */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { ca, closed, once, type Scenario, type World } from '../scenario.ts';

/** A server that is sent these bytes, and closed by whom they came from. */
function sent(name: string, bytes: Buffer | string, more: Partial<Scenario> = {}): Scenario {
  return {
    name: `failures: a server gets ${name}`,
    async run(w) {
      const server = await w.listen();
      const failed = once(server, 'tlsClientError');
      const raw = await w.raw(server);
      let got = Buffer.alloc(0);
      raw.on('data', (data) => {
        got = Buffer.concat([got, data]);
      });
      raw.end(bytes);
      await failed;
      await (raw.closed ? undefined : once(raw, 'close'));
      w.c('answer', got);
    },
    ...more,
  };
}

/** A client whose server does this. */
function met(name: string, act: (socket: Socket, w: World) => void, more: Partial<Scenario> = {}): Scenario {
  return {
    name: `failures: a client’s server ${name}`,
    async run(w) {
      const tcp = await w.tcp((socket) => act(socket, w));
      const client = w.connect(tcp);
      await closed(client);
      w.state(client);
      w.c('closed', client.destroyed, client.readyState);
    },
    ...more,
  };
}

const helloOf = (version: number): Buffer =>
  Buffer.from(
    `160301002f0100002b0303${'00'.repeat(32)}000004130113020100`.slice(0, 18) +
      version.toString(16).padStart(4, '0') +
      `${'00'.repeat(32)}000004130113020100`,
    'hex',
  );

const ANSWER = {
  reason: 'whatever is no TLS is answered with an alert',
  lines: /^answer/,
  ours: /^answer <Buffer 15 03 03 00 02 02/,
};
const CANCELED = {
  reason: 'user_canceled is a warning, with which a close begins (RFC 9846, section 6.1)',
  lines: /^(end|error)/,
  ours: /^error Error, ECONNRESET/,
};
const CODE = {
  reason: 'the code of a record that cannot be is another one, for a TLS 1.3 server looks at its type first',
  lines: /^tlsClientError/,
  ours: /^tlsClientError Error, ERR_SSL_(WRONG_VERSION_NUMBER|ENCRYPTED_LENGTH_TOO_LONG)/,
};

export const failures: readonly Scenario[] = [
  sent('plain HTTP', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', { differs: ANSWER }),
  sent('garbage', Buffer.alloc(100, 0xff), { differs: ANSWER }),
  sent('zeros', Buffer.alloc(100), { differs: ANSWER }),
  sent('nothing', ''),
  sent('half a record', Buffer.from('1603010200', 'hex')),
  sent('an alert', Buffer.from('15030100020228', 'hex'), {
    differs: {
      reason: 'an alert is taken for one, also when it comes first, and is not answered',
      lines: /^(answer|tlsClientError)/,
      ours: /^tlsClientError Error, ERR_SSL_.*_ALERT_HANDSHAKE_FAILURE/,
    },
  }),
  sent('application data', Buffer.concat([Buffer.from('1703030020', 'hex'), Buffer.alloc(32)]), { differs: CODE }),
  sent('a record too long', Buffer.from('160301ffff', 'hex'), { differs: CODE }),
  sent('a hello cut short', helloOf(0x0303).subarray(0, 20)),
  met('speaks plain HTTP', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  met('speaks garbage', (socket) => socket.end(Buffer.alloc(100, 0xff))),
  met('ends at once', (socket) => socket.end()),
  met('ends after the hello', (socket) => socket.once('data', () => socket.end())),
  met('is destroyed after the hello', (socket) => socket.once('data', () => socket.destroy())),
  met('resets after the hello', (socket) => socket.once('data', () => socket.resetAndDestroy())),
  ...[
    [10, 'unexpected_message'],
    [20, 'bad_record_mac'],
    [40, 'handshake_failure'],
    [42, 'bad_certificate'],
    [43, 'unsupported_certificate'],
    [44, 'certificate_revoked'],
    [45, 'certificate_expired'],
    [46, 'certificate_unknown'],
    [47, 'illegal_parameter'],
    [48, 'unknown_ca'],
    [49, 'access_denied'],
    [50, 'decode_error'],
    [51, 'decrypt_error'],
    [70, 'protocol_version'],
    [71, 'insufficient_security'],
    [80, 'internal_error'],
    [86, 'inappropriate_fallback'],
    [90, 'user_canceled'],
    [109, 'missing_extension'],
    [110, 'unsupported_extension'],
    [112, 'unrecognized_name'],
    [113, 'bad_certificate_status_response'],
    [115, 'unknown_psk_identity'],
    [116, 'certificate_required'],
    [120, 'no_application_protocol'],
    [0, 'close_notify'],
  ].map(([code, name]) =>
    met(
      `sends the alert ${name}`,
      (socket) => socket.once('data', () => socket.end(Buffer.from([21, 3, 3, 0, 2, 2, code as number]))),
      name === 'user_canceled' ? { differs: CANCELED } : {},
    ),
  ),
  {
    name: 'failures: a server that has TLS 1.2 only',
    async run(w) {
      // The refusal as a TLS 1.2 server sends it when the client has TLS 1.3 only.
      const tcp = await w.tcp((socket) => socket.once('data', () => socket.end(Buffer.from('15030200020246', 'hex'))));
      const client = w.connect(tcp, { minVersion: 'TLSv1.3' });
      await closed(client);
    },
  },
  {
    name: 'failures: a client leaves in the handshake',
    differs: {
      reason: 'a client says with an alert why it refuses a server',
      lines: /^tlsClientError/,
      ours: /^tlsClientError Error, ERR_SSL_/,
    },
    across: true,
    async run(w) {
      const server = await w.listen();
      const failed = once(server, 'tlsClientError');
      const client = w.connect(server, { checkServerIdentity: () => new Error('no no no') });
      await closed(client);
      w.c('who', client.authorized, client.authorizationError);
      await Promise.race([failed, once(server, 'secureConnection')]);
    },
  },
  {
    name: 'failures: an exception in no listener: errors without one are thrown',
    async run(w) {
      const tcp = await w.tcp((socket) => socket.end());
      const client = w.keep(w.client.connect({ port: w.port(tcp), host: '127.0.0.1', ca }));
      const error = await new Promise<Error>((resolve) => client.once('error', resolve));
      w.c('error', error, 'host' in error, 'port' in error, 'localAddress' in error);
      await closed(client);
    },
  },
  {
    name: 'failures: records are spoilt after the handshake',
    differs: { reason: 'an error ends the connection, and `close` says so', lines: /^close/, ours: /^close true/ },
    across: true,
    async run(w) {
      const server = await w.listen();
      const accepted = once(server, 'secureConnection');
      const between = await w.between(server);
      const client = w.connect(between.port);
      await once(client, 'secureConnect');
      const [socket] = (await accepted) as [TLSSocket];
      socket.resume();
      client.resume();
      const failed = [once(client, 'error'), once(socket, 'error')];
      between.write(Buffer.concat([Buffer.from('1703030020', 'hex'), Buffer.alloc(32)]));
      await Promise.all(failed);
      client.destroy();
      socket.destroy();
      await closed(client, socket);
    },
  },
  {
    name: 'failures: the state of a socket after tlsClientError',
    differs: {
      reason: 'a server says with an alert why it refuses a client, and knows of a connection only what was proved',
      lines: /^(end|finish|error|close|state|socket true)/,
      ours: /^error Error, ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED/,
    },
    across: true,
    async run(w) {
      const server = await w.listen({ requestCert: true, ca }, () => {});
      server.removeAllListeners('tlsClientError');
      const told = new Promise<void>((resolve) => {
        server.on('tlsClientError', (error, socket) => {
          w.s('tlsClientError', error);
          w.state(socket, 'server');
          w.s(
            'socket',
            socket instanceof w.server.TLSSocket,
            socket.destroyed,
            socket.getProtocol(),
            socket.remoteAddress,
          );
          socket.on('error', (later) => w.s('socket error', later));
          socket.on('close', (hadError: boolean) => {
            w.s('socket close', hadError);
            resolve();
          });
        });
      });
      const client = w.connect(server, { minVersion: 'TLSv1.3' });
      client.resume();
      await closed(client);
      await told;
    },
  },
];
