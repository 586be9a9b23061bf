import assert from 'node:assert/strict';
import cluster from 'node:cluster';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { MessageChannel, Worker } from 'node:worker_threads';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import {
  type KeyPort,
  keyPort,
  PrimaryTicketKeys,
  type PrimaryTicketKeysOptions,
  WorkerTicketKeys,
} from '../../src/stores/cluster-keys.ts';
import type { TicketKeyInfo } from '../../src/tickets/index.ts';
import { DEADLINE_MS } from '../support/process.ts';
import type { Order } from './cluster-worker.ts';

const crypto = nodeCrypto;
const HOUR = 3_600_000;
const T0 = 1_790_000_000_000;
const WORKER = fileURLToPath(new URL('./cluster-worker.ts', import.meta.url));

function makePrimary(t: TestContext, options: Partial<PrimaryTicketKeysOptions> = {}): PrimaryTicketKeys {
  const primary = new PrimaryTicketKeys({ crypto, ...options });
  t.after(() => primary.close());
  return primary;
}

/** The two ends of a channel that delivers at once, and shows what went over it. */
function pipe(seen: unknown[] = []): [KeyPort, KeyPort] {
  const sides = [new Set<(message: unknown) => void>(), new Set<(message: unknown) => void>()] as const;
  const end = (own: 0 | 1): KeyPort => ({
    post: (message) => {
      const sent = JSON.parse(JSON.stringify(message)); // as node:cluster
      seen.push(sent);
      for (const listener of sides[own === 0 ? 1 : 0]) listener(sent);
    },
    listen: (listener) => {
      sides[own].add(listener);
      return () => void sides[own].delete(listener);
    },
  });
  return [end(0), end(1)];
}

const ids = (keys: { readonly ring: PrimaryTicketKeys['ring'] }, now: number): string[] =>
  keys.ring.openingKeys(now).map(({ id }) => id);

test('fault 17: the primary hands a key to all workers before it seals, whenever they come', (t) => {
  const clock = { now: T0 };
  const now = (): number => clock.now;
  const primary = makePrimary(t, { now, sealForSeconds: 3_600, openForSeconds: 7_200, propagationSeconds: 30 });
  const join = (): WorkerTicketKeys => {
    const [up, down] = pipe();
    t.after(primary.attach(up));
    const worker = new WorkerTicketKeys({ crypto, port: down, now });
    t.after(() => worker.close());
    return worker;
  };
  const workers = [join(), join()];
  const first = primary.ring.sealingKey(T0)!.id;
  for (const worker of workers) assert.equal(worker.ring.sealingKey(T0)?.id, first);
  clock.now = T0 + HOUR - 60_000;
  primary.rotate();
  workers.push(join()); // started between the two
  const [next] = ids(primary, clock.now);
  assert.notEqual(next, first);
  for (const { ring } of [primary, ...workers]) {
    assert.deepEqual(ids({ ring }, clock.now), [next, first]);
    assert.equal(ring.sealingKey(T0 + HOUR - 1)?.id, first);
    assert.equal(ring.sealingKey(T0 + HOUR)?.id, next);
  }
  // The primary is gone: the workers seal to the end of their key's time, and no longer.
  primary.close();
  assert.equal(workers[0]!.ring.sealingKey(T0 + 2 * HOUR - 1)?.id, next);
  assert.equal(workers[0]!.ring.sealingKey(T0 + 2 * HOUR), undefined);
});

test('a key destroyed at one worker is destroyed everywhere, and another seals', (t) => {
  const now = (): number => T0;
  const primary = makePrimary(t, { now });
  const workers = [0, 1].map(() => {
    const [up, down] = pipe();
    primary.attach(up);
    return new WorkerTicketKeys({ crypto, port: down, now });
  });
  t.after(() => workers.forEach((worker) => void worker.close()));
  const doomed = primary.ring.sealingKey(T0)!.id;
  workers[0]!.destroy(doomed);
  const [fresh] = ids(primary, T0);
  assert.notEqual(fresh, doomed);
  for (const worker of workers) assert.deepEqual(ids(worker, T0), [fresh]);
  workers[1]!.destroyTenant('shop');
  primary.destroyTenant('shop');
  for (const { ring } of [primary, ...workers]) assert.equal(ring.tenantGeneration('shop'), 2);
  primary.destroy('all');
  primary.rotate('next');
  for (const worker of workers) {
    assert.deepEqual(ids(worker, T0), ids(primary, T0));
    assert.ok(!ids(worker, T0).includes(fresh!));
    assert.equal(ids(worker, T0).length, 2, 'one that seals, and its follower');
  }
});

