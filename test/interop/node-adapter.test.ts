/** `tessera-tls/node` and `tessera connect` against OpenSSL: what the adapter adds to the engine, on real connections. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { connect, createServer, type TLSSocket } from '../../src/node/index.ts';
import { needs, peer } from '../support/peers.ts';
import { run, start } from '../support/process.ts';
import { files } from './harness.ts';
import { countMessages, sServer } from './openssl-peer.ts';

test('the adapter as server: s_client exchanges lines, gets the tickets asked for, and closes', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { folder, serverCert, serverKey } = await files();
  const server = createServer({ cert: readFileSync(serverCert), key: readFileSync(serverKey), numTickets: 3 });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const path = join(folder, 'adapter.pem');
  for (const [args, tickets] of [
    [['-sess_out', path], 3],
    [['-sess_in', path], 1],
  ] as const) {
    const accepted = once(server, 'secureConnection');
    const program = start(t, peer('openssl')!.path, [
      ...[
        's_client',
        '-connect',
        `127.0.0.1:${port}`,
        '-tls1_3',
        '-msg',
        '-CAfile',
        serverCert,
        '-verify_return_error',
      ],
      ...args,
    ]);
    const [socket] = (await accepted) as [TLSSocket];
    socket.setEncoding('utf8');
    program.write('hello\n');
    assert.deepEqual(await once(socket, 'data'), ['hello\n']);
    socket.newSessionTicket();
    socket.write('good day\n');
    await program.waitFor('good day');
    assert.equal(countMessages(program, '<<<', 'NewSessionTicket'), tickets + 1);
    assert.equal(socket.isSessionReused(), tickets === 1);
    const ended = once(socket, 'end');
    program.end();
    socket.resume();
    await ended;
    assert.equal((await program.waitForExit()).code, 0);
  }
});

test('the adapter as client: s_server resumes with each session, once', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { serverCert } = await files();
  const { port } = await sServer(t, ['-rev']);
  const ca = readFileSync(serverCert);
  let session: Buffer | undefined;
  for (const resumed of [false, true, true]) {
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca, session });
    socket.setEncoding('utf8');
    const ticket = once(socket, 'session');
    await once(socket, 'secureConnect');
    assert.deepEqual([socket.authorized, socket.isSessionReused()], [true, resumed]);
    [session] = (await ticket) as [Buffer];
    socket.write('olleh\n');
    assert.deepEqual(await once(socket, 'data'), ['hello\n']);
    const closed = once(socket, 'close');
    socket.end();
    await closed;
  }
});

test('tessera connect --resume 3: OpenSSL resumes each time', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { serverCert } = await files();
  const { port } = await sServer(t, ['-rev']);
  const { code, output } = await run(t, process.execPath, [
    ...['--import', 'tsx', 'src/cli/main.ts', 'connect', `127.0.0.1:${port}`, '--servername', 'localhost'],
    ...['--ca', serverCert, '--resume', '3', '--json'],
  ]);
  assert.equal(code, 0, output);
  assert.equal(output.match(/"resumed":true/g)?.length, 3, output);
});
