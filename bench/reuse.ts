/**
 * Looks for anything that comes twice and must not, over 100,000 connections with the randomness of the runtime.
 *
 *     npx tsx bench/reuse.ts [--connections N]
 */
import { parseArgs } from 'node:util';
import { lookForReuse } from '../test/secrets/reuse.ts';

const { values } = parseArgs({ options: { connections: { type: 'string', default: '100000' } } });
const started = performance.now();
const reuse = await lookForReuse(Number(values.connections));
console.table(reuse);
console.log(`${values.connections} connections in ${Math.round((performance.now() - started) / 1_000)} s`);
