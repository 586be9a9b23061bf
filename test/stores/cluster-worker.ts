/** A worker of the cluster test: seals and opens tickets under the keys of its primary, as told by messages. */
import { parentPort } from 'node:worker_threads';
import { fromHex, toHex } from '../../src/bytes/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { type KeyPort, keyPort, WorkerTicketKeys } from '../../src/stores/cluster-keys.ts';
import { RingSealer } from '../../src/tickets/index.ts';

export interface Order {
  readonly order: 'keys' | 'seal' | 'open' | 'destroy' | 'destroyTenant' | 'exit';
  readonly ticket?: string;
  readonly id?: string;
}

const port: KeyPort = keyPort(parentPort ?? process);
let synced = 0;
const keys = new WorkerTicketKeys({
  port,
  crypto: nodeCrypto,
  askSeconds: 0.05,
  onSync: () => port.post({ answer: 'synced', value: ++synced }),
});
const sealer = new RingSealer(keys.ring, nodeCrypto, { subKeys: 'server_name' });

port.listen((message) => {
  const { order, ticket = '', id = '' } = message as Order;
  const now = Date.now();
  const answer = (value: unknown): void => port.post({ answer: order, value });
  if (order === 'keys') answer({ keys: keys.ring.keys(now), seals: keys.ring.sealingKey(now)?.id ?? null });
  if (order === 'seal') {
    const state = {
      id: new Uint8Array(16),
      psk: new Uint8Array(32).fill(7),
      cipherSuite: 0x1301,
      issuedAt: now,
      authenticatedAt: now,
      lifetimeSeconds: 600,
      ageAdd: 0,
      serverName: 'a',
      maxEarlyDataSize: 0,
      client: { chain: [], authorized: false },
      appData: new Uint8Array(0),
    };
    const sealed = sealer.seal(state, now);
    answer(sealed === undefined ? null : toHex(sealed));
  }
  if (order === 'open') {
    const opened = sealer.open(fromHex(ticket), now, { scopes: [''], serverName: 'a' });
    answer(typeof opened === 'string' ? opened : 'opened');
  }
  if (order === 'destroy') keys.destroy(id);
  if (order === 'destroyTenant') keys.destroyTenant(id);
  if (order === 'exit') process.exit();
});
