/** Our server against `tls.connect` of Node, and our client against its `tls.createServer`. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import tls from 'node:tls';
import type { Scope } from '../support/process.ts';
import {
  type Connection,
  connect,
  files,
  GROUPS,
  type OurServer,
  SUITES,
  serve,
  statelessRetry,
  TICKET_COUNTS,
} from './harness.ts';

const LABEL = 'EXPORTER-tessera';
/** Node's names: OpenSSL's. */
const CURVES: Readonly<Record<string, string>> = {
  x25519: 'X25519',
  secp256r1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};
const COMBINATIONS: readonly (readonly [suite: string, group: string])[] = [
  ...SUITES.map((suite) => [suite, GROUPS[0]!] as const),
  ...GROUPS.slice(1).map((group) => [SUITES[0]!, group] as const),
];

interface NodeSide {
  readonly socket: tls.TLSSocket;
  readonly sessions: Buffer[];
  /** Resolves when `text` has been received. */
  received(text: string): Promise<void>;
}

function watch(socket: tls.TLSSocket): NodeSide {
  let all = '';
  const sessions: Buffer[] = [];
  socket.on('session', (session: Buffer) => sessions.push(session));
  socket.on('error', () => {});
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    all += text;
    socket.emit('more');
  });
  const received = async (text: string): Promise<void> => {
    while (!all.includes(text)) await once(socket, 'more', { signal: AbortSignal.timeout(20_000) });
  };
  return { socket, sessions, received };
}

async function nodeClient(t: Scope, server: OurServer, options: tls.ConnectionOptions = {}): Promise<NodeSide> {
  const { serverCert } = await files();
  const socket = tls.connect({
    ...{ port: server.port, host: '127.0.0.1', servername: 'localhost', ca: readFileSync(serverCert) },
    ...{ minVersion: 'TLSv1.3', ...options },
  });
  t.after(async () => {
    socket.destroy();
  });
  return watch(socket);
}

async function nodeServer(
  t: Scope,
  options: tls.TlsOptions = {},
): Promise<{ readonly port: number; accept(): Promise<NodeSide> }> {
  const { serverCert, serverKey } = await files();
  const server = tls.createServer({
    ...{ cert: readFileSync(serverCert), key: readFileSync(serverKey), minVersion: 'TLSv1.3' },
    ...options,
  });
  const arrived: NodeSide[] = [];
  server.on('secureConnection', (socket) => {
    arrived.push(watch(socket));
    server.emit('arrived');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    for (const { socket } of arrived) socket.destroy();
    server.close();
  });
  let taken = 0;
  const accept = async (): Promise<NodeSide> => {
    while (arrived.length <= taken) await once(server, 'arrived', { signal: AbortSignal.timeout(20_000) });
    return arrived[taken++]!;
  };
  return { port: (server.address() as AddressInfo).port, accept };
}

test('Node as client: every cipher suite and group', async (t) => {
  const server = await serve(t, { cipherSuites: SUITES, alpn: ['two', 'one'] });
  for (const [suite, group] of COMBINATIONS) {
    const side = await nodeClient(t, server, {
      ciphers: suite,
      ecdhCurve: CURVES[group]!,
      ALPNProtocols: ['one', 'two'],
    });
    const ours = await server.accept();
    const info = await ours.secure();
    assert.deepEqual([info.cipherSuiteName, info.group, info.resumed, info.alpn], [suite, group, false, 'two']);
    ours.write('hello\n');
    await side.received('hello\n');
    assert.deepEqual(
      [side.socket.authorized, side.socket.getCipher().standardName, side.socket.alpnProtocol],
      [true, suite, 'two'],
    );
    assert.deepEqual(side.socket.exportKeyingMaterial(32, LABEL, Buffer.from('x')), exported(ours));
    side.socket.end('good day\n');
    await ours.received('good day\n');
    await ours.event('end');
    await ours.close();
  }
});

function exported(ours: Awaited<ReturnType<typeof connect>>): Buffer {
  return Buffer.from(ours.engine.exportKeyingMaterial(32, LABEL, Buffer.from('x')));
}

