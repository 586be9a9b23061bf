import assert from 'node:assert/strict';
import test from 'node:test';
import { COMMON, checkSource, LAYERS, layersAsMarkdown } from './check-layers.ts';

const CASES: readonly (readonly [what: string, file: string, source: string, found: readonly string[]])[] = [
  [
    'an import upwards',
    'tickets/state.ts',
    "import { a } from '../handshake/config.ts';",
    ['1: tickets must not import handshake/config.ts'],
  ],
  [
    'an import over several lines',
    'wire/a.ts',
    "\nimport {\n  a,\n  b,\n} from '../record/b.ts';",
    ['2: wire must not import record/b.ts'],
  ],
  ['a re-export', 'wire/index.ts', "export * from '../crypto/index.ts';", ['1: wire must not import crypto/index.ts']],
  [
    'a dynamic import',
    'crypto/index.ts',
    "const x = await import('../node/index.ts');",
    ['1: crypto must not import node/index.ts'],
  ],
  [
    'an import for its effect',
    'crypto/index.ts',
    "import '../node/index.ts';",
    ['1: crypto must not import node/index.ts'],
  ],
  [
    'node: in portable code',
    'record/a.ts',
    "import { x } from 'node:crypto';",
    ['1: record must not import package node:crypto'],
  ],
  [
    'node: in the portable provider',
    'providers/noble/a.ts',
    "import { x } from 'node:crypto';",
    ['1: providers/* must not import package node:crypto'],
  ],
  ['an unknown package', 'node/a.ts', "import x from 'left-pad';", ['1: node must not import package left-pad']],
  [
    'one provider importing another',
    'providers/noble/a.ts',
    "import { x } from '../node/a.ts';",
    ['1: providers/* must not import providers/node/a.ts'],
  ],
  [
    'a value where only types are allowed',
    'tickets/a.ts',
    "import { type A, b } from '../peer-auth/index.ts';",
    ['1: tickets must not import peer-auth/index.ts'],
  ],
  [
    'more of wire than the registry',
    'x509/a.ts',
    "import { Reader } from '../wire/index.ts';",
    ['1: x509 must not import wire/index.ts'],
  ],
  ['a folder without a layer', 'misc/a.ts', '', ['1: belongs to no layer of scripts/check-layers.ts']],
  [
    'the clock',
    'tickets/a.ts',
    '// Date\nconst t = Date.now();',
    ['2: Date (global) is not for portable code: inject it'],
  ],
  [
    'the clock inside a template',
    'tickets/a.ts',
    `const t = \`at \${{ a: \`\${Date.now()}\` }.a} Date\`;`,
    ['1: Date (global) is not for portable code: inject it'],
  ],
  ['randomness', 'tickets/a.ts', 'Math.random()', ['1: Math.random (randomness) is not for portable code: inject it']],
  ['a timer', 'connection/a.ts', 'setTimeout(f, 1)', ['1: setTimeout (timer) is not for portable code: inject it']],
  [
    'the global crypto',
    'record/a.ts',
    'crypto.getRandomValues(a)',
    ['1: crypto.getRandomValues (global crypto) is not for portable code: inject it'],
  ],
  [
    'code behind a regular expression with a quote',
    'wire/a.ts',
    "const a = /['/]/.test(b);\nconst c = Buffer.alloc(1);",
    ['2: Buffer (global) is not for portable code: inject it'],
  ],

  [
    'an import downwards',
    'handshake/server/a.ts',
    "import { a } from '../../wire/index.ts';\nimport { b } from '../config.ts';",
    [],
  ],
  [
    'errors and bytes',
    'wire/a.ts',
    "import { a } from '../errors/index.ts';\nimport { b } from '../bytes/index.ts';",
    [],
  ],
  [
    'types where only types are allowed',
    'tickets/a.ts',
    "import type { A } from '../peer-auth/index.ts';\nimport { type B } from '../peer-auth/index.ts';",
    [],
  ],
  ['the registry', 'x509/a.ts', "import { A } from '../wire/registry.ts';", []],
  [
    'node: where it belongs',
    'providers/node/a.ts',
    "import { x } from 'node:crypto';\nconst b = Buffer.from(Date.now().toString());",
    [],
  ],
  [
    'comments and strings',
    'wire/a.ts',
    "/** Buffer, import '../node/a.ts' */\nconst a = 'Date'; // process\nconst b = \"import '../node/index.ts'\";",
    [],
  ],
  [
    'members with the names of globals',
    'wire/a.ts',
    'const a = { process: 1, crypto: provider };\na.process; cx.crypto.random(32); b?.Date',
    [],
  ],
  ['tests', 'wire/a.test.ts', "import test from 'node:test';", []],
];

for (const [what, file, source, found] of CASES)
  test(`${found.length > 0 ? 'finds' : 'allows'} ${what}`, () => {
    assert.deepEqual(
      checkSource(file, source).map(({ line, message }) => `${line}: ${message}`),
      found,
    );
  });

test('a layer imports only what stands below it in the table', () => {
  const position = (name: string): number => LAYERS.findIndex((layer) => layer.name === name);
  for (const [index, layer] of LAYERS.entries())
    for (const entry of layer.imports) {
      const path = entry.replace(' (types)', '');
      const name = path.startsWith('providers/') ? 'providers/*' : path.split('/')[0]!;
      assert.ok(position(name) > index, `${layer.name} -> ${entry}`);
    }
  for (const name of COMMON) assert.deepEqual(LAYERS[position(name)]?.imports, []);
});

test('the Markdown table has a row for every layer', () => {
  for (const { name } of LAYERS) assert.ok(layersAsMarkdown().includes(`\n| \`${name}\` |`), name);
});
