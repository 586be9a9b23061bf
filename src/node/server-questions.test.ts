import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { before, describe, test } from 'node:test';
import * as nodeTls from 'node:tls';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import * as ourTls from './index.ts';

let server: TestIdentity;
let other: TestIdentity;
before(async () => {
  server = await makeIdentity('p256', ['localhost']);
  other = await makeIdentity('p256', ['other.test', '*.other.test']);
});

/** The same program with node:tls and with ours, but for the types: what it gives must be the same. */
type Tls = typeof nodeTls;
const OURS = ourTls as unknown as Tls;

interface Scenario {
  readonly name: string;
  readonly server: (tls: Tls) => object;
  readonly client?: nodeTls.ConnectionOptions | undefined;
  readonly prepare?: (listener: nodeTls.Server, tls: Tls) => void;
  /** Where ours is another on purpose. */
  readonly ours?: readonly string[];
}

const otherOptions = (): { cert: string; key: string } => ({ cert: other.certificatePem, key: other.keyPem });
const otherContext = (tls: Tls): nodeTls.SecureContext => tls.createSecureContext(otherOptions());
const named = (servername: string): nodeTls.ConnectionOptions => ({ servername });

/** What client and server see, in an order that does not depend on the speed of either. The client is that of node:tls. */
async function play(tls: Tls, { server: options, client = {}, prepare }: Scenario): Promise<readonly string[]> {
  const log: string[] = [];
  let listener: nodeTls.Server;
  try {
    listener = tls.createServer({ cert: server.certificatePem, key: server.keyPem, ...options(tls) });
    prepare?.(listener, tls);
  } catch (error) {
    const { code, name, message } = error as Error & { code?: string };
    return [`throws ${code} ${name} ${message.split('\n')[0]}`];
  }
  listener.on('tlsClientError', (error: Error & { code?: string }, socket) => {
    const message = error.code?.startsWith('ERR_SSL_') ? '' : (error?.message ?? String(error));
    log.push(`tlsClientError ${error.code} ${message} destroyed=${socket.destroyed}`);
  });
  listener.on('secureConnection', (socket) => {
    const isOf = (socket as { server?: unknown }).server === listener;
    log.push(`secureConnection ${socket.servername} ${socket.alpnProtocol} paused=${socket.isPaused()} server=${isOf}`);
    socket.end();
    socket.resume();
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const socket = nodeTls.connect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    ...client,
  });
  socket.on('secureConnect', () => log.push(`client secure ${socket.getPeerCertificate()?.subjectaltname}`));
  socket.on('error', (error: Error & { code?: string }) => log.push(`client error ${error.code}`));
  socket.resume();
  await once(socket, 'close').catch(() => once(socket, 'close'));
  listener.close();
  await once(listener, 'close');
  return log.sort();
}

const psk = Buffer.from('d731ef57be09e5204f0b205b60627028', 'hex');
const pskClient: nodeTls.ConnectionOptions = {
  pskCallback: () => ({ psk, identity: 'alice' }),
  checkServerIdentity: () => undefined,
};
const noCertificate = { cert: undefined, key: undefined };
const NO_CONTEXT = ['client error ECONNRESET', 'tlsClientError undefined Invalid SNI context destroyed=true'];

