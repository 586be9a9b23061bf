import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { nodeCrypto as crypto } from '../../src/providers/node/index.ts';
import {
  HybridSealer,
  MemoryTicketStore,
  RingSealer,
  STORED_TICKET_LENGTH,
  StoreSealer,
  singleUse,
  TicketKeyRing,
  type TicketSealer,
  type TicketStore,
} from '../../src/tickets/index.ts';
import { connect, createWorld, errorOf, eventsOf } from './pair.ts';

/** The same store, on the other side of a network. */
function remote(store: MemoryTicketStore): TicketStore {
  return {
    put: async (key, value, options) => store.put(key, value, options),
    get: async (key, now) => store.get(key, now),
    take: async (key, now) => store.take(key, now),
    revoke: async (identity) => store.revoke(identity),
  };
}

const ring = new TicketKeyRing({ crypto });
const sealers: [string, (store: TicketStore) => TicketSealer, boolean][] = [
  ['stored', (store) => new StoreSealer({ store, crypto }), true],
  [
    'hybrid, stored',
    (store) =>
      new HybridSealer({
        sealed: new RingSealer(ring, crypto),
        stored: new StoreSealer({ store, crypto }),
        keep: () => true,
      }),
    true,
  ],
  [
    'hybrid, sealed',
    (store) => new HybridSealer({ sealed: new RingSealer(ring, crypto), stored: new StoreSealer({ store, crypto }) }),
    false,
  ],
  ['marked, stored', (store) => singleUse({ store, crypto, sealer: new StoreSealer({ store, crypto }) }).sealer, true],
];

for (const [name, sealer, isStored] of sealers) {
  for (const [where, place] of [
    ['here', (store: MemoryTicketStore) => store],
    ['remote', remote],
  ] as const) {
    test(`tickets ${name}, the store ${where}: resumed, and a full handshake when the store has lost them`, async () => {
      const store = new MemoryTicketStore();
      const world = await createWorld({ server: { tickets: { sealer: sealer(place(store)), count: 3 } } });
      const first = await connect(world);
      // Tickets come when the store has them.
      await turn();
      await first.run();
      const tickets = eventsOf(first.client, 'ticket').map(({ ticket }) => ticket);
      assert.equal(tickets.length, 3);
      assert.deepEqual(
        tickets.map(({ ticket }) => ticket.length === STORED_TICKET_LENGTH),
        [isStored, isStored, isStored],
      );
      const again = await connect(world, { tickets: [tickets[0]!] });
      assert.deepEqual([again.client.engine.info?.resumed, again.server.engine.info?.resumed], [true, true]);

      store.clear();
      const after = await connect(world, { tickets: [tickets[1]!] });
      assert.equal(after.server.engine.info?.resumed, !isStored);
      assert.deepEqual(
        eventsOf(after.server, 'ticket_declined').map(({ reason }) => reason),
        isStored ? ['not_found'] : [],
      );
      assert.deepEqual([errorOf(after.client), errorOf(after.server)], [undefined, undefined]);
    });
  }
}
