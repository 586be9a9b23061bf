/**
 * Writes the generated parts of `docs/`; with `--check` it writes nothing and fails if one is stale.
 *
 *   docs/architecture.md     the layer table between its markers, from scripts/check-layers.ts
 *   docs/state-machine.md    the handler tables of both roles, from src/handshake/{server,client}/states.ts
 */
import { readFile, writeFile } from 'node:fs/promises';
import { clientHandlers } from '../src/handshake/client/states.ts';
import { serverHandlers } from '../src/handshake/server/states.ts';
import { layersAsMarkdown } from './check-layers.ts';
import { stateMachineAsMarkdown } from './state-machine.ts';

const LAYERS_BEGIN = '<!-- generated: layers (npm run docs) -->';
const LAYERS_END = '<!-- end of generated: layers -->';

const check = process.argv.includes('--check');
const docs = new URL('../docs/', import.meta.url);

const architecture = await readFile(new URL('architecture.md', docs), 'utf8');
await put('architecture.md', between(architecture, LAYERS_BEGIN, LAYERS_END, `\n${layersAsMarkdown()}\n`));
await put('state-machine.md', stateMachineAsMarkdown({ server: serverHandlers, client: clientHandlers }));

async function put(name: string, content: string): Promise<void> {
  const file = new URL(name, docs);
  const present = await readFile(file, 'utf8').catch(() => undefined);
  if (present === content) return;
  if (check) {
    console.error(`docs/${name} is stale: run npm run docs`);
    process.exitCode = 1;
    return;
  }
  await writeFile(file, content);
  console.log(`wrote docs/${name}`);
}

function between(text: string, begin: string, end: string, content: string): string {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`markers missing: ${begin} … ${end}`);
  return text.slice(0, from + begin.length) + content + text.slice(to);
}