test('Node as server: every cipher suite and group', async (t) => {
  const { port, accept } = await nodeServer(t, {
    ...{ ciphers: SUITES.join(':'), ecdhCurve: Object.values(CURVES).join(':'), ALPNProtocols: ['two'] },
  });
  for (const [suite, group] of COMBINATIONS) {
    const ours = await connect(t, port, { cipherSuites: [suite], groups: [group], alpn: ['one', 'two'] });
    const info = await ours.secure();
    assert.deepEqual([info.cipherSuiteName, info.group, info.resumed, info.alpn], [suite, group, false, 'two']);
    const side = await accept();
    side.socket.write('hello\n');
    await ours.received('hello\n');
    assert.deepEqual(side.socket.exportKeyingMaterial(32, LABEL, Buffer.from('x')), exported(ours));
    assert.equal((side.socket as tls.TLSSocket & { servername: string }).servername, 'localhost');
    ours.write('good day\n');
    await side.received('good day\n');
    await ours.close();
  }
});

test('HelloRetryRequest, both ways', async (t) => {
  const server = await serve(t, statelessRetry('secp384r1'));
  await nodeClient(t, server, { ecdhCurve: 'X25519:P-384' });
  assert.equal((await (await server.accept()).secure()).helloRetried, true);

  const { port } = await nodeServer(t, { ecdhCurve: 'P-384' });
  const ours = await connect(t, port, { keyShareCount: 1 });
  assert.equal((await ours.secure()).helloRetried, true);
});

