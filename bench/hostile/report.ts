import type { Attack, Damage } from './attack.ts';
import type { Service } from './meter.ts';
import type { Peak, Sample } from './victim.ts';

/** What became of one attack. */
export interface Result {
  readonly attack: Attack;
  readonly seconds: number;
  readonly damage: Damage;
  readonly before: Sample;
  /** In the middle of it, after a garbage collection. */
  readonly during: Sample;
  readonly peak: Peak;
  readonly after: Sample;
  readonly calm: Service;
  readonly service: Service;
  /** Why it is not as it should be. */
  readonly complaints: readonly string[];
}

const HEADER = [
  'attack',
  'on',
  'what is counted',
  'limit',
  'sent',
  'fault (alert), times',
  'memory MB: before → during → after (connections then); highest RSS',
  'CPU',
  'others meanwhile',
];

/** As Markdown. */
export function table(results: readonly Result[]): string {
  return [line(HEADER), `|${HEADER.map(() => '---').join('|')}|`, ...results.map((result) => line(cells(result)))].join(
    '\n',
  );
}

const line = (texts: readonly string[]): string => `| ${texts.join(' | ')} |`;

function cells({ attack, seconds, damage, before, during, peak, after, service }: Result): string[] {
  const faults = Object.entries(after.faults)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 3)
    .map(([what, times]) => `${what} ${count(times)}×`);
  return [
    attack.name,
    attack.side,
    attack.counted,
    attack.limit,
    `${count(damage.sent)} in ${count(damage.connections)} connections, ${megabytes(damage.bytesSent)} MB`,
    faults.join('; ') || 'none',
    `${[before, during, after].map(({ heap, external }) => megabytes(heap + external)).join(' → ')} (${during.connections}); ${megabytes(peak.rss)}`,
    `${Math.round((after.cpuMs - before.cpuMs) / seconds / 10)} %`,
    `${service.served} served, ${service.failed} failed; ${service.medianMs.toFixed(0)} ms, worst ${service.worstMs.toFixed(0)} ms`,
  ];
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0);
const count = (value: number): string => value.toLocaleString('en-US');
