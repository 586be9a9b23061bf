import { copyOf } from '../bytes/index.ts';
import { expectBytes, expectInteger, unwrap } from './arguments.ts';
import { ERR_LIB_BIO } from './constants.ts';
import { pushError } from './error-queue.ts';
import { BIO_REASON } from './reasons.ts';
import { type BIO, type BIO_METHOD, Opaque } from './types.ts';

/** What BIO_new_bio_pair uses for a size of 0: 17 KiB, room for one record. */
const DEFAULT_PAIR_SIZE = 17 * 1024;

/** Bytes in a row, taken from the front. */
class ByteQueue {
  #chunks: Uint8Array[] = [];
  #offset = 0;
  length = 0;

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(copyOf(bytes));
    this.length += bytes.length;
  }

  read(into: Uint8Array): number {
    let filled = 0;
    while (filled < into.length && this.length > 0) {
      const chunk = this.#chunks[0]!;
      const part = chunk.subarray(this.#offset, this.#offset + into.length - filled);
      into.set(part, filled);
      filled += part.length;
      this.length -= part.length;
      this.#offset += part.length;
      if (this.#offset === chunk.length) {
        this.#chunks.shift();
        this.#offset = 0;
      }
    }
    return filled;
  }

  /** A copy of all bytes, which stay. */
  peek(): Uint8Array {
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const [index, chunk] of this.#chunks.entries()) {
      const part = index === 0 ? chunk.subarray(this.#offset) : chunk;
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  clear(): void {
    this.#chunks = [];
    this.#offset = 0;
    this.length = 0;
  }
}

class BioMethod extends Opaque<'BIO_METHOD'> {}
const MEMORY = new BioMethod();
const PAIR = new BioMethod();

/** A memory BIO, or one end of a pair. Bytes written to an end of a pair wait there until the other end reads them. */
export class Bio extends Opaque<'BIO'> {
  readonly method: BioMethod;
  references = 1;
  readonly data: ByteQueue = new ByteQueue();
  /** Memory: what reading an empty one gives; any value but 0 means "try again". */
  eofReturn = -1;
  readOnly = false;
  /** Pair. */
  peer: Bio | undefined;
  size: number = DEFAULT_PAIR_SIZE;
  /** This end will write no more. */
  closed = false;
  retry: 'read' | 'write' | undefined;

  constructor(method: BioMethod) {
    super();
    this.method = method;
  }

  read(into: Uint8Array): number {
    this.retry = undefined;
    const source = this.method === MEMORY ? this : this.peer;
    if (source === undefined) return this.#fail(BIO_REASON.UNINITIALIZED);
    if (into.length === 0) return 0;
    if (source.data.length > 0) return source.data.read(into);
    if (source.closed) return 0;
    const nothing = this.method === MEMORY ? this.eofReturn : -1;
    if (nothing !== 0) this.retry = 'read';
    return nothing;
  }

  write(bytes: Uint8Array): number {
    this.retry = undefined;
    if (this.method === MEMORY) {
      if (this.readOnly) return this.#fail(BIO_REASON.WRITE_TO_READ_ONLY_BIO);
      this.data.push(bytes);
      return bytes.length;
    }
    if (this.peer === undefined) return this.#fail(BIO_REASON.UNINITIALIZED);
    if (bytes.length === 0) return 0;
    if (this.closed) return this.#fail(BIO_REASON.BROKEN_PIPE);
    const part = bytes.subarray(0, this.size - this.data.length);
    if (part.length === 0) {
      this.retry = 'write';
      return -1;
    }
    this.data.push(part);
    return part.length;
  }

  get eof(): boolean {
    const source = this.method === MEMORY ? this : this.peer;
    return source === undefined || (source.data.length === 0 && (this.method === MEMORY || source.closed));
  }

  /** Takes the pair apart; what was not read is lost. */
  unpair(): void {
    const { peer } = this;
    if (peer === undefined) return;
    for (const end of [this, peer]) {
      end.peer = undefined;
      end.data.clear();
    }
  }

  release(): void {
    if (--this.references === 0) this.unpair();
  }

  #fail(reason: number): -1 {
    pushError(reason, ERR_LIB_BIO);
    return -1;
  }
}

export function bioOf(name: string, bio: BIO | null): Bio | undefined {
  return unwrap(name, bio, Bio);
}

export function BIO_s_mem(): BIO_METHOD {
  return MEMORY;
}

export function BIO_s_bio(): BIO_METHOD {
  return PAIR;
}

export function BIO_new(method: BIO_METHOD): BIO | null {
  const known = unwrap('method', method, BioMethod);
  return known === undefined ? null : new Bio(known);
}

/** A memory BIO with `data` to read; nothing can be written to it, and its end is an end. */
export function BIO_new_mem_buf(data: Uint8Array): BIO {
  expectBytes('data', data);
  const bio = new Bio(MEMORY);
  bio.data.push(data);
  bio.readOnly = true;
  bio.eofReturn = 0;
  return bio;
}

/** Two ends joined to each other. `size1` bytes written to `bio1` may wait to be read from `bio2`, and so back. 0: 17 KiB. */
export function BIO_new_bio_pair(size1: number, size2: number): { ret: number; bio1: BIO | null; bio2: BIO | null } {
  expectInteger('size1', size1);
  expectInteger('size2', size2);
  if (size1 < 0 || size2 < 0) return { ret: 0, bio1: null, bio2: null };
  const bio1 = new Bio(PAIR);
  const bio2 = new Bio(PAIR);
  bio1.size = size1 || DEFAULT_PAIR_SIZE;
  bio2.size = size2 || DEFAULT_PAIR_SIZE;
  join(bio1, bio2);
  return { ret: 1, bio1, bio2 };
}

function join(one: Bio, other: Bio): void {
  one.peer = other;
  other.peer = one;
  one.closed = false;
  other.closed = false;
}

export function BIO_make_bio_pair(bio1: BIO | null, bio2: BIO | null): number {
  const one = bioOf('bio1', bio1);
  const other = bioOf('bio2', bio2);
  if (one?.method !== PAIR || other?.method !== PAIR) return 0;
  if (one.peer || other.peer) {
    pushError(BIO_REASON.IN_USE, ERR_LIB_BIO);
    return 0;
  }
  join(one, other);
  return 1;
}

export function BIO_destroy_bio_pair(bio: BIO | null): number {
  bioOf('bio', bio)?.unpair();
  return 1;
}

/** Bytes read, 0 at the end, or -1. */
export function BIO_read(bio: BIO | null, into: Uint8Array): number {
  expectBytes('into', into);
  return bioOf('bio', bio)?.read(into) ?? -1;
}

/** Bytes written, which may be fewer than given, or -1. */
export function BIO_write(bio: BIO | null, data: Uint8Array): number {
  expectBytes('data', data);
  return bioOf('bio', bio)?.write(data) ?? 0;
}

/** Bytes that can be read. */
export function BIO_ctrl_pending(bio: BIO | null): number {
  const known = bioOf('bio', bio);
  return (known?.method === PAIR ? known.peer?.data.length : known?.data.length) ?? 0;
}

export function BIO_pending(bio: BIO | null): number {
  return BIO_ctrl_pending(bio);
}

/** Bytes written and not yet read by the other end. */
export function BIO_ctrl_wpending(bio: BIO | null): number {
  const known = bioOf('bio', bio);
  return known?.method === PAIR ? known.data.length : 0;
}

export function BIO_wpending(bio: BIO | null): number {
  return BIO_ctrl_wpending(bio);
}

/** Bytes that a write is sure to take. */
export function BIO_ctrl_get_write_guarantee(bio: BIO | null): number {
  const known = bioOf('bio', bio);
  if (known?.method !== PAIR || known.peer === undefined || known.closed) return 0;
  return known.size - known.data.length;
}

export function BIO_get_write_guarantee(bio: BIO | null): number {
  return BIO_ctrl_get_write_guarantee(bio);
}

export function BIO_should_retry(bio: BIO | null): number {
  return bioOf('bio', bio)?.retry === undefined ? 0 : 1;
}

export function BIO_should_read(bio: BIO | null): number {
  return bioOf('bio', bio)?.retry === 'read' ? 1 : 0;
}

export function BIO_should_write(bio: BIO | null): number {
  return bioOf('bio', bio)?.retry === 'write' ? 1 : 0;
}

export function BIO_eof(bio: BIO | null): number {
  return (bioOf('bio', bio)?.eof ?? true) ? 1 : 0;
}

export function BIO_reset(bio: BIO | null): number {
  const known = bioOf('bio', bio);
  if (known === undefined) return -1;
  known.data.clear();
  return known.method === MEMORY ? 1 : 0;
}

/** What reading an empty memory BIO gives: 0 means its end, anything else "try again". */
export function BIO_set_mem_eof_return(bio: BIO | null, value: number): number {
  expectInteger('value', value);
  const known = bioOf('bio', bio);
  if (known?.method !== MEMORY) return 0;
  known.eofReturn = value;
  return 1;
}

/** The bytes of a memory BIO, which stay in it. */
export function BIO_get_mem_data(bio: BIO | null): Uint8Array | null {
  const known = bioOf('bio', bio);
  return known?.method === MEMORY ? known.data.peek() : null;
}

/** Pair: this end will write no more; the other end reads to the end. */
export function BIO_shutdown_wr(bio: BIO | null): number {
  const known = bioOf('bio', bio);
  if (known?.method !== PAIR) return 0;
  known.closed = true;
  return 1;
}

export function BIO_up_ref(bio: BIO | null): number {
  const known = bioOf('bio', bio);
  if (known === undefined) return 0;
  known.references++;
  return 1;
}

export function BIO_free(bio: BIO | null): number {
  const known = bioOf('bio', bio);
  known?.release();
  return known === undefined ? 0 : 1;
}
