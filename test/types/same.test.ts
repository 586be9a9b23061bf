import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

test('the program that compiles with our types is the one that compiles with those of node:tls', () => {
  const text = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');
  assert.equal(text('program.ts').replace("'../../src/node/index.ts'", "'node:tls'"), text('program.node.ts'));
});
