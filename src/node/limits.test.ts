/** What peers may cost a server or a client of ours, as options. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import { before, describe, type TestContext, test } from 'node:test';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import { Pipe } from '../../test/support/pipe.ts';
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  createServer,
  type Server,
  type TLSSocket,
  type TlsError,
  type TlsOptions,
} from './index.ts';

let identity: TestIdentity;
before(async () => {
  identity = await makeIdentity();
});

const credentials = () => ({ cert: identity.certificatePem, key: identity.keyPem });
const trust = () => ({ host: '127.0.0.1', servername: 'localhost', ca: identity.certificatePem });

async function listen(t: TestContext, options: TlsOptions = {}): Promise<{ server: Server; port: number }> {
  const server = createServer({ ...credentials(), ...options });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

/** A client that says nothing. Resolves when the server has it. */
async function silent(t: TestContext, { server, port }: { server: Server; port: number }): Promise<Socket> {
  const accepted = once(server, 'connection');
  const socket = connectTcp(port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  await Promise.all([once(socket, 'connect'), accepted]);
  return socket;
}

const failed = async (server: Server): Promise<TlsError> => (await once(server, 'tlsClientError'))[0];

describe('maxHandshakes', () => {
  test('the oldest handshake makes room; who comes in earnest is served', async (t) => {
    const listening = await listen(t, { maxHandshakes: 2 });
    const first = await silent(t, listening);
    const second = await silent(t, listening);
    const failure = failed(listening.server);
    const closing = once(first.resume(), 'close');
    const client = connect({ ...trust(), port: listening.port });
    t.after(() => client.destroy());
    assert.equal((await failure).code, 'ERR_TESSERA_TOO_MANY_HANDSHAKES');
    await Promise.all([closing, once(client, 'secureConnect')]);
    assert.equal(second.readyState, 'open');
  });

  test('what is done, and what has failed, does not count', async (t) => {
    const listening = await listen(t, { maxHandshakes: 1 });
    const { server, port } = listening;
    const errors: unknown[] = [];
    server.on('tlsClientError', (error: TlsError) => errors.push(error.code));
    for (let i = 0; i < 3; i++) {
      const client = connect({ ...trust(), port });
      t.after(() => client.destroy());
      await once(client, 'secureConnect');
    }
    for (let i = 0; i < 3; i++) {
      const failure = failed(server);
      (await silent(t, listening)).write('SSH-2.0-nobody\r\n');
      assert.equal((await failure).code, 'ERR_SSL_WRONG_VERSION_NUMBER');
    }
    for (let i = 0; i < 3; i++) {
      const failure = failed(server);
      (await silent(t, listening)).destroy();
      assert.equal((await failure).code, 'ECONNRESET');
    }
    assert.equal(errors.includes('ERR_TESSERA_TOO_MANY_HANDSHAKES'), false);
  });

  test('is 1 or more', () => {
    for (const maxHandshakes of [0, -1, Number.NaN, '5' as unknown as number]) {
      assert.throws(() => createServer({ maxHandshakes }), {
        code: 'option.out_of_range',
        message: /^maxHandshakes is /,
      });
    }
    createServer({ maxHandshakes: Number.POSITIVE_INFINITY });
  });
});

/** A client and a server of ours over memory. */
function begin(options: TlsOptions, client: ConnectionOptions = {}): { server: Server; client: TLSSocket } {
  const [near, far] = Pipe.pair();
  const server = createServer({ ...credentials(), ...options });
  server.emit('connection', far);
  const socket = connect({ ...trust(), socket: near, ...client });
  socket.on('error', () => {});
  return { server, client: socket };
}

describe('limits', () => {
  test("a server's are those of its clients' messages", async () => {
    const { server, client } = begin({ limits: { clientHelloLength: 100 } });
    const [error] = await Promise.all([failed(server), once(client, 'close').catch(() => {})]);
    assert.equal(error.code, 'ERR_TESSERA_HANDSHAKE_TOO_LONG');
    assert.equal(error.fault, 'handshake.too_long');
    assert.equal(error.alert, 'illegal_parameter');
  });

  test("a context's count where it has any, else the server's", async () => {
    const strict = createSecureContext({ ...credentials(), limits: { certificateLength: 10 } });
    const plain = createSecureContext(credentials());
    const ask = async (context: TlsOptions['secureContext']): Promise<string | undefined> => {
      const { server, client } = begin(
        {
          limits: { certificateChainLength: 1 },
          requestCert: true,
          ca: identity.certificatePem,
          SNICallback: async () => context,
        },
        { cert: [identity.certificatePem, identity.certificatePem].join('\n'), key: identity.keyPem },
      );
      const error = await failed(server);
      client.destroy();
      return error.fault;
    };
    assert.equal(await ask(strict), 'handshake.too_long');
    assert.equal(await ask(plain), 'certificate.too_many');
  });

  test("a client's are those of its server's messages, also without a context of its own", async () => {
    const { client } = begin({ numTickets: 2 }, { limits: { ticketsReceived: 1 } });
    const [error] = (await once(client, 'error')) as [TlsError];
    assert.equal(error.code, 'ERR_TESSERA_NEW_SESSION_TICKET_TOO_MANY');
    assert.equal(error.alert, 'unexpected_message');
    const other = begin({ numTickets: 2 }, { limits: { ticketsReceived: 2 } }).client;
    await new Promise<void>((resolve) => {
      let tickets = 0;
      other.on('session', () => ++tickets === 2 && resolve());
    });
    other.destroy();
  });

  test('are refused out of range and under other names, before there is a socket', () => {
    const wrong: [limits: object, code: string][] = [
      [{ keyUpdatesInARow: 0 }, 'config.out_of_range'],
      [{ clientHelloLength: 2 ** 24 }, 'config.out_of_range'],
      [{ maxTickets: 1 }, 'config.unknown_limit'],
    ];
    for (const [limits, code] of wrong) {
      assert.throws(() => createServer({ ...credentials(), limits }), { code });
      assert.throws(() => connect({ ...trust(), port: 1, limits }), { code });
    }
  });
});

test('records of one byte that nobody reads yet wait together, and are read as they were sent', async (t) => {
  const { server, port } = await listen(t);
  const arrived = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const client = connect({ ...trust(), port });
  t.after(() => client.destroy());
  const [[socket]] = await Promise.all([arrived, once(client, 'secureConnect')]);
  const sent = Buffer.from(Array.from({ length: 3_000 }, (_, i) => i & 0xff));
  const write = (at: number): void => {
    if (at < sent.length) client.write(sent.subarray(at, at + 1), () => write(at + 1));
  };
  write(0);
  while (socket.readableLength < sent.length) await new Promise((resolve) => setImmediate(resolve));
  const pieces: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => pieces.push(bytes));
  while (socket.readableLength > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(Buffer.concat(pieces), sent);
  assert.ok(pieces.length < sent.length / 4, `${pieces.length} pieces`);
});
