import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { before, describe, mock, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import { Wire } from '../../test/support/wire.ts';
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  createServer,
  type Server,
  type TLSSocket,
} from './index.ts';

let identity: TestIdentity;
before(async () => {
  identity = await makeIdentity('ed25519', ['localhost']);
});

type Callback = (error?: unknown, answer?: unknown) => void;
/** A function of the program, whatever it is asked; `callback` where there is one. */
type Misdeed = (callback: Callback | undefined) => unknown;

/** What a function of a program can do wrong. */
const MISDEEDS: Readonly<Record<string, Misdeed>> = {
  throws: () => {
    throw coded('thrown');
  },
  'throws nothing': () => {
    throw undefined;
  },
  'throws later': async () => {
    await turn();
    throw coded('rejected');
  },
  'throws nothing later': async () => {
    await turn();
    throw undefined;
  },
  'gives an error': (callback) => (callback ? callback(coded('given')) : coded('given')),
  'gives nonsense': (callback) => (callback ? callback(null, 5) : 5),
  'gives nonsense later': async (callback) => {
    await turn();
    return callback ? callback(null, 5) : 5;
  },
  'calls back, then throws': (callback) => {
    callback?.();
    throw coded('thrown');
  },
  'calls back, then rejects': async (callback) => {
    callback?.();
    throw coded('rejected');
  },
  'calls back, then rejects later': async (callback) => {
    callback?.();
    await turn();
    throw coded('rejected');
  },
  'calls back twice': (callback) => {
    callback?.();
    callback?.();
  },
  'calls back twice later': (callback) => {
    setImmediate(() => {
      callback?.();
      callback?.();
    });
    return new Promise(() => {});
  },
  'never answers': () => new Promise(() => {}),
};

function coded(code: string): Error {
  return Object.assign(new Error(`the program has ${code}`), { code });
}

interface Question {
  readonly name: string;
  readonly server?: (misdeed: Misdeed) => object;
  readonly client?: (misdeed: Misdeed) => ConnectionOptions;
  readonly prepare?: (server: Server, misdeed: Misdeed) => void;
  /** It must answer at once: a promise is nonsense, and whether it is rejected is no business of ours. */
  readonly only?: readonly string[];
  /** Offer a ticket of before. */
  readonly resumes?: boolean;
}

const early = (change: object): object => ({
  earlyData: { maxSize: 1_000, guard: { guarantee: 'process', windowMs: 10_000, check: () => 'fresh' }, ...change },
});
const showing = (): ConnectionOptions => ({ cert: identity.certificatePem, key: identity.keyPem });
const asking = (): object => ({ ca: identity.certificatePem, requestCert: true });

const SYNC = [
  'throws',
  'throws nothing',
  'gives an error',
  'gives nonsense',
  'calls back twice',
  'calls back twice later',
  'never answers',
];

const QUESTIONS: readonly Question[] = [
  { name: 'SNICallback', server: (m) => ({ SNICallback: (_: string, callback: Callback) => m(callback) }) },
  {
    name: 'ALPNCallback',
    server: (m) => ({ ALPNCallback: () => m(undefined) }),
    client: () => ({ ALPNProtocols: ['x'] }),
  },
  { name: 'pskCallback', server: (m) => ({ pskCallback: () => m(undefined) }), client: pskClient },
  { name: 'findPsk', server: (m) => ({ findPsk: () => m(undefined) }), client: pskClient },
  { name: 'sign of a server', server: (m) => ({ key: { schemes: [0x0807], sign: () => m(undefined) } }) },
  {
    name: 'verifyPeer of a server',
    server: (m) => ({ requestCert: true, verifyPeer: () => m(undefined) }),
    client: showing,
  },
  {
    name: 'OCSPRequest',
    prepare: (server, m) => server.on('OCSPRequest', (_certificate, _issuer, callback) => m(callback)),
    client: () => ({ requestOCSP: true }),
  },
  {
    name: 'newSession',
    only: SYNC,
    prepare: (server, m) => server.on('newSession', (_id, _data, callback) => m(callback)),
  },
  {
    name: 'resumeSession',
    only: SYNC,
    resumes: true,
    prepare: (server, m) => {
      const kept = new Map<string, Buffer>();
      server.on('newSession', (id, data, callback) => {
        kept.set(id.toString('hex'), data);
        callback();
      });
      server.on('resumeSession', (_id, callback) => m(callback));
    },
  },
  { name: 'onPresented', resumes: true, server: (m) => ({ tickets: { onPresented: () => m(undefined) } }) },
  {
    name: 'guard',
    resumes: true,
    server: (m) => early({ guard: { guarantee: 'process', windowMs: 10_000, check: () => m(undefined) } }),
  },
  { name: 'allow', resumes: true, server: (m) => early({ allow: () => m(undefined) }) },
  { name: 'checkServerIdentity', client: (m) => ({ checkServerIdentity: () => m(undefined) as Error }) },
  { name: 'verifyPeer of a client', client: (m) => ({ verifyPeer: () => m(undefined) as never }) },
  {
    name: 'sign of a client',
    server: asking,
    client: (m) => ({ ...showing(), key: { schemes: [0x0807], sign: () => m(undefined) as never } }),
  },
  { name: 'pskCallback of a client', only: SYNC, client: (m) => ({ pskCallback: () => m(undefined) as never }) },
  {
    name: 'earlyData of a client',
    only: SYNC,
    resumes: true,
    client: (m) => ({ earlyData: () => m(undefined) as never }),
  },
];

