import assert from 'node:assert/strict';
import * as ossl from '../../../src/openssl/index.ts';
import { fixedIdentity } from '../scenarios.ts';
import { type FuzzTarget, InputReader, type Random } from '../target.ts';

/** Each call is so many bytes of the input: which function, and what each argument is. */
const CALL_LENGTH = 6;
const MAX_CALLS = 60;
/** Things of one kind that are kept to be used again. */
const POOL = 6;

type Fn = (...args: never[]) => unknown;
type Kind = 'ssl' | 'ctx' | 'session' | 'bio' | 'method' | 'x509' | 'pkey' | 'conf' | 'store' | 'cipher' | 'other';

/** Would read what the machine has, which is not the same everywhere. */
const LEFT_OUT: ReadonlySet<string> = new Set(['SSL_CTX_set_default_verify_paths']);

/** What moves a connection: half of all calls. */
const USUAL = [
  'SSL_do_handshake',
  'SSL_do_handshake',
  'SSL_connect',
  'SSL_accept',
  'SSL_read',
  'SSL_read',
  'SSL_write',
  'SSL_write',
  'SSL_peek',
  'SSL_read_early_data',
  'SSL_write_early_data',
  'SSL_shutdown',
  'SSL_key_update',
  'SSL_new_session_ticket',
  'SSL_verify_client_post_handshake',
  'SSL_get1_session',
  'SSL_set_session',
  'SSL_clear',
  'SSL_get_error',
  'SSL_set_bio',
  'SSL_new',
  'SSL_set_accept_state',
  'SSL_set_connect_state',
  'BIO_write',
  'BIO_read',
] as const;

interface Callable {
  readonly name: string;
  readonly call: Fn;
  readonly parameters: readonly string[];
}

const named = (name: string, call: Fn): Callable => ({ name, call, parameters: parametersOf(call) });
const ALL: readonly Callable[] = Object.entries(ossl)
  .filter(([name, value]) => typeof value === 'function' && !LEFT_OUT.has(name))
  .map(([name, value]) => named(name, value as Fn));
const USUAL_CALLS: readonly Callable[] = USUAL.map((usual) => ALL.find(({ name }) => name === usual)!);

/** Their names say what they take. */
function parametersOf(fn: Fn): readonly string[] {
  const list = /\(([^)]*)\)/.exec(String(fn))?.[1] ?? '';
  return list
    .split(',')
    .map((one) => one.trim().split(/[ =]/)[0]!)
    .filter((one) => one !== '');
}

const KIND_OF_PARAMETER: Readonly<Record<string, Kind>> = {
  ssl: 'ssl',
  ctx: 'ctx',
  session: 'session',
  bio: 'bio',
  bio1: 'bio',
  bio2: 'bio',
  rbio: 'bio',
  wbio: 'bio',
  method: 'method',
  x509: 'x509',
  pkey: 'pkey',
  cctx: 'conf',
  store: 'store',
  cipher: 'cipher',
  storeCtx: 'other',
  cipherCtx: 'other',
  macCtx: 'other',
};
const KIND_OF_RESULT: readonly (readonly [RegExp, Kind])[] = [
  [/^SSL_(new|dup)$/, 'ssl'],
  [/^SSL_CTX_new$/, 'ctx'],
  [/SESSION_(new|dup)$|get[01]_session$|^d2i_SSL_SESSION$|^SSL_get_session$/, 'session'],
  [/^BIO_new|^SSL_get_[rw]bio$/, 'bio'],
  [/method$/, 'method'],
  [/X509$|peer_certificate$/, 'x509'],
  [/PrivateKey$/, 'pkey'],
  [/^SSL_CONF_CTX_new$/, 'conf'],
  [/cert_store$/, 'store'],
  [/cipher$/, 'cipher'],
];

const NUMBERS: readonly number[] = [
  0,
  1,
  2,
  3,
  4,
  5,
  8,
  -1,
  0x0303,
  0x0304,
  100,
  16_384,
  65_536,
  2 ** 31,
  2 ** 32,
  1.5,
];
const TEXTS: readonly string[] = [
  'localhost',
  '',
  'TLS_AES_128_GCM_SHA256',
  'TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384',
  'P-256:X25519',
  'X25519',
  'h2',
  'nowhere.pem',
  '-min_protocol',
  'NumTickets',
  'x'.repeat(300),
  'ä',
];

/** An error of the program's callback: it comes out where the program called. */
class ProgramError extends Error {}

/** A mistake that C's compiler would have found, as documented; JavaScript's own complaints read otherwise. */
function isDocumented(error: unknown): boolean {
  return error instanceof ProgramError || (error instanceof TypeError && /^\S+ must be /.test(error.message));
}

