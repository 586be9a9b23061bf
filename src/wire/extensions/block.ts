import { peerFault } from '../../errors/index.ts';
import { DecodeError, type Reader } from '../reader.ts';
import { ExtensionType, nameOf } from '../registry.ts';
import type { Writer } from '../writer.ts';
import type { ExtensionCodec } from './codec.ts';
import { ALLOWED_IN, type ExtensionTable } from './table.ts';

/** An extension that this stack writes without interpreting it. */
export interface OtherExtension {
  readonly type: number;
  readonly data: Uint8Array;
}

/**
 * Reads the extension block of a message and judges where each extension may be.
 *
 * ```
 * struct {
 *     ExtensionType extension_type;
 *     opaque extension_data<0..2^16-1>;
 * } Extension;
 *
 * Extension extensions<0..2^16-1>;
 * ```
 * Returns the values and all extension types in the order of the wire. Throws a {@link DecodeError}, `extension.duplicate`,
 * `extension.not_allowed_here`, `extension.not_requested`, `client_hello.psk_not_last` or a fault of the extension.
 * @spec rfc9846#section-4.3
 */
export function readExtensions<V>(r: Reader, table: ExtensionTable<V>): { values: V; types: readonly number[] } {
  const list = r.vector(2, 0, 0xffff);
  const values: { [K in keyof V]?: V[K] } = {};
  const seen = new Set<number>();
  while (list.left > 0) {
    const type = list.u16();
    const data = list.vector(2, 0, 0xffff);
    if (seen.has(type)) throw peerFault('extension.duplicate', nameOf(ExtensionType, type));
    seen.add(type);
    const field = fieldOf(table, type);
    if (field === undefined) {
      checkUninterpreted(table, type);
      continue;
    }
    if (type === ExtensionType.pre_shared_key && table.message === 'CH' && list.left > 0) {
      throw peerFault('client_hello.psk_not_last');
    }
    const value = readValue(table.fields[field], data);
    if (value !== undefined) values[field] = value;
  }
  return { values: values as V, types: [...seen] };
}

/**
 * Whether an extension of this type is in the block. `block` is the whole vector without its length.
 * Throws a {@link DecodeError} when the block is not a list of extensions.
 */
export function hasExtension(block: Reader, type: number): boolean {
  let found = false;
  while (block.left > 0) {
    if (block.u16() === type) found = true;
    block.opaque(2, 0, 0xffff);
  }
  return found;
}

/**
 * Writes the extension block of a message in the order of the table. Of `others`, the first goes to the front and the
 * rest before "pre_shared_key", which must be last (rfc9846#section-4.3.11).
 */
export function writeExtensions<V>(
  w: Writer,
  table: ExtensionTable<V>,
  values: V,
  others: readonly OtherExtension[] = [],
): void {
  const [first, ...rest] = others;
  w.vector(2, (w) => {
    if (first !== undefined) w.u16(first.type).opaque(2, first.data);
    for (const field in table.fields) {
      const codec = table.fields[field];
      if (codec.type === ExtensionType.pre_shared_key) for (const { type, data } of rest) w.u16(type).opaque(2, data);
      const value = values[field];
      if (value != null) w.u16(codec.type).vector(2, (w) => codec.write(w, value));
    }
  });
}

/** Of each table, its fields by type: a message may have thousands of extensions. */
const fields = new WeakMap<object, ReadonlyMap<number, unknown>>();

function fieldOf<V>(table: ExtensionTable<V>, type: number): keyof V | undefined {
  let byType = fields.get(table) as ReadonlyMap<number, keyof V> | undefined;
  if (byType === undefined) {
    const names = Object.keys(table.fields) as (keyof V)[];
    byType = new Map(names.map((name) => [table.fields[name].type, name]));
    fields.set(table, byType);
  }
  return byType.get(type);
}

function checkUninterpreted(table: Pick<ExtensionTable<unknown>, 'message' | 'uninterpreted'>, type: number): void {
  const allowedIn = ALLOWED_IN.get(type);
  const detail = () => `${nameOf(ExtensionType, type)} in ${table.message}`;
  if (allowedIn !== undefined && !allowedIn.includes(table.message)) {
    throw peerFault('extension.not_allowed_here', detail());
  }
  if (table.uninterpreted === 'refuse') throw peerFault('extension.not_requested', detail());
}

function readValue<V>(codec: ExtensionCodec<V>, data: Reader): V | undefined {
  try {
    const value = codec.read(data);
    data.finish();
    return value;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new DecodeError(`${nameOf(ExtensionType, codec.type)}: ${error.message}`);
  }
}