function pskClient(): ConnectionOptions {
  return { pskCallback: () => ({ psk: Buffer.alloc(16, 1), identity: 'alice' }) };
}

const TIMEOUT_MS = 10_000;

async function settled(socket: TLSSocket): Promise<void> {
  for (let i = 0; i < 50 && !socket.closed; i++) await turn();
  await turn();
}

interface Outcome {
  readonly client: string[];
  readonly server: string[];
}

async function play(
  { server: serverOptions, client, prepare, resumes }: Question,
  misdeed: Misdeed,
  gone = false,
): Promise<Outcome> {
  const heard: Outcome = { client: [], server: [] };
  const answers: (() => void)[] = [];
  let asked = false;
  let honest = resumes === true;
  // What is answered late, after all is over.
  const asking: Misdeed = (callback) => {
    if (honest) return callback ? callback(null) : undefined;
    asked = true;
    return gone
      ? new Promise((resolve) =>
          answers.push(() => {
            callback?.(null);
            resolve(undefined);
          }),
        )
      : misdeed(callback);
  };
  const server = createServer({
    cert: identity.certificatePem,
    key: identity.keyPem,
    handshakeTimeout: TIMEOUT_MS,
    ...early({}),
    ...serverOptions?.(asking),
  });
  prepare?.(server, asking);
  server.on('earlyData', () => {});
  server.on('tlsClientError', (error: (Error & { code?: string; alert?: string }) | undefined) =>
    heard.server.push(`failure ${error?.code} ${error?.alert ?? ''}`),
  );
  server.on('secureConnection', (socket) => {
    heard.server.push('secure');
    socket.on('data', (bytes: Buffer) => socket.write(bytes));
    socket.on('error', (error: Error & { code?: string }) => heard.server.push(`error ${error.code}`));
    socket.on('close', () => heard.server.push('close'));
  });
  const secureContext = createSecureContext({ ca: identity.certificatePem });
  let session: Buffer | undefined;
  if (resumes) {
    const wire = new Wire();
    server.emit('connection', wire.server);
    const socket = connect({ socket: wire.client, servername: 'localhost', secureContext });
    socket.on('error', () => {});
    [session] = await Promise.race([
      once(socket, 'session') as Promise<[Buffer]>,
      once(socket, 'close').then(() => [undefined] as const),
    ]);
    socket.destroy();
    await turn();
    heard.server.length = 0;
    honest = false;
  }
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const wire = new Wire();
    server.emit('connection', wire.server);
    const options = { ...(session && { session, earlyData: 'early' }), ...client?.(asking) };
    const own = options.cert !== undefined || options.verifyPeer !== undefined;
    const socket = connect({
      socket: wire.client,
      servername: 'localhost',
      handshakeTimeout: TIMEOUT_MS,
      ...(own ? { ca: identity.certificatePem } : { secureContext }),
      ...options,
    });
    socket.on('secureConnect', () => heard.client.push('secure'));
    socket.on('error', (error: Error & { code?: string; alert?: string }) =>
      heard.client.push(`error ${error?.code} ${error?.alert ?? ''}`),
    );
    socket.on('data', () => socket.end());
    socket.on('close', () => heard.client.push('close'));
    socket.write('ping');
    const began = performance.now();
    while (!asked && performance.now() - began < 5_000) await turn();
    await settled(socket);
    if (gone) {
      socket.destroy();
      wire.server.destroy();
      await settled(socket);
      for (const answer of answers) answer();
    }
    for (const milliseconds of [1_000, 2_000, 3_000, TIMEOUT_MS]) {
      mock.timers.tick(milliseconds);
      await settled(socket);
    }
    assert.ok(asked, 'the program was asked');
    assert.ok(
      socket.destroyed && wire.client.destroyed && wire.server.destroyed,
      `still open: ${JSON.stringify(heard)}`,
    );
    assert.deepEqual(wire.server.eventNames(), []);
  } finally {
    mock.timers.reset();
  }
  return heard;
}