class Play {
  readonly #pools: Record<Kind, unknown[]> = {
    ssl: [],
    ctx: [],
    session: [],
    bio: [],
    method: [ossl.TLS_method(), ossl.TLS_server_method(), ossl.TLS_client_method()],
    x509: [],
    pkey: [],
    conf: [],
    store: [],
    cipher: [],
    other: [],
  };
  #depth = 0;
  readonly #saved: readonly Uint8Array[];

  constructor(identity: { readonly certificate: Uint8Array; readonly key: Uint8Array }, mode: number) {
    const x509 = ossl.d2i_X509(identity.certificate);
    const pkey = ossl.d2i_AutoPrivateKey(identity.key);
    const serverCtx = ossl.SSL_CTX_new(ossl.TLS_server_method())!;
    const clientCtx = ossl.SSL_CTX_new(ossl.TLS_client_method())!;
    ossl.SSL_CTX_use_certificate(serverCtx, x509);
    ossl.SSL_CTX_use_PrivateKey(serverCtx, pkey);
    ossl.X509_STORE_add_cert(ossl.SSL_CTX_get_cert_store(clientCtx), x509);
    for (const ctx of [serverCtx, clientCtx]) ossl.SSL_CTX_set1_groups_list(ctx, 'X25519');
    if ((mode & 2) !== 0) ossl.SSL_CTX_set_max_early_data(serverCtx, 1_000);
    if ((mode & 4) !== 0) ossl.SSL_CTX_set_post_handshake_auth(clientCtx, 1);
    this.#pools.ctx.push(serverCtx, clientCtx);
    this.#pools.x509.push(x509);
    this.#pools.pkey.push(pkey);
    this.#connect(serverCtx, clientCtx);
    if ((mode & 1) !== 0) this.#shakeHands();
    if ((mode & 8) !== 0) this.#resume(serverCtx, clientCtx);
    this.#saved = [identity.certificate, identity.key, new Uint8Array(48).fill(1), Uint8Array.of(2, 0x68, 0x32)];
  }

  #connect(serverCtx: ossl.SSL_CTX, clientCtx: ossl.SSL_CTX): void {
    const server = ossl.SSL_new(serverCtx)!;
    const client = ossl.SSL_new(clientCtx)!;
    const { bio1, bio2 } = ossl.BIO_new_bio_pair(0, 0);
    ossl.SSL_set_bio(server, bio1, bio1);
    ossl.SSL_set_bio(client, bio2, bio2);
    ossl.SSL_set_accept_state(server);
    ossl.SSL_set_connect_state(client);
    this.#pools.ssl.unshift(server, client);
    this.#pools.bio.push(bio1, bio2);
  }

  #shakeHands(): void {
    const [server, client] = this.#pools.ssl as [ossl.SSL, ossl.SSL];
    for (let i = 0; i < 3; i++) {
      ossl.SSL_do_handshake(client);
      ossl.SSL_do_handshake(server);
    }
    ossl.SSL_read(client, new Uint8Array(1));
  }

  #resume(serverCtx: ossl.SSL_CTX, clientCtx: ossl.SSL_CTX): void {
    const session = ossl.SSL_get1_session(this.#pools.ssl[1] as ossl.SSL);
    this.#connect(serverCtx, clientCtx);
    if (session === null) return;
    ossl.SSL_set_session(this.#pools.ssl[1] as ossl.SSL, session);
    this.#pools.session.push(session);
  }

  run(program: InputReader): void {
    for (let i = 0; i < MAX_CALLS && program.left > 0; i++) this.step(new InputReader(program.bytes(CALL_LENGTH)));
    let left = 0;
    while (ossl.ERR_get_error() !== 0) assert.ok(left++ < 1_000, 'the queue of errors is bounded');
    for (const ssl of this.#pools.ssl) {
      try {
        ossl.SSL_free(ssl as ossl.SSL);
      } catch (error) {
        if (!isDocumented(error)) throw error;
      }
    }
  }

  step(call: InputReader): void {
    const which = call.u16();
    const list = (which & 0x8000) === 0 ? USUAL_CALLS : ALL;
    const { name, call: fn, parameters } = list[(which & 0x7fff) % list.length]!;
    const args = parameters.map((parameter) => this.#argument(parameter, call.u8()));
    let result: unknown;
    try {
      result = fn(...(args as never[]));
    } catch (error) {
      if (isDocumented(error)) return;
      throw error;
    }
    assert.ok(!(result instanceof Promise), `${name} gives a promise`);
    if (typeof result === 'number') assert.ok(!Number.isNaN(result), `${name} gives NaN`);
    this.#keep(name, result);
  }

  #keep(name: string, result: unknown): void {
    if (typeof result !== 'object' || result === null) return;
    const kind = KIND_OF_RESULT.find(([pattern]) => pattern.test(name))?.[1];
    if (kind === undefined) return;
    const pool = this.#pools[kind];
    const things =
      name === 'BIO_new_bio_pair' ? Object.values(result).filter((one) => typeof one === 'object') : [result];
    for (const thing of things) if (!pool.includes(thing)) pool.push(thing);
    while (pool.length > POOL) pool.splice(2, 1);
  }

  #argument(parameter: string, selector: number): unknown {
    if (selector === 255) return null;
    if (selector >= 248) return this.#anything(selector & 7);
    const kind = KIND_OF_PARAMETER[parameter];
    if (kind !== undefined) {
      const pool = this.#pools[kind];
      return pool.length === 0 ? null : pool[selector % pool.length];
    }
    if (/^(callback|generate|decrypt)$/.test(parameter)) return this.#callback(selector);
    if (parameter === 'into') return new Uint8Array([0, 1, 100, 20_000][selector % 4]!);
    if (/^(data|key|iv|der|wire|sidContext|id|keys|server|client|context|alpn|twoBytes)$/.test(parameter))
      return selector < 64 ? this.#saved[selector % this.#saved.length] : new Uint8Array(selector - 64);
    if (/^(name|list|label|cmd|value|prefix|file|directory)$/.test(parameter)) return TEXTS[selector % TEXTS.length];
    return NUMBERS[selector % NUMBERS.length];
  }

  #anything(selector: number): unknown {
    return [undefined, 0, 'x', new Uint8Array(3), {}, this.#pools.ssl[0], this.#pools.ctx[0], Number.NaN][selector];
  }

  /** Answers that mean something to one callback or another; and calls from inside one. */
  #callback(selector: number): Fn | null {
    const answers = [0, 1, 2, 3, -1, null, new Uint8Array(4), undefined];
    const answer = answers[selector % answers.length];
    return () => {
      if (this.#depth >= 2) return answer;
      this.#depth++;
      try {
        if (selector >= 200) throw new ProgramError('of the callback');
        if (selector >= 80)
          this.step(new InputReader(Uint8Array.of(selector & 64 ? 0 : 128, selector * 7, selector, 0, 1, 2)));
      } finally {
        this.#depth--;
      }
      return answer;
    };
  }
}

