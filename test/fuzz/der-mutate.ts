import { concat } from '../../src/bytes/index.ts';
import * as der from '../../src/x509/der.ts';
import type { Random } from './target.ts';

/** A value that looks like DER. Primitive strings may hold further values. */
interface Node {
  tag: number;
  /** Bytes in front of the values inside: the unused bits of a BIT STRING. */
  prefix: Uint8Array;
  content: Uint8Array | Node[];
}

const MAX_DEPTH = 24;
const NOTHING = new Uint8Array(0);

/** Values one after the other; `undefined` when the bytes are not that. */
function parseAll(bytes: Uint8Array, depth = 0): Node[] | undefined {
  const nodes: Node[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at]!;
    let length = bytes[at + 1];
    if (length === undefined || (tag & 0x1f) === 0x1f) return undefined;
    let start = at + 2;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 3) return undefined;
      length = 0;
      for (let i = 0; i < count; i++) length = (length << 8) | (bytes[start++] ?? 0);
    }
    if (start + length > bytes.length) return undefined;
    nodes.push(nodeOf(tag, bytes.subarray(start, start + length), depth));
    at = start + length;
  }
  return nodes;
}

function nodeOf(tag: number, content: Uint8Array, depth: number): Node {
  if (depth < MAX_DEPTH && content.length >= 2) {
    if ((tag & 0x20) !== 0 || tag === der.Tag.octetString) {
      const inside = parseAll(content, depth + 1);
      if (inside !== undefined) return { tag, prefix: NOTHING, content: inside };
    } else if (tag === der.Tag.bitString && content[0] === 0) {
      const inside = parseAll(content.subarray(1), depth + 1);
      if (inside !== undefined && inside.length > 0) return { tag, prefix: content.subarray(0, 1), content: inside };
    }
  }
  return { tag, prefix: NOTHING, content };
}

function write({ tag, prefix, content }: Node): Uint8Array {
  return der.encode(tag, prefix, ...(content instanceof Uint8Array ? [content] : content.map(write)));
}

/** Lists of values, to change something in. */
function listsOf(list: Node[], found: Node[][] = []): Node[][] {
  if (list.length > 0) found.push(list);
  for (const { content } of list) if (!(content instanceof Uint8Array)) listsOf(content, found);
  return found;
}

const TAGS: readonly number[] = [...Object.values(der.Tag), 0x80, 0x81, 0x82, 0x86, 0x87, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4];

/** Changes values, and keeps the lengths around them right. Bytes that are no values come back as they are. */
export function mutateDer(bytes: Uint8Array, random: Random): Uint8Array {
  const roots = parseAll(bytes);
  if (roots === undefined || roots.length === 0) return bytes;
  const changes = random.between(1, 3);
  for (let i = 0; i < changes; i++) changeOne(roots, random);
  return concat(...roots.map(write));
}

function changeOne(roots: Node[], random: Random): void {
  const lists = listsOf(roots);
  if (lists.length === 0) return;
  const list = random.pick(lists);
  const index = random.below(list.length);
  const node = list[index]!;
  switch (random.below(10)) {
    case 0:
      list.splice(index, 1);
      break;
    case 1:
      list.splice(index, 0, node);
      break;
    case 2: {
      const other = random.below(list.length);
      list[index] = list[other]!;
      list[other] = node;
      break;
    }
    case 3:
      node.tag = random.pick(TAGS);
      break;
    case 4:
      list[index] = copyOf(random.pick(random.pick(lists)));
      break;
    case 5:
      list.splice(index, 0, copyOf(random.pick(random.pick(lists))));
      break;
    case 6:
      list[index] = { tag: random.pick(TAGS), prefix: NOTHING, content: [node] };
      break;
    case 7:
      node.content = random.bytes(random.below(random.chance(8) ? 300 : 9));
      break;
    default:
      if (node.content instanceof Uint8Array) node.content = touched(node.content, random);
      else node.content = [];
  }
}

function copyOf(node: Node): Node {
  return parseAll(write(node))?.[0] ?? node;
}

function touched(content: Uint8Array, random: Random): Uint8Array {
  if (content.length === 0) return random.bytes(1);
  const copy = content.slice();
  const at = random.below(copy.length);
  switch (random.below(4)) {
    case 0:
      copy[at] = random.u32();
      return copy;
    case 1:
      copy[at]! ^= 1 << random.below(8);
      return copy;
    case 2:
      return copy.slice(0, at);
    default:
      return concat(copy, random.bytes(random.between(1, 4)));
  }
}