/**
 * What became of the connection, in a few words: the code, and the alert, that its side reports. The other side has seen just that: the alert, or a
 * connection that breaks.
 */
function verdictOn({ client, server }: Outcome, at: 'client' | 'server'): string {
  const [ours, theirs] = at === 'client' ? [client, server] : [server, client];
  const failures = ours.filter((line) => /^(?:error|failure)/.test(line));
  const seen = theirs.filter((line) => /^(?:error|failure)/.test(line));
  if (failures.length === 0) {
    assert.deepEqual([...client, ...server].sort(), ['close', 'close', 'secure', 'secure']);
    return 'goes on';
  }
  assert.equal(failures.length, 1);
  assert.ok(seen.length <= 1);
  assert.ok(!server.includes('secure'));
  const [, code, alert] = failures[0]!.split(' ');
  const broken = code === TIMEOUT ? [TIMEOUT, undefined] : ['ECONNRESET'];
  if (alert !== '') assert.equal(seen[0]!.split(' ')[2], alert);
  else assert.ok(broken.includes(seen[0]?.split(' ')[1]), String(theirs));
  return alert === '' ? code! : `${code} ${alert}`;
}

const TIMEOUT = 'ERR_TLS_HANDSHAKE_TIMEOUT';
const INTERNAL = 'ERR_TESSERA_LOCAL_FAILED internal_error';
const BAD_PSK = 'ERR_INVALID_ARG_TYPE';

/** As with node:tls: what the program threw is the error, and the peer sees the connection break. */
const BREAKS = {
  throws: 'thrown',
  'throws nothing': 'undefined',
  'throws later': 'rejected',
  'throws nothing later': 'undefined',
  'calls back, then throws': 'thrown',
  'calls back, then rejects': 'rejected',
  'calls back, then rejects later': 'rejected',
  'never answers': TIMEOUT,
} as const;
/** The same of those that are given a callback: the first answer counts. */
const CALLED = {
  ...BREAKS,
  'gives an error': 'given',
  'calls back, then rejects': 'goes on',
  'calls back, then rejects later': 'goes on',
  'calls back twice': 'ERR_MULTIPLE_CALLBACK',
  'calls back twice later': 'goes on',
} as const;
const each = (verdict: string): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.keys(MISDEEDS).map((what) => [what, verdict]));
/** A signer, a verifier: the peer is told. */
const TELLS = { ...each(INTERNAL), 'calls back twice later': TIMEOUT, 'never answers': TIMEOUT };
const REJECTS = {
  ...TELLS,
  'gives an error': 'given bad_certificate',
  'gives nonsense': 'CERT_REJECTED bad_certificate',
  'gives nonsense later': 'CERT_REJECTED bad_certificate',
  'calls back twice': 'CERT_REJECTED bad_certificate',
};
/** It is asked for something that a connection can be without. */
const CAN_DO_WITHOUT = each('goes on');

