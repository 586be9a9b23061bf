/**
 * Who may import whom, and which globals the portable part may touch. The table is the documentation of the architecture:
 * `docs/architecture.md` prints it.
 *
 *   tsx scripts/check-layers.ts               prints every violation as file:line, exit code 1 if there is one
 *   tsx scripts/check-layers.ts --markdown    prints the table
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export interface Layer {
  /** A folder or file of `src/`; `providers/*` stands for every folder in `providers/`. */
  readonly name: string;
  /** Layers, folders or files; `x (types)` allows only imports that leave no trace at run time. */
  readonly imports: readonly string[];
  /** Packages and `node:*`, as a prefix. */
  readonly packages?: readonly string[];
  readonly note: string;
}

/** Importable from everywhere. */
export const COMMON: readonly string[] = ['bytes', 'errors'];

const APPLICATION = [
  'connection',
  'tickets',
  'x509',
  'peer-auth',
  'providers/node',
  'crypto',
  'wire/registry.ts',
] as const;

/** From the top down: a layer imports only what stands below it. */
export const LAYERS: readonly Layer[] = [
  {
    name: 'cli',
    imports: [
      'node',
      'openssl',
      'stores',
      'tickets',
      'connection',
      'providers/*',
      'x509',
      'handshake (types)',
      'peer-auth (types)',
      'crypto (types)',
      'wire/registry.ts',
    ],
    packages: ['node:'],
    note: 'the command `tessera`',
  },
  {
    name: 'openssl',
    imports: [...APPLICATION, 'handshake (types)'],
    packages: ['node:'],
    note: 'OpenSSL-shaped functions; thin; no protocol knowledge',
  },
  {
    name: 'node',
    // Codecs, to read a ClientHello that no engine is to answer.
    imports: [...APPLICATION.filter((name) => name !== 'wire/registry.ts'), 'wire', 'handshake (types)'],
    packages: ['node:'],
    note: 'sockets, servers, streams',
  },
  {
    name: 'stores',
    imports: ['tickets', 'crypto (types)'],
    packages: ['node:'],
    note: "ticket keys and state shared by processes and hosts; clients of databases are the application's",
  },
  {
    name: 'index.ts',
    imports: ['connection', 'handshake', 'record', 'schedule', 'tickets', 'x509', 'peer-auth', 'wire', 'crypto'],
    note: 'the portable entry: everything that is not tied to a runtime',
  },
  {
    name: 'connection',
    imports: ['handshake', 'record', 'tickets', 'wire', 'crypto', 'peer-auth', 'schedule (types)'],
    note: 'the engine: bytes in, bytes out, facts out',
  },
  {
    name: 'handshake',
    imports: ['wire', 'schedule', 'tickets', 'crypto', 'peer-auth'],
    note: 'states as data, negotiation as pure functions',
  },
  {
    name: 'tickets',
    imports: ['wire', 'crypto', 'peer-auth (types)'],
    note: 'usable alone: never handshake, never connection',
  },
  {
    name: 'x509',
    imports: ['wire/registry.ts', 'crypto', 'peer-auth'],
    note: "implements peer-auth's CertificateVerifier",
  },
  { name: 'peer-auth', imports: ['crypto'], note: 'what was verified about the peer, and by whom' },
  { name: 'record', imports: ['wire', 'crypto'], note: 'needs a key and an IV, not the key schedule' },
  { name: 'schedule', imports: ['crypto'], note: 'gets transcript hashes, not messages' },
  {
    name: 'providers/test',
    imports: ['providers/node', 'crypto', 'wire/registry.ts'],
    packages: ['node:'],
    note: 'the provider of Node with chosen randomness; for tests, and not in the package',
  },
  {
    name: 'providers/*',
    imports: ['crypto', 'wire/registry.ts'],
    packages: ['node:', '@noble/'],
    note: 'leaves; chosen by the application, never by the core',
  },
  { name: 'wire', imports: [], note: 'codecs' },
  { name: 'crypto', imports: [], note: 'interfaces only' },
  { name: 'errors', imports: [], note: 'alerts, codes, error classes' },
  { name: 'bytes', imports: [], note: 'concat, constant-time equality, `Secret`' },
];