const SCENARIOS: readonly Scenario[] = [
  ...[5, 'x', {}, null, undefined].flatMap((value) =>
    ['SNICallback', 'pskCallback'].map((option) => ({
      name: `${option} ${JSON.stringify(value)}`,
      server: () => ({ [option]: value }),
      client: named('other.test'),
    })),
  ),
  { name: 'a hint that is no string', server: () => ({ pskIdentityHint: 5 }) },
  { name: 'a handshakeTimeout that is no number', server: () => ({ handshakeTimeout: 'soon' }) },
  { name: 'a handshakeTimeout of 0', server: () => ({ handshakeTimeout: 0 }) },
  { name: 'a sessionTimeout below 0', server: () => ({ sessionTimeout: -1 }) },
  { name: 'a sessionTimeout that is no integer', server: () => ({ sessionTimeout: 1.5 }) },
  { name: 'a sessionTimeout that is no number', server: () => ({ sessionTimeout: 'x' }) },
  { name: 'a sessionTimeout of 0', server: () => ({ sessionTimeout: 0 }) },
  { name: 'a sessionTimeout of years', server: () => ({ sessionTimeout: 1e9 }) },
  { name: 'a sessionIdContext', server: () => ({ sessionIdContext: 'a' }) },
  { name: 'a sessionIdContext that is no string', server: () => ({ sessionIdContext: 5 }) },
  { name: 'ticketKeys that are no bytes', server: () => ({ ticketKeys: 'x' }) },
  { name: 'pauseOnConnect', server: () => ({ pauseOnConnect: true }) },
  { name: 'allowHalfOpen', server: () => ({ allowHalfOpen: true }) },
  { name: 'no certificate', server: () => noCertificate },

  {
    name: 'SNICallback gives a context',
    server: (tls) => ({ SNICallback: (_: string, cb: NodeCallback) => cb(null, otherContext(tls)) }),
    client: named('other.test'),
  },
  {
    name: 'SNICallback gives a context later',
    server: (tls) => ({ SNICallback: (_: string, cb: NodeCallback) => setImmediate(cb, null, otherContext(tls)) }),
    client: named('other.test'),
  },
  {
    name: 'SNICallback is async, and calls back',
    server: (tls) => ({
      SNICallback: async (_: string, cb: NodeCallback) => {
        await new Promise(setImmediate);
        cb(null, otherContext(tls));
      },
    }),
    client: named('other.test'),
  },
  {
    name: 'SNICallback is called on the socket',
    server: () => ({
      SNICallback(this: nodeTls.TLSSocket, name: string, callback: NodeCallback) {
        callback(new Error(`${this.constructor.name} ${name}`));
      },
    }),
    client: named('a.test'),
  },
  {
    name: 'ALPNCallback is called on the socket',
    server: () => ({
      ALPNCallback(this: nodeTls.TLSSocket) {
        throw new Error(this.constructor.name);
      },
    }),
    client: { ...named('a.test'), ALPNProtocols: ['x'] },
  },
  { name: 'SNICallback gives null', server: () => ({ SNICallback: giving(null, null) }), client: named('a.test') },
  { name: 'SNICallback gives nothing', server: () => ({ SNICallback: giving() }), client: named('a.test') },
  { name: 'SNICallback gives {}', server: () => ({ SNICallback: giving(null, {}) }), client: named('a.test') },
  ...['x', 5, true, { context: 1 }].map((value) => ({
    name: `SNICallback gives ${JSON.stringify(value)}`,
    server: () => ({ SNICallback: giving(null, value) }),
    client: named('a.test'),
    ours: NO_CONTEXT,
  })),
  {
    name: 'SNICallback gives a context of the other module',
    server: (tls) => ({ SNICallback: giving(null, otherContext(tls === OURS ? nodeTls : OURS)) }),
    client: named('a.test'),
    ours: NO_CONTEXT,
  },
  {
    name: 'SNICallback gives an error',
    server: () => ({ SNICallback: giving(new Error('no')) }),
    client: named('a.test'),
  },
  {
    name: 'SNICallback gives a string as error',
    server: () => ({ SNICallback: giving('no') }),
    client: named('a.test'),
  },
  { name: 'SNICallback throws', server: () => ({ SNICallback: throwing }), client: named('a.test') },
  {
    name: 'SNICallback calls back twice',
    server: () => ({
      SNICallback: (_: string, cb: NodeCallback) => {
        cb();
        cb();
      },
    }),
    client: named('a.test'),
    // From Node 24 on, the flight is on its way by then.
    ours: [
      'client error ECONNRESET',
      'tlsClientError ERR_MULTIPLE_CALLBACK Callback called multiple times destroyed=true',
    ],
  },
  { name: 'SNICallback is not asked without a name', server: () => ({ SNICallback: throwing }) },
  {
    name: 'SNICallback wins over addContext',
    server: () => ({ SNICallback: giving() }),
    prepare: (listener) => listener.addContext('other.test', otherOptions()),
    client: named('other.test'),
  },

  ...(
    [
      ['other.test', 'other.test'],
      ['other.test', 'a.other.test'],
      ['*.other.test', 'a.other.test'],
      ['*.other.test', 'b.a.other.test'],
      ['*.other.test', 'other.test'],
      ['*.other.test', '.other.test'],
      ['b.*.other.test', 'b.a.other.test'],
      ['f*l.other.test', 'fool.other.test'],
      ['f*l.other.test', 'f.l.other.test'],
      ['*', 'other'],
      ['*', 'other.test'],
      ['other.test', 'other.test.evil'],
      ['other.test', 'otherXtest'],
      ['a+.other.test', 'aa.other.test'],
      ['(a).other.test', 'a.other.test', false],
      ['a|other.test', 'other.test', false],
      // Of names, case does not count; to Node before its releases of June 2026 it did (CVE-2026-48928).
      ['other.test', 'OTHER.test', true],
      ['*.OTHER.test', 'a.other.TEST', true],
    ] as const
  ).map(([pattern, name, ours]) => ({
    name: `addContext ${pattern} for ${name}`,
    server: () => ({}),
    prepare: (listener: nodeTls.Server): void => listener.addContext(pattern, otherOptions()),
    client: named(name),
    ...(ours !== undefined && { ours: servedBy(name, ours) }),
  })),
  {
    name: 'addContext with a context',
    server: () => ({}),
    prepare: (listener, tls) => listener.addContext('other.test', otherContext(tls) as never),
    client: named('other.test'),
  },
  {
    name: 'addContext: the newest counts',
    server: () => ({}),
    prepare: (listener) => {
      listener.addContext('other.test', otherOptions());
      listener.addContext('*.test', { cert: server.certificatePem, key: server.keyPem });
    },
    client: named('other.test'),
  },
  { name: 'addContext without a name', server: () => ({}), prepare: (listener) => listener.addContext('', {}) },
  {
    name: 'addContext without a certificate: that of the server',
    server: () => ({}),
    prepare: (listener) => listener.addContext('other.test', {}),
    client: named('other.test'),
  },

  { name: 'ALPN in common', server: () => ({ ALPNProtocols: ['h2', 'x'] }), client: { ALPNProtocols: ['x', 'h2'] } },
  { name: 'ALPN not in common', server: () => ({ ALPNProtocols: ['h2'] }), client: { ALPNProtocols: ['x'] } },
  { name: 'no ALPN offered', server: () => ({ ALPNProtocols: ['h2'] }) },
  { name: 'an empty list', server: () => ({ ALPNProtocols: [] }), client: { ALPNProtocols: ['x'] } },
  ...[undefined, null, 'y', 'z', ''].map((answer) => ({
    name: `ALPNCallback gives ${JSON.stringify(answer)}`,
    server: () => ({ ALPNCallback: () => answer }),
    client: { ALPNProtocols: ['x', 'y'], ...named('a.test') },
  })),
  ...[named('a.test'), {}].map((client) => ({
    name: `ALPNCallback is asked, name ${JSON.stringify(client)}`,
    server: () => ({ ALPNCallback: (question: object) => JSON.stringify(question) }),
    client: { ALPNProtocols: ['x', 'y'], ...client },
  })),
  { name: 'ALPNCallback throws', server: () => ({ ALPNCallback: throwing }), client: { ALPNProtocols: ['x'] } },
  { name: 'ALPNCallback is not asked without an offer', server: () => ({ ALPNCallback: throwing }) },
  { name: 'ALPNCallback with ALPNProtocols', server: () => ({ ALPNCallback: throwing, ALPNProtocols: ['a'] }) },

  { name: 'pskCallback gives bytes', server: () => ({ ...noCertificate, pskCallback: () => psk }), client: pskClient },
  {
    name: 'pskCallback gives an object',
    server: () => ({ ...noCertificate, pskIdentityHint: 'hint', pskCallback: () => ({ psk }) }),
    client: pskClient,
  },
  {
    name: 'pskCallback is asked',
    server: () => ({
      ...noCertificate,
      pskCallback: (socket: nodeTls.TLSSocket, identity: string) => {
        throw new Error(`${socket.constructor.name} ${identity}`);
      },
    }),
    client: pskClient,
  },
  { name: 'pskCallback gives null', server: () => ({ pskCallback: () => null }), client: pskClient },
  { name: 'pskCallback gives a string', server: () => ({ pskCallback: () => 'abc' }), client: pskClient },
  {
    name: 'pskCallback gives { psk: string }',
    server: () => ({ pskCallback: () => ({ psk: 'abc' }) }),
    client: pskClient,
  },
  {
    name: 'pskCallback gives another key',
    server: () => ({ pskCallback: () => Buffer.alloc(16, 1) }),
    client: pskClient,
    // OpenSSL prefers a cipher suite that the PSK is not for, and so never gets to see that it is wrong.
    ours: [
      'client error ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR',
      'tlsClientError ERR_SSL_BINDER_DOES_NOT_VERIFY  destroyed=true',
    ],
  },

  {
    name: 'OCSPRequest is not emitted for a client that does not ask',
    server: () => ({}),
    prepare: (listener) => listener.on('OCSPRequest', throwing),
  },
  {
    name: 'OCSPRequest gives an error',
    server: () => ({}),
    client: { requestOCSP: true } as nodeTls.ConnectionOptions,
    prepare: (listener) =>
      listener.on('OCSPRequest', (_certificate, _issuer, callback) => callback(new Error('no'), null as never)),
  },
];

type NodeCallback = (error?: unknown, context?: unknown) => void;

function giving(...answer: readonly unknown[]): (name: string, callback: NodeCallback) => void {
  return (_name, callback) => callback(...answer);
}

function throwing(): never {
  throw new Error('thrown');
}

function servedBy(name: string, byOther: boolean): readonly string[] {
  const names = byOther ? 'DNS:other.test, DNS:*.other.test' : 'DNS:localhost';
  return [`client secure ${names}`, `secureConnection ${name} false paused=false server=true`];
}

describe('a server does as that of node:tls', () => {
  for (const scenario of SCENARIOS) {
    test(scenario.name, async () => {
      const ours = await play(OURS, scenario);
      assert.notEqual(ours.length, 0);
      assert.deepEqual(ours, scenario.ours ?? (await play(nodeTls, scenario)));
    });
  }
});
