/** SSL_CTX_*: contexts and what their connections share. What a connection may have in its own way is in `options.ts`. */

import { expectBytes, expectInteger, expectNumber, expectString, unwrap } from './arguments.ts';
import {
  ERR_R_PASSED_NULL_PARAMETER,
  ERR_R_SYS_LIB,
  OPENSSL_NPN_NEGOTIATED,
  OPENSSL_NPN_NO_OVERLAP,
  TLS1_3_VERSION,
} from './constants.ts';
import { Context, Method } from './context.ts';
import { pushError, pushSystemError } from './error-queue.ts';
import { SSL_REASON } from './reasons.ts';
import { parseAlpn } from './settings.ts';
import type { SSL_CTX, SSL_METHOD, X509_STORE } from './types.ts';

const METHODS = { any: new Method(), server: new Method('server'), client: new Method('client') };

export function TLS_method(): SSL_METHOD {
  return METHODS.any;
}

export function TLS_server_method(): SSL_METHOD {
  return METHODS.server;
}

export function TLS_client_method(): SSL_METHOD {
  return METHODS.client;
}

export function contextOf(ctx: SSL_CTX | null): Context | undefined {
  return unwrap('ctx', ctx, Context);
}

/** A context with OpenSSL's defaults; `null` for NULL. It makes ticket keys of its own when first needed. */
export function SSL_CTX_new(method: SSL_METHOD | null): SSL_CTX | null {
  const known = unwrap('method', method, Method);
  if (known !== undefined) return new Context(known);
  pushError(ERR_R_PASSED_NULL_PARAMETER);
  return null;
}

export function SSL_CTX_up_ref(ctx: SSL_CTX | null): number {
  const context = contextOf(ctx);
  if (context === undefined) return 0;
  context.references++;
  return 1;
}

/** Gives back a reference; connections hold one each. With the last one the cached sessions go. */
export function SSL_CTX_free(ctx: SSL_CTX | null): void {
  contextOf(ctx)?.release();
}

/** Lifetime of sessions in seconds, 0 for the default of 7,200; tickets live at most 604,800. Gives the one before. */
export function SSL_CTX_set_timeout(ctx: SSL_CTX | null, seconds: number): number {
  expectInteger('seconds', seconds);
  const context = contextOf(ctx);
  const before = context?.timeout ?? 0;
  if (context !== undefined) context.timeout = seconds;
  return before;
}

export function SSL_CTX_get_timeout(ctx: SSL_CTX | null): number {
  return contextOf(ctx)?.timeout ?? 0;
}

/** Trusts the certificates of a PEM file, of all files of a directory, or both. 1, or 0 when there is none or one cannot be read. */
export function SSL_CTX_load_verify_locations(
  ctx: SSL_CTX | null,
  file: string | null,
  directory: string | null,
): number {
  if (file !== null) expectString('file', file);
  if (directory !== null) expectString('directory', directory);
  const context = contextOf(ctx);
  if (context === undefined || (file === null && directory === null)) return 0;
  return loading(() => {
    if (file !== null && context.trust.addFile(file) === 0) {
      pushError(SSL_REASON.BAD_CERTIFICATE);
      return 0;
    }
    if (directory !== null) context.trust.addDirectory(directory);
    return 1;
  });
}

export function SSL_CTX_load_verify_file(ctx: SSL_CTX | null, file: string): number {
  return SSL_CTX_load_verify_locations(ctx, file, null);
}

export function SSL_CTX_load_verify_dir(ctx: SSL_CTX | null, directory: string): number {
  return SSL_CTX_load_verify_locations(ctx, null, directory);
}

/** Trusts what SSL_CERT_FILE and SSL_CERT_DIR say, or else Node's root certificates. */
export function SSL_CTX_set_default_verify_paths(ctx: SSL_CTX | null): number {
  const context = contextOf(ctx);
  if (context === undefined) return 0;
  return loading(() => {
    context.trust.addDefaults();
    return 1;
  });
}

/** Runs what reads files; an error of the file system goes into the queue and gives 0. */
export function loading(run: () => number): number {
  try {
    return run();
  } catch (error) {
    const { errno } = error as { errno?: unknown };
    if (typeof errno !== 'number') throw error;
    pushSystemError(-errno);
    pushError(ERR_R_SYS_LIB);
    return 0;
  }
}

/** The store of trusted certificates, for X509_STORE_add_cert. */
export function SSL_CTX_get_cert_store(ctx: SSL_CTX | null): X509_STORE | null {
  return contextOf(ctx)?.trust ?? null;
}

export function SSL_CTX_set_ex_data(ctx: SSL_CTX | null, index: number, data: unknown): number {
  expectInteger('index', index);
  return contextOf(ctx)?.exData.set(index, data) === undefined ? 0 : 1;
}

export function SSL_CTX_get_ex_data(ctx: SSL_CTX | null, index: number): unknown {
  expectInteger('index', index);
  return contextOf(ctx)?.exData.get(index) ?? null;
}

/** There is TLS 1.3 only: 0 and every version up to 1.3 are allowed. */
export function SSL_CTX_set_min_proto_version(ctx: SSL_CTX | null, version: number): number {
  expectNumber('version', version);
  return contextOf(ctx) !== undefined && isVersion(version) ? 1 : 0;
}

/** There is TLS 1.3 only: 0 and TLS1_3_VERSION are allowed. */
export function SSL_CTX_set_max_proto_version(ctx: SSL_CTX | null, version: number): number {
  expectNumber('version', version);
  return contextOf(ctx) !== undefined && (version === 0 || version === TLS1_3_VERSION) ? 1 : 0;
}

const SSL3_VERSION = 0x0300;

function isVersion(version: number): boolean {
  return version === 0 || (version >= SSL3_VERSION && version <= TLS1_3_VERSION);
}

export function SSL_CTX_get_min_proto_version(ctx: SSL_CTX | null): number {
  return contextOf(ctx) === undefined ? 0 : TLS1_3_VERSION;
}

export function SSL_CTX_get_max_proto_version(ctx: SSL_CTX | null): number {
  return contextOf(ctx) === undefined ? 0 : TLS1_3_VERSION;
}

/** Picks the first name of `server` that is in `client`, both in wire format; without one the client's first. */
export function SSL_select_next_proto(server: Uint8Array, client: Uint8Array): { ret: number; out: Uint8Array | null } {
  expectBytes('server', server);
  expectBytes('client', client);
  const ours = parseAlpn(server) ?? [];
  const theirs = parseAlpn(client) ?? [];
  const common = ours.find((name) => theirs.includes(name));
  const chosen = common ?? theirs[0];
  return {
    ret: common === undefined ? OPENSSL_NPN_NO_OVERLAP : OPENSSL_NPN_NEGOTIATED,
    out: chosen === undefined ? null : Uint8Array.from(Buffer.from(chosen, 'latin1')),
  };
}
