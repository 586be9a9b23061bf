/** Three servers as processes of their own, with clocks five seconds apart, redeem each other's tickets, whatever happens around them. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { startRedis } from '../stores/redis-server.ts';
import { needs } from '../support/peers.ts';
import { Fleet, Load } from './fleet.ts';

const OFFSETS = [-2_500, 0, 2_500];
const ALL = 9;
/** Quick rotation, so that a test can see it twice. Tickets live longer than clocks lie apart. */
const quick = (sealForSeconds: number): readonly string[] => {
  const keys = ['--seal-for', String(sealForSeconds), '--open-for', '8', '--lifetime', '8'];
  return [...keys, '--poll', '0.2', '--propagation', '1'];
};

function noErrors(t: TestContext, fleet: Fleet, load: Load): void {
  assert.deepEqual(
    load.errors.map((error) => error.message),
    [],
    'no client has seen an error',
  );
  for (const member of fleet.members) {
    assert.equal(member.count('error'), 0, `${member.name} has seen an error`);
    assert.equal(member.stderr, '');
  }
  t.diagnostic(`${fleet.count('secure')} handshakes, ${fleet.count('secure', { resumed: true })} resumed`);
}

describe('a fleet with Redis', () => {
  test('goes on through rotations, restarts, and the loss of Redis', async (t) => {
    if (!needs(t, 'redis-server')) return;
    const redis = await startRedis(t);
    const fleet = await Fleet.start(t, ['--redis', redis.url, ...quick(4)], OFFSETS);
    const [a, b, c] = fleet.members;
    // A member whose clock is behind that of the one that made the first key waits until the key may seal.
    await fleet.until('each takes the tickets of each', async () => (await fleet.exchange()) === ALL);

    const load = new Load(fleet);
    t.after(() => load.stop());
    const published = fleet.count('key_published');
    await fleet.until('two rotations', () => fleet.count('key_published') >= published + 2);
    const share = load.share();
    assert.ok(share > 0.8, `resumed while keys rotated: ${share}`);
    assert.equal(await fleet.exchange(), ALL, 'after rotations');

    const { tickets } = await fleet.visit(a!);
    await load.visitOnly([a!, c!]);
    await b!.down();
    await b!.up();
    assert.equal((await fleet.visit(b!, tickets[0])).resumed, true, 'a member that was started anew');
    await load.visitOnly(fleet.members);

    await redis.down();
    await fleet.until('everybody notices', () => fleet.members.every((member) => member.count('key_unavailable') > 0));
    assert.equal(await fleet.exchange(), ALL, 'without Redis');

    await fleet.until('the keys run out', async () => (await fleet.exchange()) === 0, 60_000);
    load.share();
    await fleet.until('the load goes on', () => load.visits >= 10);
    assert.equal(load.share(), 0, 'nothing but full handshakes');

    await redis.up();
    await fleet.until('tickets are shared again', async () => (await fleet.exchange()) === ALL, 60_000);
    await load.stop();
    noErrors(t, fleet, load);
  });

  test('takes the same early data at most once, wherever it is offered', async (t) => {
    if (!needs(t, 'redis-server')) return;
    const redis = await startRedis(t);
    const options = [
      '--redis',
      redis.url,
      '--early-data',
      '1024',
      '--replay-window-ms',
      '2000',
      '--replay-skew-ms',
      '0',
    ];
    const fleet = await Fleet.start(t, [...options, '--poll', '0.5'], [0, 0, 0]);
    const [a] = fleet.members;
    const accepted = (): number => fleet.count('early_data', { accepted: true });
    const decided = (): number => fleet.count('early_data');

    /** Offers one flight to all members at once, and says how many took its early data. */
    const offerToAll = async (): Promise<number> => {
      const { tickets } = await fleet.visit(a!);
      const flight = fleet.earlyFlight(tickets[0]!, 'transfer 1 to me');
      const before = [accepted(), decided()] as const;
      await fleet.replay(flight);
      await fleet.until('each has decided', () => decided() === before[1] + 3);
      return accepted() - before[0];
    };

    const quarantine = async (): Promise<void> => {
      const inQuarantine = (): number => fleet.count('early_data', { reason: 'quarantine' });
      const before = inQuarantine();
      assert.equal(await offerToAll(), 0, 'in quarantine, or not reached yet');
      await fleet.until('the quarantine is over', async () => (await offerToAll()) === 1);
      assert.ok(inQuarantine() > before);
    };
    await quarantine();
    for (let round = 0; round < 8; round++) assert.equal(await offerToAll(), 1);
    assert.ok(fleet.count('early_data', { reason: 'replay' }) >= 16);

    await redis.down();
    assert.equal(await offerToAll(), 0, 'without Redis');
    const { tickets } = await fleet.visit(a!);
    assert.equal((await fleet.visit(fleet.members[1]!, tickets[0])).resumed, true, 'but resumption goes on');
    await redis.up();
    await quarantine();
    for (const member of fleet.members) assert.equal(member.stderr, '');
  });
});

test('a fleet with a master secret and the epoch, and no store', async (t) => {
  const fleet = await Fleet.start(t, ['--derive', ...quick(6)], OFFSETS);
  const [a, b] = fleet.members;
  const load = new Load(fleet);
  t.after(() => load.stop());
  const begun = Date.now();
  assert.equal(await fleet.exchange(), ALL, 'each takes the tickets of each');
  const { tickets } = await fleet.visit(a!);
  await load.visitOnly(fleet.members.filter((member) => member !== b));
  await b!.down();
  await b!.up();
  assert.equal((await fleet.visit(b!, tickets[0])).resumed, true, 'a member that was started anew');
  await load.visitOnly(fleet.members);
  await fleet.until('two epochs', () => Date.now() > begun + 13_000);
  assert.equal(await fleet.exchange(), ALL, 'two epochs later');
  const share = load.share();
  assert.ok(share > 0.8, `resumed: ${share}`);
  await load.stop();
  noErrors(t, fleet, load);
});
