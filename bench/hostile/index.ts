/**
 * Floods: what does it cost to be attacked, what stops it, and is anybody else still served?
 *
 *     npx tsx bench/hostile/index.ts [NAME…] [--seconds 3] [--markdown] [--list]
 *
 * NAME: attacks whose name contains it; all unless given. The victim, the attacker and a client in earnest are processes of their own, and
 * talk over the loopback interface only. Exits with 1 when an attack was not stopped by the limit that it names, when memory was kept, or
 * when nobody else was served.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Attack, Damage } from './attack.ts';
import { allAttacks } from './attacks.ts';
import type { Service } from './meter.ts';
import { type Result, table } from './report.ts';
import { Asked } from './rpc.ts';
import type { Peak, Sample } from './victim.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '3' },
    markdown: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

/** What garbage collection and the allocator make of it is not a matter of the attack. */
const MAX_KEPT_BYTES = 8_000_000;
const CALM_SECONDS = 1;
const SETTLE_MS = 3_000;
/** Of the time of an attack: what is held then is what counts. */
const LIVE_AFTER = 0.6;

interface Identity {
  readonly key: string;
  readonly cert: string;
}

const chosen = (await allAttacks()).filter(
  ({ name }) => positionals.length === 0 || positionals.some((part) => name.toLowerCase().includes(part.toLowerCase())),
);
if (values.list) for (const { name, side } of chosen) console.log(`${name} (on a ${side})`);
else await main();

async function main(): Promise<void> {
  const seconds = Number(values.seconds);
  const attacker = new Asked('attacker.ts');
  const control = new Asked('control.ts');
  const identity = await attacker.ask<Identity>('identity');
  const goodPort = await control.ask<number>('serve', identity);
  const results: Result[] = [];
  for (const attack of chosen) {
    if (!values.markdown) console.log(`\n${attack.name} (on a ${attack.side})`);
    const victim = new Asked('victim.ts');
    const run = attack.side === 'server' ? attackServer : attackClient;
    const result = await run({ attack, seconds, victim, attacker, control, identity, goodPort });
    victim.end();
    results.push(result);
    if (!values.markdown) print(result);
  }
  attacker.end();
  control.end();
  if (values.markdown) console.log(table(results));
  for (const { attack, complaints } of results) {
    for (const complaint of complaints) console.error(`${attack.name}: ${complaint}`);
    if (complaints.length > 0) process.exitCode = 1;
  }
}

interface Stage {
  readonly attack: Attack;
  readonly seconds: number;
  readonly victim: Asked;
  readonly attacker: Asked;
  readonly control: Asked;
  readonly identity: Identity;
  readonly goodPort: number;
}

async function attackServer(stage: Stage): Promise<Result> {
  const { attack, seconds, victim, attacker, control, identity } = stage;
  const port = await victim.ask<number>('serve', { ...attack.victim, ...identity, ca: identity.cert });
  const good = { ...identity, port, ca: identity.cert };
  await control.ask('visit', good);
  await sleep(CALM_SECONDS * 1_000);
  const calm = await control.ask<Service>('stop');
  const before = await victim.ask<Sample>('sample');
  await victim.ask('reset');
  await control.ask('visit', good);
  const attacked = attacker.ask<Damage>('attack', { name: attack.name, port, seconds });
  await sleep(LIVE_AFTER * seconds * 1_000);
  const during = await victim.ask<Sample>('live');
  const damage = await attacked;
  const peak = await victim.ask<Peak>('peak');
  const service = await control.ask<Service>('stop');
  const after = await settled(victim);
  return judged({ attack, seconds, damage, before, during, peak, after, calm, service, complaints: [] });
}

async function attackClient(stage: Stage): Promise<Result> {
  const { attack, seconds, victim, attacker, identity, goodPort } = stage;
  const { parallel = 8 } = attack;
  const options = { ...attack.victim, ...identity, ca: identity.cert, goodPort };
  await victim.ask('visit', { ...options, hostilePort: 0, parallel: 0 });
  await sleep(CALM_SECONDS * 1_000);
  const calm = await victim.ask<Service>('stop');
  const before = await victim.ask<Sample>('sample');
  await victim.ask('reset');
  const hostilePort = await attacker.ask<number>('listen', { name: attack.name, seconds });
  await victim.ask('visit', { ...options, hostilePort, parallel });
  await sleep(LIVE_AFTER * seconds * 1_000);
  const during = await victim.ask<Sample>('live');
  await sleep((1 - LIVE_AFTER) * seconds * 1_000);
  const peak = await victim.ask<Peak>('peak');
  const stopped = victim.ask<Service>('stop');
  const damage = await attacker.ask<Damage>('stop');
  const service = await stopped;
  const after = await settled(victim);
  return judged({ attack, seconds, damage, before, during, peak, after, calm, service, complaints: [] });
}

/** What is left when all connections are over. */
async function settled(victim: Asked): Promise<Sample> {
  const until = performance.now() + SETTLE_MS;
  while ((await victim.ask<number>('connections')) > 0 && performance.now() < until) await sleep(50);
  return victim.ask<Sample>('sample');
}

function judged(result: Result): Result {
  const { attack, before, after, service, damage } = result;
  const complaints: string[] = [];
  const kept = after.heap + after.external - before.heap - before.external;
  if (kept > MAX_KEPT_BYTES) complaints.push(`${(kept / 1e6).toFixed(1)} MB are kept`);
  if (after.connections > 0) complaints.push(`${after.connections} connections are left`);
  if (service.served === 0) complaints.push('nobody else was served');
  if (service.failed > 0) complaints.push(`${service.failed} others were not served`);
  if (damage.connections === 0) complaints.push('there was no attack');
  const { fault } = attack;
  if (fault !== undefined && !Object.keys(after.faults).some((what) => what.split(' ')[0] === fault))
    complaints.push(`${fault} was not reported, but ${JSON.stringify(after.faults)}`);
  return { ...result, complaints };
}

function print({ attack, seconds, damage, before, during, peak, after, calm, service }: Result): void {
  const memory = [before, during, after].map(
    ({ heap, external, rss }) => `${megabytes(heap)}+${megabytes(external)} (rss ${megabytes(rss)})`,
  );
  const show = ({ served, failed, medianMs, worstMs }: Service): string =>
    `${served} served, ${failed} failed, median ${medianMs.toFixed(1)} ms, worst ${worstMs.toFixed(1)} ms`;
  console.log(`  counted      ${attack.counted}; limit: ${attack.limit}`);
  console.log(
    `  sent         ${damage.sent} in ${damage.connections} connections, ${megabytes(damage.bytesSent)} MB in ${seconds} s; ${damage.ended} ended by the victim`,
  );
  console.log(`  faults       ${JSON.stringify(after.faults)}, ${after.handshakes - before.handshakes} handshakes`);
  console.log(
    `  heap+buffers ${memory.join(' → ')} MB; highest rss ${megabytes(peak.rss)}; ${during.connections} connections, ${after.connections} after`,
  );
  console.log(
    `  CPU          ${((after.cpuMs - before.cpuMs) / seconds / 10).toFixed(0)} %, longest stall ${peak.stallMs.toFixed(0)} ms`,
  );
  console.log(`  others       ${show(service)}; before: ${show(calm)}`);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
