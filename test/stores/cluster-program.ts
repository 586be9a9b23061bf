/**
 * What a program with node:cluster looks like, but for the import: the primary forks, workers listen. It is told what to do on stdin, a line each,
 * and answers each with a line. With PRIMARY=other the primary does not import our module: as with PM2, where it is not the program's.
 */
import cluster, { type Worker } from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';

const { createServer } = await (cluster.isWorker || process.env['PRIMARY'] !== 'other'
  ? import('../../src/node/index.ts')
  : { createServer: undefined });

if (cluster.isWorker) {
  const server = createServer!({ cert: process.env['CERT'], key: process.env['KEY'] }, (socket) => {
    socket.on('error', () => {});
    socket.end(`${process.pid}`);
  });
  server.listen(Number(process.env['PORT']), '127.0.0.1', () =>
    process.send!({ port: (server.address() as { port: number }).port }),
  );
  process.on('message', ({ order }: { readonly order: string }) => {
    if (order === 'rotate') server.setTicketKeys(randomBytes(48));
    if (order === 'revoke') server.setTicketKeys(randomBytes(48), { revoke: true });
    if (order === undefined) process.send!({ keys: 'a message that is not for the program' });
    else process.send!({ keys: server.getTicketKeys().toString('hex') });
  });
} else {
  const workers: Worker[] = [];
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const answer = (worker: Worker): Promise<Readonly<Record<string, unknown>>> =>
    new Promise((resolve) => worker.once('message', resolve));
  const fork = async (index: number): Promise<void> => {
    workers[index] = cluster.fork();
    await answer(workers[index]!);
    print(`listening ${workers[index]!.process.pid}`);
  };
  const orders: Readonly<Record<string, (index: number) => Promise<void>>> = {
    fork,
    respawn: async (index) => {
      const gone = new Promise((resolve) => cluster.once('exit', resolve));
      workers[index]!.process.kill();
      await gone;
      await fork(index);
    },
  };
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const [order = '', index = '0'] = line.split(' ');
    const own = orders[order];
    if (own !== undefined) return own(Number(index));
    const worker = workers[Number(index)]!;
    worker.send({ order });
    print(`keys ${(await answer(worker))['keys']}`);
  });
  process.stdin.on('end', () => process.exit());
}