test('rings with names share a channel with each other and with the messages of the program', (t) => {
  const seen: unknown[] = [];
  const [up, down] = pipe(seen);
  const [a, b] = [makePrimary(t, { name: 'a' }), makePrimary(t, { name: 'b' })];
  a.attach(up);
  b.attach(up);
  const worker = new WorkerTicketKeys({ crypto, port: down, name: 'b' });
  t.after(() => worker.close());
  for (const junk of [null, 7, 'ask', { tessera: 1 }, { tessera: 'ticket keys', name: 'b', type: 'odd' }, []]) {
    up.post(junk);
    down.post(junk);
  }
  assert.deepEqual(ids(worker, Date.now()), ids(b, Date.now()));
  assert.notDeepEqual(ids(worker, Date.now()), ids(a, Date.now()));
  const secrets = seen.flatMap((message) => {
    const { keys } = Object(message) as { readonly keys?: unknown };
    return Array.isArray(keys) ? (keys as { readonly secret: string }[]) : [];
  });
  assert.ok(secrets.length > 0);
  const text = inspect([a, b, worker], { depth: 9, showHidden: true });
  for (const { secret } of secrets) assert.ok(!text.includes(secret.slice(0, 12)));
  assert.throws(() => worker.ring.add({} as never), { code: 'ticket_key.two_owners' });
});

test('a worker over a MessagePort of node:worker_threads asks until it is answered', async (t) => {
  const { port1, port2 } = new MessageChannel();
  t.after(() => port1.close());
  const worker = new WorkerTicketKeys({ crypto, port: keyPort(port2), askSeconds: 0.01 });
  t.after(() => worker.close());
  await once(port1, 'message'); // asked, and nobody answered
  const primary = makePrimary(t);
  primary.attach(keyPort(port1));
  await worker.ready;
  assert.deepEqual(ids(worker, Date.now()), ids(primary, Date.now()));
});

/** Orders for a worker, one answer each. */
interface Ordered {
  ask(order: Order): Promise<unknown>;
  tell(order: Order): void;
  /** Resolves with the next message with keys. */
  synced(): Promise<unknown>;
}

function ordered(post: (message: Order) => void, listen: (listener: (message: unknown) => void) => void): Ordered {
  const waiting: { readonly answer: string; readonly resolve: (value: unknown) => void }[] = [];
  listen((message) => {
    const { answer, value } = message as { answer?: string; value?: unknown };
    const at = waiting.findIndex((one) => one.answer === answer);
    if (at >= 0) waiting.splice(at, 1)[0]!.resolve(value);
  });
  const wait = (answer: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error(`no answer to ${answer}`)), DEADLINE_MS);
      waiting.push({
        answer,
        resolve: (value) => {
          clearTimeout(deadline);
          resolve(value);
        },
      });
    });
  return {
    ask: (order) => {
      const answer = wait(order.order);
      post(order);
      return answer;
    },
    tell: post,
    synced: () => wait('synced'),
  };
}

test('node:cluster: a ticket of one worker opens at another, and after a restart, until its key is destroyed', async (t) => {
  const primary = makePrimary(t);
  primary.attachCluster(cluster);
  cluster.setupPrimary({ exec: WORKER, execArgv: ['--import', 'tsx'], args: [] });
  const fork = async (): Promise<Ordered & { readonly gone: Promise<unknown> }> => {
    const worker = cluster.fork();
    t.after(() => void worker.process.kill());
    const orders = ordered(
      (message) => void worker.send(message),
      (listener) => void worker.on('message', listener),
    );
    const gone = once(worker, 'exit');
    await orders.synced();
    return { ...orders, gone };
  };
  const [one, two] = await Promise.all([fork(), fork()]);
  const sealed = (await one.ask({ order: 'seal' })) as string;
  assert.ok(sealed.length > 200);
  assert.equal(await two.ask({ order: 'open', ticket: sealed }), 'opened');
  one.tell({ order: 'exit' });
  await one.gone;
  const three = await fork();
  assert.equal(await three.ask({ order: 'open', ticket: sealed }), 'opened');

  const changed = Promise.all([two.synced(), three.synced()]);
  primary.rotate('next');
  await changed;
  const { keys, seals } = (await two.ask({ order: 'keys' })) as { keys: TicketKeyInfo[]; seals: string };
  assert.deepEqual(
    keys.map(({ state }) => state),
    ['pending', 'sealing'],
  );
  assert.equal(seals, primary.ring.sealingKey(Date.now())!.id);

  // Tenant and key, from a worker: the other one loses the tickets too.
  const tenant = three.synced();
  two.tell({ order: 'destroyTenant', id: 'a' });
  await tenant;
  assert.equal(await three.ask({ order: 'open', ticket: sealed }), 'no_key');
  const again = (await three.ask({ order: 'seal' })) as string;
  assert.equal(await two.ask({ order: 'open', ticket: again }), 'opened');
  const destroyed = two.synced();
  three.tell({ order: 'destroy', id: 'all' });
  await destroyed;
  assert.equal(await two.ask({ order: 'open', ticket: again }), 'no_key');
});

test('node:worker_threads: threads share the keys', async (t) => {
  const primary = makePrimary(t);
  const threads = await Promise.all(
    [0, 1].map(async () => {
      const thread = new Worker(
        `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(new URL('./cluster-worker.ts', import.meta.url).href)}); });`,
        { eval: true },
      );
      t.after(() => thread.terminate());
      const orders = ordered(
        (message) => thread.postMessage(message),
        (listener) => void thread.on('message', listener),
      );
      const ready = orders.synced();
      primary.attach(keyPort(thread));
      await ready;
      return orders;
    }),
  );
  const ticket = (await threads[0]!.ask({ order: 'seal' })) as string;
  assert.equal(await threads[1]!.ask({ order: 'open', ticket }), 'opened');
});
