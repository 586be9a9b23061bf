import { decodeHandshakeMessage, encodeHandshakeMessage, type HandshakeMessage } from '../../src/wire/index.ts';
import type { InputReader } from './target.ts';

type Path = readonly (string | number)[];

/** Every place in a value: fields, elements, and the lists and byte strings themselves. */
function places(value: unknown, path: Path = [], found: Path[] = []): Path[] {
  if (path.length > 0) found.push(path);
  if (value instanceof Uint8Array || value === null || typeof value !== 'object') return found;
  for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
    // What a message is, and what is only told about it, are no fields of it.
    if (key === 'type' || key === 'extensionTypes') continue;
    places((value as Record<string | number, unknown>)[key], [...path, key], found);
  }
  return found;
}

/** One field of a message changed, in an encoding whose lengths are right. `undefined`: no such encoding. */
export function mutateMessage(raw: Uint8Array, program: InputReader): Uint8Array | undefined {
  let message: HandshakeMessage;
  try {
    message = structuredClone(decodeHandshakeMessage(raw[0]!, raw.subarray(4)));
  } catch {
    return undefined;
  }
  const all = places(message);
  const path = all[program.u8() % Math.max(1, all.length)];
  if (path === undefined) return undefined;
  const parent = path
    .slice(0, -1)
    .reduce((at, key) => (at as Record<string | number, never>)[key], message as unknown) as Record<
    string | number,
    unknown
  >;
  const key = path.at(-1)!;
  change(parent, key, program);
  try {
    return encodeHandshakeMessage(message);
  } catch {
    // Out of the range of its field: not a message at all.
    return undefined;
  }
}

function change(parent: Record<string | number, unknown>, key: string | number, program: InputReader): void {
  const value = parent[key];
  const how = program.u8();
  if (how % 5 === 0) {
    if (Array.isArray(parent)) parent.splice(key as number, 1);
    else delete parent[key];
  } else if (typeof value === 'number') parent[key] = how % 2 === 0 ? program.u16() : value ^ (1 << (how % 16));
  else if (typeof value === 'string') parent[key] = how % 2 === 0 ? `${value}x` : '';
  else if (typeof value === 'boolean') parent[key] = !value;
  else if (value instanceof Uint8Array) parent[key] = changedBytes(value, how, program);
  else if (Array.isArray(value)) {
    if (how % 3 === 0) value.reverse();
    else if (how % 3 === 1) value.push(...value.slice(0, 1));
    else parent[key] = [];
  }
}

function changedBytes(bytes: Uint8Array, how: number, program: InputReader): Uint8Array {
  if (how % 4 === 0) return program.bytes(program.u8()).slice();
  if (how % 4 === 1) return bytes.slice(0, program.u8());
  const copy = bytes.slice();
  if (copy.length > 0) copy[program.u8() % copy.length]! ^= 1 << (how % 8);
  return copy;
}
