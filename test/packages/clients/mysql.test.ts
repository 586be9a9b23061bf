import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { test } from 'node:test';
import mysql from 'mysql2';
import { type ConnectionOptions, connect, createServer, type TLSSocket } from '../../../src/node/index.ts';
import { needs } from '../../support/peers.ts';
import { startMariadb } from './servers.ts';
import { listening, own, RecordingCache, WRONG_CA, wrongCa } from './support.ts';

/** What mysql2 has inside, and what its own upgrade to TLS does with it. */
interface Inside {
  stream: NodeJS.ReadWriteStream;
  startTLS(secured: (error?: Error) => void): void;
  readonly packetParser: { execute(data: Buffer): void };
}

test('mysql2', async (t) => {
  if (!needs(t, 'mariadbd')) return;
  const server = await startMariadb(t);
  const ticketCache = new RecordingCache();
  const sockets: TLSSocket[] = [];
  const open = (options: ConnectionOptions): TLSSocket => {
    const socket = connect({ host: 'localhost', family: 4, ca: own.cert, ticketCache, ...options });
    sockets.push(socket);
    return socket;
  };
  const login = { user: 'tessera', password: 'secret', host: '127.0.0.1', port: server.port };

  /** The server upgrades in the middle of its handshake, so mysql2 is told to do so with our `connect`. */
  const upgraded = (options: ConnectionOptions = {}): mysql.Connection => {
    const connection = mysql.createConnection({ ...login, ssl: {} });
    const inside = connection as unknown as Inside;
    inside.startTLS = (secured) => {
      inside.stream.removeAllListeners('data');
      const socket = open({ port: server.port, socket: inside.stream as never, ...options });
      socket.once('secureConnect', secured).on('data', (data: Buffer) => inside.packetParser.execute(data));
      socket.on('error', secured);
      inside.stream = socket;
    };
    return connection;
  };
  const query = async (connection: mysql.Connection, sql: string): Promise<Record<string, string>[]> =>
    (await connection.promise().query(sql))[0] as Record<string, string>[];

  await t.test('upgraded by MariaDB itself', async () => {
    const first = upgraded();
    const [row] = await query(first, "SHOW STATUS LIKE 'Ssl_version'");
    assert.equal(row!['Value'], 'TLSv1.3');
    const [large] = await query(first, "SELECT REPEAT('x', 3000000) AS text");
    assert.equal(large!['text']!.length, 3_000_000);
    const [id] = await query(first, 'SELECT CONNECTION_ID() AS id');

    const second = upgraded();
    assert.equal((await query(second, 'SELECT 1 AS one'))[0]!['one'], 1);
    assert.deepEqual(
      sockets.map((socket) => socket.isSessionReused()),
      [false, true],
    );
    assert.equal(ticketCache.taken.length, 1);
    const dropped = once(first, 'error');
    await query(second, `KILL ${id!['id']}`);
    await dropped;
    const third = upgraded();
    assert.equal((await query(third, 'SELECT 3 AS three'))[0]!['three'], 3);
    await Promise.all([second.promise().end(), third.promise().end()]);
    // mysql2 has a code of its own for all that goes wrong there.
    await assert.rejects(query(upgraded({ ca: wrongCa }), 'SELECT 1'), {
      code: 'HANDSHAKE_SSL_ERROR',
      message: /self-signed/,
    });
  });

  await t.test('behind TLS of ours, with a pool', async () => {
    const front = createServer(own, (socket) => {
      const onward = connectTcp(server.port, '127.0.0.1');
      socket
        .on('error', () => onward.destroy())
        .pipe(onward.on('error', () => socket.destroy()))
        .pipe(socket);
    });
    const port = await listening(t, front);
    const before = sockets.length;
    const options = { ...login, user: 'inside', connectionLimit: 3 };
    const pool = mysql.createPool({ ...options, stream: () => open({ port }) });
    const ask = (): Promise<unknown> => pool.promise().query('SELECT SLEEP(0.02)');
    await ask();
    await Promise.all([ask(), ask(), ask()]);
    const reused = sockets.slice(before).map((socket) => socket.isSessionReused());
    assert.deepEqual(reused, [false, true, true]);
    for (const socket of sockets.slice(before)) socket.destroy();
    await assert.rejects(ask());
    await ask();
    await pool.promise().end();
    const refused = mysql.createPool({ ...options, stream: () => open({ port, ca: wrongCa }) });
    await assert.rejects(refused.promise().query('SELECT 1'), WRONG_CA);
    await refused.promise().end();
  });
});