/** What each must come to, in each case. */
const EXPECTED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  SNICallback: { ...CALLED, 'gives nonsense': 'undefined', 'gives nonsense later': 'undefined' },
  ALPNCallback: {
    ...BREAKS,
    'gives an error': 'ERR_TLS_ALPN_CALLBACK_INVALID_RESULT',
    'gives nonsense': 'ERR_TLS_ALPN_CALLBACK_INVALID_RESULT',
    'gives nonsense later': 'ERR_TLS_ALPN_CALLBACK_INVALID_RESULT',
    'calls back twice': 'ERR_SSL_NO_APPLICATION_PROTOCOL no_application_protocol',
    'calls back twice later': TIMEOUT,
  },
  pskCallback: {
    ...CAN_DO_WITHOUT,
    ...BREAKS,
    'gives an error': BAD_PSK,
    'gives nonsense': BAD_PSK,
    'gives nonsense later': BAD_PSK,
    'never answers': 'goes on',
  },
  findPsk: {
    ...CAN_DO_WITHOUT,
    'gives an error': INTERNAL,
    'gives nonsense': INTERNAL,
    'gives nonsense later': INTERNAL,
  },
  'sign of a server': TELLS,
  'verifyPeer of a server': REJECTS,
  OCSPRequest: {
    ...CALLED,
    'gives nonsense': 'goes on',
    'gives nonsense later': 'goes on',
    'never answers': 'goes on',
  },
  newSession: CAN_DO_WITHOUT,
  resumeSession: { ...CALLED, 'gives nonsense': 'goes on', 'never answers': 'goes on' },
  onPresented: { ...CAN_DO_WITHOUT, 'gives an error': 'ERR_TESSERA_TICKET_REFUSED internal_error' },
  guard: CAN_DO_WITHOUT,
  allow: CAN_DO_WITHOUT,
  checkServerIdentity: {
    ...BREAKS,
    'gives an error': 'given certificate_unknown',
    'gives nonsense': 'undefined certificate_unknown',
    'gives nonsense later': 'undefined certificate_unknown',
    'calls back twice': 'goes on', // nothing: the name is right
    'calls back twice later': TIMEOUT,
  },
  'verifyPeer of a client': REJECTS,
  'sign of a client': TELLS,
  'pskCallback of a client': {
    ...BREAKS,
    'gives an error': BAD_PSK,
    'gives nonsense': BAD_PSK,
    'calls back twice': 'goes on',
    'calls back twice later': BAD_PSK,
    'never answers': BAD_PSK,
  },
  'earlyData of a client': {
    ...BREAKS,
    'gives an error': 'option.bad_early_data',
    'gives nonsense': 'option.bad_early_data',
    'calls back twice': 'goes on',
    'calls back twice later': 'option.bad_early_data',
    'never answers': 'option.bad_early_data',
  },
};

describe('whatever a function of the program does wrong ends one connection, once', () => {
  for (const question of QUESTIONS) {
    const { name, only = Object.keys(MISDEEDS) } = question;
    const side = question.client !== undefined && /client|check/.test(name) ? 'client' : 'server';
    for (const what of only) {
      test(`${name} ${what}`, async () => {
        assert.equal(verdictOn(await play(question, MISDEEDS[what]!), side), EXPECTED[name]![what]);
      });
    }
  }
});

describe('an answer that comes when all is over changes nothing', () => {
  for (const question of QUESTIONS) {
    if (question.only !== undefined) continue;
    test(question.name, async () => {
      const { client, server } = await play(question, () => {}, true);
      assert.equal(client.at(-1), 'close');
      assert.deepEqual(server, ['failure ECONNRESET ']);
    });
  }
});

test('what a listener throws is an uncaught exception, also where an answer of the program came before', async () => {
  // In a process of its own: here it would end the tests.
  const program = `
    import { connect, createServer } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
    const { cert, key } = JSON.parse(process.env.IDENTITY);
    process.on('uncaughtException', (error, origin) => console.log(origin, error.message));
    const server = createServer({ cert, key }).listen(0, '127.0.0.1', () => {
      const socket = connect({
        port: server.address().port, host: '127.0.0.1', servername: 'localhost', ca: cert,
        checkServerIdentity: () => new Promise((resolve) => setImmediate(resolve)),
      });
      socket.on('secureConnect', () => { throw new Error('of a listener'); });
      socket.on('data', (bytes) => { console.log(String(bytes)); socket.end(); server.close(); });
    });
    server.on('secureConnection', (socket) => { socket.resume(); socket.write('goes on'); });
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', program],
    { env: { ...process.env, IDENTITY: JSON.stringify({ cert: identity.certificatePem, key: identity.keyPem }) } },
  );
  assert.equal(stdout, 'uncaughtException of a listener\ngoes on\n');
});
