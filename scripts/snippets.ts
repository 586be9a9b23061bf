/** Programs of the documentation, made runnable: their tests run exactly the text that people read. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Scope } from '../test/support/process.ts';

export const ROOT: string = join(import.meta.dirname, '..');

const ENTRIES: Readonly<Record<string, string>> = {
  'tessera-tls': 'src/index.ts',
  'tessera-tls/node': 'src/node/index.ts',
  'tessera-tls/stores/cluster': 'src/stores/cluster-keys.ts',
  'tessera-tls/stores/file': 'src/stores/file-keys.ts',
  'tessera-tls/stores/redis': 'src/stores/redis/index.ts',
};

export interface Snippet {
  /** The nearest heading. */
  readonly heading: string;
  /** The nearest heading of the second level. */
  readonly section: string;
  readonly code: string;
}

/** The code blocks of a Markdown file, with their headings. */
export function snippetsOf(file: string): readonly Snippet[] {
  let heading = '';
  let section = '';
  const found: Snippet[] = [];
  const text = readFileSync(join(ROOT, file), 'utf8');
  for (const [, level, title, code] of text.matchAll(/^(#+) (.+)$|^```[jt]s\n([\s\S]*?)^```$/gm)) {
    if (title !== undefined) heading = title;
    if (level === '##') section = heading;
    if (code !== undefined) found.push({ heading, section, code });
  }
  return found;
}

/** A folder that goes away with its test, where programs find the packages of this repository. */
export function workFolder(t: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-docs-'));
  t.after(async () => rmSync(folder, { recursive: true, force: true }));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction');
  return folder;
}

/** Writes a program into `folder`: `code` with `given` behind its imports, and `epilogue` behind it. Answers the arguments that make Node run it. */
export function writeProgram(
  folder: string,
  code: string,
  given: readonly string[],
  epilogue: string = '',
): readonly string[] {
  const lines = code.split('\n');
  const imports = lines.filter((line) => line.startsWith('import '));
  const body = lines.filter((line) => !line.startsWith('import '));
  const program = [...imports, ...given, ...body, epilogue]
    .join('\n')
    .replace(/from '([^']+)'/g, (whole, name: string) => {
      const entry = ENTRIES[name];
      return entry === undefined ? whole : `from '${pathToFileURL(join(ROOT, entry)).href}'`;
    });
  const path = join(folder, 'program.mts');
  writeFileSync(path, program);
  return ['--import', 'tsx', path];
}
