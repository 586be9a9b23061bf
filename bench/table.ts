/** One line of the result. */
export interface Figure {
  readonly role: string;
  readonly what: string;
  readonly unit: string;
  readonly tessera: number;
  /** `undefined` where node:tls has no way to do it. */
  readonly node: number | undefined;
  /** How many times better than node:tls: the median over pairs of rounds. */
  readonly ratio: number | undefined;
}

/** Plain text, columns aligned; also good Markdown. */
export function table(figures: readonly Figure[]): string {
  const header = ['measured', 'what', 'unit', 'tessera', 'node:tls', 'ratio'];
  const rows = figures.map(({ role, what, unit, tessera, node, ratio }) => [
    role,
    what,
    unit,
    number(tessera),
    node === undefined ? '-' : number(node),
    ratio === undefined ? '-' : `${ratio.toFixed(2)}x`,
  ]);
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i < 3 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i < 3 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(header), rule, ...rows.map(line)].join('\n');
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(3);
}
