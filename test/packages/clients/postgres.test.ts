import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, createServer as createTcpServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import pg from 'pg';
import postgres from 'postgres';
import { type ConnectionOptions, connect, createServer, type TLSSocket } from '../../../src/node/index.ts';
import { needs } from '../../support/peers.ts';
import { startPostgres } from './servers.ts';
import { listening, own, RecordingCache, WRONG_CA, wrongCa } from './support.ts';

/** PostgreSQL is asked for TLS in the clear, and answers with one byte. */
async function sslRequest(transport: Duplex): Promise<void> {
  transport.write(Buffer.from('0000000804d2162f', 'hex'));
  const [answer] = (await once(transport, 'data')) as [Buffer];
  if (answer.toString('latin1') !== 'S') throw new Error('the server does not speak TLS');
}

test('pg and postgres.js', async (t) => {
  if (!needs(t, 'postgres')) return;
  const server = await startPostgres(t);
  const ticketCache = new RecordingCache();
  const sockets: TLSSocket[] = [];
  const open = (options: ConnectionOptions = {}): TLSSocket => {
    const socket = connect({
      host: 'localhost',
      family: 4,
      port: server.port,
      ca: own.cert,
      ticketCache,
      beforeTls: sslRequest,
      ...options,
    });
    sockets.push(socket);
    return socket;
  };
  const stream = (options?: ConnectionOptions) => (): TLSSocket => open(options);
  const login = { user: 'tessera', password: 'secret', database: 'postgres' };
  const inUse = 'SELECT version, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';

  await t.test('pg', async () => {
    const pool = new pg.Pool({ ...login, stream: stream(), max: 2 } as pg.PoolConfig);
    pool.on('error', () => {}); // of idle clients
    const { rows } = await pool.query(inUse);
    assert.deepEqual(rows, [{ version: 'TLSv1.3', ssl: true }]);
    const large = await pool.query("SELECT repeat('x', 3000000) AS text");
    assert.equal(large.rows[0].text.length, 3_000_000);

    const [a, b] = await Promise.all([pool.connect(), pool.connect()]);
    const pids = await Promise.all(
      [a, b].map(async (client) => (await client.query('SELECT pg_backend_pid()')).rows[0]),
    );
    assert.notDeepEqual(pids[0], pids[1]);
    b.on('error', () => {}); // it has two: what the server says, and that it is gone
    const dropped = once(b, 'error');
    await a.query(`SELECT pg_terminate_backend(${pids[1].pg_backend_pid})`);
    await dropped;
    b.release(true);
    a.release();
    assert.equal((await pool.query('SELECT 1 AS one')).rows[0].one, 1);
    await pool.end();

    const refused = new pg.Client({ ...login, stream: stream({ ca: wrongCa }) } as pg.ClientConfig);
    await assert.rejects(refused.connect(), WRONG_CA);
  });

  await t.test('postgres.js', async () => {
    const before = sockets.length;
    const options = { ...login, max: 1, ssl: false, idle_timeout: 0, onnotice: () => {} } as const;
    const sql = postgres({ ...options, socket: () => open() } as object);
    assert.deepEqual([...(await sql.unsafe(inUse))], [{ version: 'TLSv1.3', ssl: true }]);
    const dropped = once(sockets.at(-1)!, 'close');
    const [session] = await sql`SELECT pg_backend_pid() AS pid`;
    const killer = new pg.Client({ ...login, stream: stream() } as pg.ClientConfig);
    await killer.connect();
    await killer.query(`SELECT pg_terminate_backend(${session!['pid']})`);
    await dropped;
    assert.equal((await sql`SELECT 1 AS one`)[0]!['one'], 1);
    assert.equal(sockets.length, before + 3);
    await killer.end();
    await sql.end();

    const refused = postgres({ ...options, socket: () => open({ ca: wrongCa }) } as object);
    await assert.rejects(refused`SELECT 1`, WRONG_CA);
    await refused.end({ timeout: 0 });
  });

  await t.test('behind TLS of ours, with tickets', async () => {
    const front = createServer({ ...own, ALPNProtocols: ['postgresql'] }, (socket) => {
      const onward = connectTcp(server.port, '127.0.0.1');
      socket
        .on('error', () => onward.destroy())
        .pipe(onward.on('error', () => socket.destroy()))
        .pipe(socket);
    });
    const port = await listening(t, front);
    const direct = { port, beforeTls: undefined, ALPNProtocols: ['postgresql'] };
    const before = sockets.length;
    for (let connection = 0; connection < 2; connection++) {
      const client = new pg.Client({ ...login, stream: stream(direct) } as pg.ClientConfig);
      await client.connect();
      assert.equal((await client.query('SELECT 2 AS two')).rows[0].two, 2);
      await client.end();
    }
    assert.deepEqual(
      sockets.slice(before).map((socket) => socket.isSessionReused()),
      [false, true],
    );
    assert.equal(ticketCache.taken.length, 1); // PostgreSQL itself gives no tickets
  });

  await t.test('a server that speaks no TLS, or smuggles something in, or is gone', async () => {
    for (const answer of ['N', 'Sx']) {
      const other = createTcpServer((socket) => socket.on('error', () => {}).once('data', () => socket.write(answer)));
      const port = await listening(t, other);
      await assert.rejects(once(open({ port }), 'secureConnect'), { message: 'the server does not speak TLS' });
    }
    await server.down();
    await assert.rejects(once(open(), 'secureConnect'), { code: 'ECONNREFUSED' });
  });
});