let identity: Promise<{ certificate: Uint8Array; key: Uint8Array }> | undefined;

/** The order of calls in which things happen, after `mode`. */
function program(mode: number, ...calls: readonly (readonly [(typeof USUAL)[number], ...number[]])[]): Uint8Array {
  const bytes = new Uint8Array(1 + calls.length * CALL_LENGTH);
  bytes[0] = mode;
  for (const [i, [name, ...args]] of calls.entries()) {
    bytes.set([0, USUAL.indexOf(name), ...args], 1 + i * CALL_LENGTH);
  }
  return bytes;
}

export const openssl: FuzzTarget = {
  name: 'openssl',
  about:
    "all functions of the OpenSSL facade in any order, also from callbacks; documented: TypeError '… must be …', what a callback threw",
  maxLength: 1 + MAX_CALLS * CALL_LENGTH,
  sliceRuns: 40,
  seeds: () => [
    program(0, ['SSL_do_handshake', 1], ['SSL_do_handshake', 0], ['SSL_do_handshake', 1], ['SSL_do_handshake', 0]),
    program(1, ['SSL_write', 0, 70], ['SSL_read', 1, 2], ['SSL_write', 1, 70], ['SSL_peek', 0, 2], ['SSL_read', 0, 1]),
    program(1, ['SSL_key_update', 0, 1], ['SSL_do_handshake', 0], ['SSL_read', 1, 2], ['SSL_new_session_ticket', 0]),
    program(1, ['SSL_shutdown', 0], ['SSL_read', 1, 1], ['SSL_shutdown', 1], ['SSL_shutdown', 0], ['SSL_clear', 0]),
    program(
      5,
      ['SSL_verify_client_post_handshake', 0],
      ['SSL_do_handshake', 0],
      ['SSL_read', 1, 1],
      ['SSL_read', 0, 1],
    ),
    program(
      11,
      ['SSL_write_early_data', 1, 70],
      ['SSL_read_early_data', 0, 2],
      ['SSL_do_handshake', 1],
      ['SSL_do_handshake', 0],
    ),
    program(9, ['SSL_do_handshake', 1], ['SSL_do_handshake', 0], ['SSL_do_handshake', 1], ['SSL_get1_session', 1]),
  ],
  /** Whole calls: another one, one less, two in the other order. */
  mutate(input, random: Random) {
    const calls: Uint8Array[] = [];
    for (let at = 1; at < input.length; at += CALL_LENGTH) calls.push(input.slice(at, at + CALL_LENGTH));
    const at = random.below(calls.length + 1);
    const kind = random.below(4);
    const fresh = Uint8Array.of(
      random.chance(2) ? 0 : 128,
      random.u32(),
      ...random.bytes(4).map((byte) => byte & 0xc7),
    );
    if (kind === 0) calls.splice(at, 1);
    else if (kind === 1 && calls.length > 0) calls.splice(at, 0, random.pick(calls));
    else calls.splice(at, 0, fresh);
    const out = new Uint8Array(1 + calls.length * CALL_LENGTH);
    out[0] = random.chance(20) ? random.u32() : (input[0] ?? 0);
    for (const [i, call] of calls.entries()) out.set(call, 1 + i * CALL_LENGTH);
    return out;
  },
  async run(input) {
    identity ??= fixedIdentity().then(({ certificate, credential: _, keyPem }) => ({
      certificate,
      key: new Uint8Array(Buffer.from(keyPem.replace(/-----[^-]+-----|\s/g, ''), 'base64')),
    }));
    const who = await identity;
    ossl.ERR_clear_error();
    const r = new InputReader(input);
    new Play(who, r.u8()).run(r);
  },
};