test('client certificates, both ways', async (t) => {
  const { client, clientCert, clientKey } = await files();
  const server = await serve(t, { clientAuth: 'require' });
  await nodeClient(t, server, { cert: readFileSync(clientCert), key: readFileSync(clientKey) });
  const { peer } = await (await server.accept()).secure();
  assert.deepEqual([peer.authorized, Buffer.from(peer.chain[0]!)], [true, Buffer.from(client.certificate)]);
  const silent = await nodeClient(t, server);
  const [error] = (await once(silent.socket, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');

  const { port, accept } = await nodeServer(t, { requestCert: true, ca: readFileSync(clientCert) });
  const ours = await connect(t, port, { credentials: [client.credential] });
  await ours.secure();
  assert.equal((await accept()).socket.authorized, true);
  const without = await connect(t, port);
  assert.equal((await without.event('error')).error.alert, 'certificate_required');
});

test('Node as client: the number of tickets, and each of them resumes once', async (t) => {
  for (const count of TICKET_COUNTS) {
    const server = await serve(t, { tickets: count });
    const first = await nodeClient(t, server);
    const ours = await server.accept();
    await ours.secure();
    ours.write('that was all');
    await first.received('that was all');
    assert.equal(first.sessions.length, count);
    for (const session of first.sessions.slice(-2)) {
      const again = await nodeClient(t, server, { session });
      const oursAgain = await server.accept();
      assert.equal((await oursAgain.secure()).resumed, true);
      oursAgain.write('that was all');
      await again.received('that was all');
      assert.equal(again.socket.isSessionReused(), true);
      assert.equal(again.sessions.length, 1);
    }
  }
});

test('Node as server: both its tickets resume, with the identity restored', async (t) => {
  const { port, accept } = await nodeServer(t);
  const first = await connect(t, port);
  await first.event('ticket', 2);
  await accept();
  for (const { ticket } of first.eventsOf('ticket')) {
    const again = await connect(t, port, { tickets: [ticket] });
    const info = await again.secure();
    assert.deepEqual([info.resumed, info.peer.authorized, info.peer.chain.length], [true, true, 1]);
    const side = await accept();
    assert.equal(side.socket.isSessionReused(), true);
    again.write('hello\n'); // and no further ticket: Node gives none after a resumption
    await side.received('hello\n');
    await again.close();
  }
});

test('KeyUpdate of ours is followed and answered by Node, in both roles', async (t) => {
  const server = await serve(t);
  const { port, accept } = await nodeServer(t);
  const pairs = [
    async () => ({ side: await nodeClient(t, server), ours: await server.accept() }),
    async () => ({ ours: await connect(t, port), side: await accept() }),
  ];
  for (const make of pairs) {
    const { side, ours } = await make();
    await ours.secure();
    for (const request of [false, true]) {
      ours.updateKeys(request);
      ours.write(`ours ${request}\n`);
      await side.received(`ours ${request}\n`);
      side.socket.write(`theirs ${request}\n`);
      await ours.received(`theirs ${request}\n`);
    }
    assert.deepEqual(
      ours.eventsOf('key_updated').map(({ direction }) => direction),
      ['write', 'write', 'read'],
    );
  }
});

test('closing in every order and half close, in both roles', async (t) => {
  const server = await serve(t);
  const { port, accept } = await nodeServer(t, { allowHalfOpen: true } as tls.TlsOptions);
  const pairs = [
    async () => ({
      side: await nodeClient(t, server, { allowHalfOpen: true } as tls.ConnectionOptions),
      ours: await server.accept(),
    }),
    async () => ({ ours: await connect(t, port), side: await accept() }),
  ];
  for (const make of pairs) {
    for (const first of ['ours', 'theirs', 'both']) {
      const { side, ours } = await make();
      await ours.secure();
      ours.write('ready\n');
      await side.received('ready\n');
      const ended = once(side.socket, 'end');
      if (first === 'theirs') {
        side.socket.end('last words\n');
        await ours.event('end');
        ours.write('and ours\n'); // the other half is still open
        await side.received('and ours\n');
        await ours.close();
      } else if (first === 'ours') {
        ours.closeWrite();
        await ended;
        side.socket.end('last words\n');
        await ours.event('end');
        assert.match(ours.text, /last words/);
        await ours.close();
      } else {
        side.socket.end();
        ours.closeWrite();
        await ours.event('end');
        await ours.close();
      }
      await ended;
      assert.deepEqual(ours.eventsOf('error'), [], first);
    }
  }
});

test('Finished of both sides, full and resumed, as Node has them', async (t) => {
  const server = await serve(t);
  const { port, accept } = await nodeServer(t);
  const compare = async (side: NodeSide, ours: Connection): Promise<void> => {
    const { finished, peerFinished } = await ours.secure();
    assert.deepEqual(new Uint8Array(side.socket.getFinished()!), peerFinished);
    assert.deepEqual(new Uint8Array(side.socket.getPeerFinished()!), finished);
  };
  let session: Buffer | undefined;
  for (const resumed of [false, true]) {
    const side = await nodeClient(t, server, session && { session });
    const ours = await server.accept();
    assert.equal((await ours.secure()).resumed, resumed);
    ours.write('ready\n');
    await side.received('ready\n');
    await compare(side, ours);
    [session] = side.sessions;
  }
  const ours = await connect(t, port);
  await ours.secure();
  await compare(await accept(), ours);
});

test('signature algorithms in common, as Node lists them', async (t) => {
  const common = 'ECDSA+SHA384:ECDSA+SHA256:RSA-PSS+SHA256';
  const schemes = ['ecdsa_secp256r1_sha256', 'rsa_pss_rsae_sha256', 'ecdsa_secp384r1_sha384'];
  const { port, accept } = await nodeServer(t, { sigalgs: common });
  await (await connect(t, port, { signatureSchemes: schemes })).secure();
  const names = (await accept()).socket.getSharedSigalgs();
  assert.deepEqual(names, ['ECDSA+SHA384', 'ECDSA+SHA256', 'RSA-PSS+SHA256']);
  // The same two lists with the roles changed over: again in the order of the server.
  const server = await serve(t, { signatureSchemes: schemes });
  await nodeClient(t, server, { sigalgs: common });
  const { sharedSignatureSchemes } = await (await server.accept()).secure();
  assert.deepEqual(sharedSignatureSchemes, [0x0403, 0x0804, 0x0503]);
});
