import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TlsEngine } from '../../src/connection/index.ts';
import { TlsUsageError } from '../../src/errors/index.ts';
import { connect, createWorld, eventsOf, Pair, type Side } from './pair.ts';

/** What an application may do, at any time. */
const calls: Readonly<Record<string, (engine: TlsEngine, other: TlsEngine) => void>> = {
  write: (e) => e.write(new Uint8Array(3)),
  writeNothing: (e) => e.write(new Uint8Array(0)),
  flush: (e) => e.flush(),
  close: (e) => e.close(),
  abort: (e) => e.abort('internal_error'),
  cancel: (e) => e.abort('user_canceled'),
  updateKeys: (e) => e.updateKeys(),
  updateBoth: (e) => e.updateKeys(true),
  requestTickets: (e) => void e.requestTickets(2),
  noTickets: (e) => {
    e.numTickets = 0;
  },
  manyTickets: (e) => {
    e.numTickets = 5;
  },
  transportEnded: (e) => e.transportEnded(),
  exportKeys: (e) => void e.exportKeyingMaterial(32, 'x'),
  deliver: (e, other) => {
    const bytes = other.pull();
    if (bytes !== undefined) e.receive(bytes);
  },
};
const call = fc.constantFrom(...Object.keys(calls));
const side = fc.constantFrom('client' as const, 'server' as const);

/** Calls, and takes only one kind of error: that of a program's mistake. */
function attempt(name: string, engine: TlsEngine, other: TlsEngine): void {
  try {
    calls[name]!(engine, other);
  } catch (error) {
    assert.ok(error instanceof TlsUsageError, `${name} in state ${engine.state}: ${String(error)}`);
  }
}

function checkSide({ engine, events }: Side): void {
  const errors = events.filter((e) => e.type === 'error');
  assert.ok(errors.length <= 1, 'a connection fails once');
  if (errors.length === 1) assert.equal(engine.state, 'failed');
  for (const { error } of errors) {
    // Two sides that keep to the protocol never accuse each other, or themselves, of breaking it.
    assert.ok(error.code === 'peer.alert' || error.code === 'connection.truncated', `${error.code}: ${error.message}`);
  }
  assert.ok(eventsOf({ engine, events, sent: [] }, 'secure').length <= 1);
}

test('any calls in any state, also from inside events, keep to the rules', { timeout: 50_000 }, async () => {
  const { identity, ...quick } = await createWorld();
  const { sealer } = quick.serverConfig.tickets;
  const later = <T>(value: T): Promise<T> => new Promise((resolve) => setImmediate(() => resolve(value)));
  const { signer } = identity.credential;
  const credential = {
    ...identity.credential,
    signer: { schemes: signer.schemes, sign: async (s: number, d: Uint8Array) => later(await signer.sign(s, d)) },
  };
  const verifier = { verify: () => later({ trusted: true as const }) };
  const slow = await createWorld({
    identity,
    server: {
      clientAuth: 'request',
      verifier,
      credentials: [credential],
      tickets: {
        sealer: {
          maxLifetimeSeconds: (now) => sealer!.maxLifetimeSeconds(now),
          seal: async (...args) => later(await sealer!.seal(...args)),
          open: async (...args) => later(await sealer!.open(...args)),
        },
      },
    },
    client: { verifier, credentials: [credential] },
  });
  const [ticket] = eventsOf(await connect({ identity, ...quick }).then((p) => p.client), 'ticket').map((e) => e.ticket);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ side, call }), { maxLength: 12 }),
      fc.array(fc.record({ side, call, at: fc.nat(6) }), { maxLength: 3 }),
      fc.nat(4),
      fc.boolean(),
      fc.boolean(),
      async (steps, inside, before, resume, waits) => {
        const pair = new Pair(waits ? slow : { identity, ...quick }, resume ? { tickets: [ticket!] } : {});
        for (const name of ['client', 'server'] as const) {
          let count = 0;
          const { engine } = pair[name];
          const other = pair[name === 'client' ? 'server' : 'client'].engine;
          engine.onEvent = () => {
            const now = count++;
            for (const one of inside) if (one.side === name && one.at === now) attempt(one.call, engine, other);
          };
        }
        for (let i = 0; i < before; i++) pair.carry(pair.client, pair.server) || pair.carry(pair.server, pair.client);
        for (const step of steps) {
          if (waits) await later(undefined);
          const other = step.side === 'client' ? 'server' : 'client';
          attempt(step.call, pair[step.side].engine, pair[other].engine);
        }
        await pair.run();
        checkSide(pair.client);
        checkSide(pair.server);
        for (const one of [pair.client, pair.server]) {
          if (one.engine.writeClosed) assert.equal(one.engine.hasOutput, false);
        }
      },
    ),
    { numRuns: 400 },
  );
});
