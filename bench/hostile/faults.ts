/**
 * What a bad network, or a bad peer without any cryptography, can do: resets, silence, slowness, and very many connections. About five minutes.
 *
 *     node --expose-gc --import tsx bench/hostile/faults.ts
 */
import { show } from './faults-common.ts';
import { run as parallel } from './faults-parallel.ts';
import { run as resets } from './faults-resets.ts';
import { run as silent } from './faults-silent.ts';
import { run as slow } from './faults-slow.ts';

show([...(await resets()), ...(await slow()), ...(await silent()), ...(await parallel())]);
