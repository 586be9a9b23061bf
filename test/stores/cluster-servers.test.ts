import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect } from '../../src/node/index.ts';
import { makeIdentity } from '../support/certificates.ts';
import { freePort, type Running, start } from '../support/process.ts';

const PROGRAM = fileURLToPath(new URL('./cluster-program.ts', import.meta.url));

/** A program with workers that listen at one place, told what to do. */
class Program {
  readonly #running: Running;
  readonly #ca: string;
  readonly #port: number;
  #answers = 0;

  constructor(running: Running, ca: string, port: number) {
    this.#port = port;
    this.#running = running;
    this.#ca = ca;
  }

  static async start(t: TestContext, workers: number, env: Readonly<Record<string, string>> = {}): Promise<Program> {
    const { certificatePem, keyPem } = await makeIdentity('p256');
    const port = await freePort();
    const all = { CERT: certificatePem, KEY: keyPem, PORT: String(port), ...env };
    const running = start(t, process.execPath, ['--import', 'tsx', PROGRAM], { env: all });
    const program = new Program(running, certificatePem, port);
    for (let index = 0; index < workers; index++) await program.fork('fork', index);
    return program;
  }

  async #tell(order: string, worker: number): Promise<readonly string[]> {
    this.#running.write(`${order} ${worker}\n`);
    const [line] = await this.#running.waitFor(/^(?:listening|keys) .*$/m, { count: ++this.#answers });
    return line.split(' ');
  }

  /** Returns the new worker's process id. */
  async fork(order: 'fork' | 'respawn', index: number): Promise<string> {
    return (await this.#tell(order, index))[1]!;
  }

  async keys(order: 'show' | 'rotate' | 'revoke', worker: number): Promise<string> {
    return (await this.#tell(order, worker))[1]!;
  }

  /** Shows the worker that keys have come to it: the way is not instantaneous. */
  async keysReach(worker: number, keys: string): Promise<void> {
    while ((await this.keys('show', worker)) !== keys);
  }

  async visit(
    session?: Buffer,
  ): Promise<{ readonly pid: string; readonly resumed: boolean; readonly session: Buffer }> {
    const socket = connect(this.#port, '127.0.0.1', { servername: 'localhost', ca: this.#ca, session });
    const got = once(socket, 'session');
    let pid = '';
    for await (const bytes of socket) pid += String(bytes);
    await got;
    return { pid, resumed: socket.isSessionReused(), session: socket.takeSession()! };
  }

  /** Takes a ticket of each worker to each worker, which the primary chooses in turn. */
  async tour(t: string, workers: number, rounds: number = 2 * workers): Promise<void> {
    const seen = new Set<string>();
    let { pid, session } = await this.visit();
    for (let i = 0; i < rounds; i++) {
      const next = await this.visit(session);
      assert.equal(next.resumed, true, `${t}: the ticket of ${pid} is not redeemed by ${next.pid}`);
      seen.add(`${pid} ${next.pid}`);
      ({ pid, session } = next);
    }
    assert.ok(seen.size >= workers, `${t}: only ${[...seen].join(', ')} met`);
  }
}

test('workers of node:cluster redeem each other’s tickets, also of new ones, and after a rotation', async (t) => {
  const program = await Program.start(t, 3);
  await program.tour('at first', 3);
  const { session: early } = await program.visit();
  const pid = await program.fork('respawn', 1);
  await program.tour('with a new worker', 3);
  const keys = await program.keys('rotate', 2);
  for (const worker of [0, 1, 2]) await program.keysReach(worker, keys);
  await program.tour('after a rotation', 3);
  assert.notEqual(await program.fork('respawn', 0), pid);
  await program.keysReach(0, keys);
  await program.tour('with a new worker after a rotation', 3);
  assert.equal((await program.visit(early)).resumed, true, 'a ticket of before the rotation');
  const others = await program.keys('revoke', 0);
  for (const worker of [0, 1, 2]) await program.keysReach(worker, others);
  for (let i = 0; i < 3; i++) assert.equal((await program.visit(early)).resumed, false, 'a ticket that was revoked');
  await program.tour('after a revocation', 3);
});

test('where the primary is not the program’s, workers and those in their place share keys all the same', async (t) => {
  const program = await Program.start(t, 2, { PRIMARY: 'other' });
  await program.tour('at first', 2);
  await program.fork('respawn', 0);
  await program.fork('respawn', 1); // nobody is left who was there at first
  await program.tour('with new workers', 2);
});
