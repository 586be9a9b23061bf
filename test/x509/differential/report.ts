/** All cases run once, and what came out: for the test, and as a table for people. */
import type { Case, Family } from './case.ts';
import { type Comparison, compare } from './compare.ts';
import { CODE_DIFFERENCES, DIFFERENCES, type Difference } from './differences.ts';

export interface FamilyReport {
  readonly name: string;
  readonly cases: number;
  /** Both trust, or both refuse. */
  readonly agree: number;
  /** Names of deliberate differences, by how many cases show them, and how many of these we refuse. */
  readonly different: ReadonlyMap<Difference, { readonly cases: number; readonly weRefuse: number }>;
  /** Of the cases with one fault that both refuse: how many have a code that means the same. */
  readonly bothRefuse: number;
  readonly sameCode: number;
  /** `OUR_CODE number` of the codes that differ for a listed reason. */
  readonly otherCodes: ReadonlySet<string>;
  /** What nobody explained. */
  readonly faults: readonly string[];
}

/** Openssl processes at one time. */
const PARALLEL = 2;

/** Runs a family; `folder` is for files of its own. */
export async function runFamily({ name, cases }: Family, folder: string): Promise<FamilyReport> {
  const comparisons: Comparison[] = [];
  const queue = cases.entries();
  const work = async (): Promise<void> => {
    for (const [index, one] of queue)
      comparisons[index] = await compare(one, `${folder}/${name.replace(/\W+/g, '-')}-${index}`);
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return summarize(name, cases, comparisons);
}

function summarize(name: string, chains: readonly Case[], comparisons: readonly Comparison[]): FamilyReport {
  const different = new Map<Difference, { cases: number; weRefuse: number }>();
  const otherCodes = new Set<string>();
  const faults: string[] = [];
  let [agree, bothRefuse, sameCode] = [0, 0, 0];
  for (const [index, one] of chains.entries()) {
    const { ours, message, theirs, codes } = comparisons[index]!;
    const same = (ours === 'trusted') === theirs.trusted;
    const what = `${name}, ${one.name}: we say ${ours}${message && ` (${message})`}, OpenSSL ${theirs.output.trim()}`;
    if ((ours === 'trusted') !== (one.expected === 'trusted')) faults.push(`${what}; expected: ${one.expected}`);
    if (same && one.differs !== undefined) faults.push(`${what}; expected difference: ${one.differs}`);
    if (!same && one.differs === undefined) faults.push(`${what}; nobody explained the difference`);
    if (codes === 'unexplained') faults.push(`${what}; nobody explained the codes`);
    if (same) agree++;
    else if (one.differs !== undefined) {
      const { cases, weRefuse } = different.get(one.differs) ?? { cases: 0, weRefuse: 0 };
      different.set(one.differs, { cases: cases + 1, weRefuse: weRefuse + (ours === 'trusted' ? 0 : 1) });
    }
    if (codes !== undefined) bothRefuse++;
    if (codes === 'same') sameCode++;
    else if (typeof codes === 'object') otherCodes.add(`${codes.ours} ${theirs.errors[0]}`);
  }
  return { name, cases: chains.length, agree, different, bothRefuse, sameCode, otherCodes, faults };
}

/** Listed differences that no case shows any more. */
export function unusedDifferences(reports: readonly FamilyReport[]): string[] {
  const verdicts = new Set(reports.flatMap(({ different }) => [...different.keys()]));
  const codes = new Set(reports.flatMap(({ otherCodes }) => [...otherCodes]));
  return [
    ...(Object.keys(DIFFERENCES) as Difference[]).filter((name) => !verdicts.has(name)),
    ...CODE_DIFFERENCES.flatMap(({ ours, theirs }) => theirs.map((number) => `${ours} ${number}`)).filter(
      (pair) => !codes.has(pair),
    ),
  ];
}

const sum = (reports: readonly FamilyReport[], field: 'cases' | 'agree' | 'bothRefuse' | 'sameCode'): number =>
  reports.reduce((total, report) => total + report[field], 0);

/** Such as `1085 chains: 900 agree, 185 differ on purpose for 40 reasons; …`. */
export function summary(reports: readonly FamilyReport[]): string {
  const [cases, agree] = [sum(reports, 'cases'), sum(reports, 'agree')];
  const reasons = new Set(reports.flatMap(({ different }) => [...different.keys()])).size;
  const codes = `of ${sum(reports, 'bothRefuse')} with one fault that both refuse, ${sum(reports, 'sameCode')} have the same code`;
  return `${cases} chains: ${agree} agree, ${cases - agree} differ on purpose for ${reasons} reasons; ${codes}`;
}

/** The report in Markdown. */
export function markdown(reports: readonly FamilyReport[], openssl: string): string {
  const counted = (name: Difference, field: 'cases' | 'weRefuse'): number =>
    reports.reduce((total, { different }) => total + (different.get(name)?.[field] ?? 0), 0);
  const all = Object.entries(DIFFERENCES) as [Difference, string][];
  const total = (field: 'cases' | 'weRefuse'): number => all.reduce((count, [name]) => count + counted(name, field), 0);
  const row = (...cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  return [
    '## Certificates compared with OpenSSL',
    '',
    `Each chain breaks one rule, or bends it as far as it goes. Our verifier (\`createVerifier\`, which clients and servers use) and`,
    `\`openssl verify -x509_strict -auth_level 2\` (${openssl}) judge it. ${summary(reports)}.`,
    'A difference that is not listed here fails the test, and so does one that is listed and gone.',
    '',
    '    npx tsx --test test/x509/differential/differential.test.ts',
    '    npx tsx test/x509/differential/write-report.ts    # writes this section',
    '',
    '### Families',
    '',
    row('family', 'chains', 'agree', 'differ on purpose', 'one fault, both refuse', 'same code'),
    row('---', '---:', '---:', '---', '---:', '---:'),
    ...reports.map(({ name, cases, agree, different, bothRefuse, sameCode }) =>
      row(
        name,
        cases,
        agree,
        [...different].map(([reason, count]) => `${count.cases} ${reason}`).join(', '),
        bothRefuse,
        sameCode,
      ),
    ),
    row(
      '**all**',
      sum(reports, 'cases'),
      sum(reports, 'agree'),
      '',
      sum(reports, 'bothRefuse'),
      sum(reports, 'sameCode'),
    ),
    '',
    '### Verdicts that differ on purpose',
    '',
    row('difference', 'only we refuse', 'only OpenSSL refuses', 'why'),
    row('---', '---:', '---:', '---'),
    ...all.map(([name, why]) =>
      row(name, counted(name, 'weRefuse'), counted(name, 'cases') - counted(name, 'weRefuse'), why),
    ),
    row('**all**', total('weRefuse'), total('cases') - total('weRefuse'), ''),
    '',
    '### Codes that differ where both refuse',
    '',
    row('our code', 'errors of OpenSSL', 'why'),
    row('---', '---', '---'),
    ...CODE_DIFFERENCES.map(({ ours, theirs, reason }) => row(`\`${ours}\``, theirs.join(', '), reason)),
    '',
  ].join('\n');
}