/** Where a runtime's own globals may be used. Everywhere else time, randomness and I/O are injected. */
export const PLATFORM: readonly string[] = ['providers/node', 'providers/test', 'node', 'openssl', 'cli', 'stores'];

const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [/(?<![.\w$])(Buffer|Date|process|performance|console|globalThis)(?![\w$]|\??\s*:)/g, 'global'],
  [/(?<![.\w$])(setTimeout|setInterval|setImmediate|queueMicrotask)(?![\w$])/g, 'timer'],
  [/(?<![.\w$])(Math\s*\.\s*random)(?![\w$])/g, 'randomness'],
  [/(?<![.\w$])(crypto\s*\.\s*(?:subtle|getRandomValues|randomUUID))(?![\w$])/g, 'global crypto'],
];

const IMPORT = /(?<![.\w$])(?:(import|export)\s+([\w*{}\s,$]*?)\s*from\s*|import\s*\(\s*|import\s+)(['"])([^'"\n]+)\3/g;

export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** The violations of one source file. `file` is relative to `src`, with forward slashes. */
export function checkSource(file: string, source: string): Violation[] {
  if (file.endsWith('.test.ts')) return [];
  const layer = layerOf(file);
  if (layer === undefined) return [{ file, line: 1, message: 'belongs to no layer of scripts/check-layers.ts' }];

  const violations: Violation[] = [];
  const report = (index: number, message: string): void => {
    violations.push({ file, line: source.slice(0, index).split('\n').length, message });
  };
  const code = blank(source, 'comments and strings');

  for (const match of blank(source, 'comments').matchAll(IMPORT)) {
    if (code[match.index] === ' ') continue; // the text of a string
    const target = match[4]!;
    if (!target.startsWith('.')) {
      const platform = !target.startsWith('node:') || PLATFORM.some((folder) => isInside(file, folder));
      if (!platform || !layer.packages?.some((prefix) => target.startsWith(prefix)))
        report(match.index, `${layer.name} must not import package ${target}`);
      continue;
    }
    const imported = posix.join(posix.dirname(file), target);
    if (!mayImport(file, layer, imported, isTypeOnly(match[2])))
      report(match.index, `${layer.name} must not import ${imported}`);
  }

  if (!PLATFORM.some((folder) => isInside(file, folder)))
    for (const [pattern, kind] of FORBIDDEN)
      for (const match of code.matchAll(pattern))
        report(match.index, `${match[1]} (${kind}) is not for portable code: inject it`);

  return violations.sort((a, b) => a.line - b.line);
}

/** The table in Markdown. */
export function layersAsMarkdown(): string {
  const code = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');
  const rows = LAYERS.map(({ name, imports, packages = [], note }) => {
    const below = [
      ...imports.map((entry) => `\`${entry.replace(' (types)', '')}\`${entry.endsWith(' (types)') ? ' (types)' : ''}`),
    ];
    const outside = packages.map((prefix) => `\`${prefix}*\``);
    return `| \`${name}\` | ${[...below, ...outside].join(', ') || '–'} | ${note} |`;
  });
  return [
    '| layer | may import | |',
    '|---|---|---|',
    ...rows,
    '',
    `${code(COMMON)} may be imported by every layer. A runtime's own globals (\`Buffer\`, \`Date\`, \`process\`, timers, \`Math.random\`, the global \`crypto\`, …) and \`node:*\` appear only in ${code(PLATFORM)}.`,
  ].join('\n');
}

function layerOf(file: string): Layer | undefined {
  return LAYERS.find(({ name }) => isInside(file, name));
}

/** Whether `file` is `pattern`, or in the folder `pattern`; a last part `*` is any folder. */
function isInside(file: string, pattern: string): boolean {
  const prefix = pattern.endsWith('/*') ? pattern.slice(0, -1) : `${pattern}/`;
  return file === pattern || file.startsWith(prefix);
}

/** The folder of a file that is a unit of its own: `wire`, `providers/node`. */
function unitOf(file: string): string {
  const [first = '', second = ''] = file.split('/');
  return first === 'providers' ? `${first}/${second}` : first;
}

function mayImport(file: string, layer: Layer, imported: string, typeOnly: boolean): boolean {
  if (unitOf(file) === unitOf(imported)) return true;
  if (COMMON.some((name) => isInside(imported, name))) return !COMMON.includes(layer.name);
  return layer.imports.some((entry) => {
    const types = entry.endsWith(' (types)');
    return isInside(imported, types ? entry.slice(0, -' (types)'.length) : entry) && (typeOnly || !types);
  });
}

/** `import type …`, or braces in which each name says `type`. */
function isTypeOnly(clause: string | undefined): boolean {
  if (clause === undefined) return false;
  const text = clause.trim();
  if (/^type\s+(?!,)/.test(text)) return true;
  if (!text.startsWith('{')) return false;
  const names = text
    .slice(1, -1)
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return names.length > 0 && names.every((name) => name.startsWith('type '));
}

/** The source with comments (and the text of strings) replaced by spaces; line breaks and offsets stay. */
function blank(source: string, what: 'comments' | 'comments and strings'): string {
  const out = source.split('');
  const erase = (from: number, to: number): void => {
    for (let i = from; i < to; i++) if (out[i] !== '\n') out[i] = ' ';
  };
  const strings = what === 'comments and strings';
  const braces: ('block' | 'template')[] = [];
  let previous = ''; // the last character that is neither space nor comment, to tell a regular expression from a division
  let at = 0;

  /** From behind the opening or resuming delimiter to behind the closing quote or `${`. */
  const template = (): void => {
    const start = at;
    while (at < source.length && source[at] !== '`' && !source.startsWith('${', at)) at += source[at] === '\\' ? 2 : 1;
    if (strings) erase(start, at);
    if (source[at] === '$') {
      braces.push('template');
      at += 2;
      previous = '{';
    } else {
      at += 1;
      previous = '`';
    }
  };

  while (at < source.length) {
    const rest = source.slice(at, at + 2);
    const char = source[at]!;
    if (rest === '//' || rest === '/*') {
      const end = rest === '//' ? source.indexOf('\n', at) : source.indexOf('*/', at + 2) + 2;
      const stop = end < at + 2 ? source.length : end;
      erase(at, stop);
      at = stop;
    } else if (char === "'" || char === '"' || (char === '/' && startsExpression(previous, source, at))) {
      const start = at++;
      let inClass = false;
      while (at < source.length && source[at] !== '\n' && (inClass || source[at] !== char)) {
        if (char === '/' && source[at] === '[') inClass = true;
        if (char === '/' && source[at] === ']') inClass = false;
        at += source[at] === '\\' ? 2 : 1;
      }
      at += 1;
      if (strings) erase(start + 1, at - 1);
      previous = char;
    } else if (char === '`') {
      at += 1;
      template();
    } else if (char === '}' && braces.pop() === 'template') {
      at += 1;
      template();
    } else {
      if (char === '{') braces.push('block');
      if (!/\s/.test(char)) previous = char;
      at += 1;
    }
  }
  return out.join('');
}

function startsExpression(previous: string, source: string, at: number): boolean {
  return (
    previous === '' ||
    '(,=:[!&|?{};+-*%<>~^'.includes(previous) ||
    /(?:return|case|typeof)\s*$/.test(source.slice(Math.max(at - 12, 0), at))
  );
}

function main(): void {
  if (process.argv.includes('--markdown')) {
    console.log(layersAsMarkdown());
    return;
  }
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', 'src');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const violations = files
    .sort()
    .flatMap((file) => checkSource(file.split(sep).join('/'), readFileSync(join(root, file), 'utf8')));
  for (const { file, line, message } of violations)
    console.error(`${relative(process.cwd(), join(root, file))}:${line}: ${message}`);
  console.log(`layers: ${files.length} files, ${violations.length} violations`);
  if (violations.length > 0) process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
