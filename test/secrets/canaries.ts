import { inspect } from 'node:util';
import { type Secret, toHex } from '../../src/bytes/index.ts';
import type { AeadKey, CryptoProvider, KeyExchange, KeyShare, MaybePromise } from '../../src/crypto/index.ts';
import { secretsUsed } from '../pair/secrets.ts';

/** Bytes looked for at once: chance does not make so many, and whatever prints a part of a secret prints more. */
const WINDOW = 8;

/**
 * Secrets that must not be seen, and where they are looked for. Bytes are found as they are, in hexadecimal (with or without anything between
 * two digits), base64, as decimal numbers in a list or an object, and as characters; whole or in part.
 */
export class Canaries {
  /** Parts of secrets, one character a byte. */
  readonly #parts = new Map<string, string>();
  readonly #base64 = new Map<string, string>();
  readonly #texts = new Map<string, string>();
  readonly #names = new Set<string>();
  /** Texts without any of them. */
  readonly #clean = new Set<string>();

  /** How many secrets there are. */
  get size(): number {
    return this.#names.size;
  }

  /** A secret of 8 bytes or more; a text as it is written. What is shorter, or of one byte only, would be found by chance. */
  plant(name: string, secret: Uint8Array | string): void {
    const bytes = Buffer.from(secret);
    if (bytes.length < WINDOW || bytes.every((byte) => byte === bytes[0])) return;
    this.#clean.clear();
    this.#names.add(name);
    for (let at = 0; at + WINDOW <= bytes.length; at += WINDOW)
      this.#parts.set(bytes.toString('latin1', at, at + WINDOW), name);
    // Base64 goes by threes.
    for (let at = 0; at + 9 <= bytes.length; at += 9) this.#base64.set(bytes.toString('base64', at, at + 9), name);
    const text = bytes.toString('latin1');
    if (/^[\x20-\x7e]+$/.test(text)) this.#texts.set(text.slice(0, 24), name);
    bytes.fill(0);
  }

  /** The names of the secrets that are in `text`. */
  in(text: string): string[] {
    if (this.#clean.has(text)) return [];
    const found = new Set<string>();
    for (const [part, name] of this.#texts) if (text.includes(part)) found.add(name);
    const look = (where: string, parts: ReadonlyMap<string, string>, length: number): void => {
      for (let at = 0; at + length <= where.length; at++) {
        const name = parts.get(where.slice(at, at + length));
        if (name !== undefined) found.add(name);
      }
    };
    // The bytes as characters: some of any eight are not printable.
    for (const [run] of text.matchAll(/[\x20-\x7e]{0,7}[^\x20-\x7e][\s\S]{0,64}/g)) look(run, this.#parts, WINDOW);
    // 0a1b, 0A:1B, 0x0a 0x1b; it may begin at any digit.
    for (const [run] of text.replace(/0x/g, '').matchAll(/(?:[0-9a-f]{2}[^0-9a-f]{0,2}){8,}/gi)) {
      const digits = run.replace(/[^0-9a-f]/gi, '');
      for (const from of [0, 1]) look(Buffer.from(digits.slice(from), 'hex').toString('latin1'), this.#parts, WINDOW);
    }
    // [ 1, 2 ], {"0":1,"1":2}, and what inspect puts into columns.
    for (const [run] of text.replace(/"\d+"\s*:/g, '').matchAll(/\d+(?:[\s,]+\d+){7,}/g)) {
      const numbers = run.split(/[\s,]+/).map(Number);
      look(String.fromCharCode(...numbers.map((number) => (number < 256 ? number : 0x2603))), this.#parts, WINDOW);
    }
    for (const [run] of text.matchAll(/[A-Za-z0-9+/_-]{12,}/g))
      look(run.replaceAll('-', '+').replaceAll('_', '/'), this.#base64, 12);
    if (found.size === 0) this.#clean.add(text);
    return [...found];
  }

  /** The names of the secrets that are in what anybody might print of `value`, with the way it was printed. */
  seenIn(value: unknown): string[] {
    return Object.entries(printed(value)).flatMap(([way, text]) => this.in(text).map((name) => `${name} by ${way}`));
  }
}

/** Everything that programs do to print a value, and what loggers do with errors. */
export function printed(value: unknown): Record<string, string> {
  const all: Record<string, string> = {
    inspect: inspect(value),
    'inspect in depth': inspect(value, {
      depth: Number.POSITIVE_INFINITY,
      showHidden: true,
      maxArrayLength: null,
      maxStringLength: null,
      breakLength: Number.POSITIVE_INFINITY,
    }),
    'JSON.stringify': stringify(value),
    String: textOf(value),
  };
  for (let error = value, depth = 0; error instanceof Error && depth < 8; error = error.cause, depth++) {
    all[`error ${depth}`] = [error.message, error.stack, ...Object.values(error).map(textOf)].join('\n');
  }
  return all;
}

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return '';
  }
}

/** As JSON, without what was there already: sockets point at themselves. */
function stringify(value: unknown): string {
  const seen = new Set<unknown>();
  try {
    return (
      JSON.stringify(value, (_name, part: unknown) => {
        if (typeof part === 'bigint') return String(part);
        if (typeof part !== 'object' || part === null) return part;
        if (seen.has(part)) return undefined;
        seen.add(part);
        return part;
      }) ?? ''
    );
  } catch {
    return '';
  }
}

/** Runs `run`, and plants every {@link Secret} that is used meanwhile. */
export async function plantSecretsOf(canaries: Canaries, run: () => Promise<unknown>): Promise<readonly Secret[]> {
  return secretsUsed(run, undefined, (bytes) => canaries.plant(`secret ${toHex(bytes).slice(0, 8)}`, bytes));
}

/** A provider that plants each key it is given and each secret that it agrees on. */
export function watched(crypto: CryptoProvider, canaries: Canaries): CryptoProvider {
  const wrap = <T extends object>(object: T, methods: Partial<T>): T =>
    Object.assign(Object.create(object) as T, methods);
  return wrap(crypto, {
    aead: (name) => {
      const aead = crypto.aead(name);
      return (
        aead &&
        wrap(aead, {
          withKey(key: Uint8Array): AeadKey {
            canaries.plant(`${name} key`, key);
            return aead.withKey(key);
          },
        })
      );
    },
    keyExchange: (id) => {
      const group = crypto.keyExchange(id);
      return group && wrap(group, watchedGroup(group, canaries));
    },
  });
}

function watchedGroup(group: KeyExchange, canaries: Canaries): Pick<KeyExchange, 'generate' | 'encapsulate'> {
  const plant = (secret: Uint8Array): Uint8Array => {
    canaries.plant(`shared secret of ${group.name}`, secret);
    return secret;
  };
  const after = <A, B>(value: MaybePromise<A>, use: (value: A) => B): MaybePromise<B> =>
    value instanceof Promise ? value.then(use) : use(value);
  return {
    generate: () =>
      after(
        group.generate(),
        (share): KeyShare => ({
          publicValue: share.publicValue,
          derive: (peer) => after(share.derive(peer), plant),
        }),
      ),
    encapsulate: (peer) =>
      after(group.encapsulate(peer), (result) => {
        plant(result.sharedSecret);
        return result;
      }),
  };
}
