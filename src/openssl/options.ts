/** What a context and each of its connections have in the same way. A connection takes over its context's values when it is made. */

import { readFileSync } from 'node:fs';
import { copyOf } from '../bytes/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { NamedGroup } from '../wire/registry.ts';
import { expectBytes, expectCallback, expectInteger, expectString, unwrap } from './arguments.ts';
import { Ssl } from './connection.ts';
import {
  ERR_LIB_PEM,
  ERR_R_PASSED_INVALID_ARGUMENT,
  SSL_FILETYPE_ASN1,
  SSL_FILETYPE_PEM,
  SSL_MAX_SID_CTX_LENGTH,
} from './constants.ts';
import { contextOf, loading } from './ctx.ts';
import { pushError } from './error-queue.ts';
import { PEM_REASON, SSL_REASON } from './reasons.ts';
import { parseAlpn, parseCipherSuites, parseGroups, type Settings } from './settings.ts';
import type { EVP_PKEY, SSL, SSL_CTX, X509 } from './types.ts';
import type { VerifyCallback } from './verify.ts';
import {
  certificateOf,
  isCertificate,
  isPrivateKey,
  keyOf,
  parseCertificate,
  parsePrivateKey,
  pemBlocks,
} from './x509.ts';

function ofContext(ctx: SSL_CTX | null): Settings | undefined {
  return contextOf(ctx)?.settings;
}

function ofConnection(ssl: SSL | null): Settings | undefined {
  return unwrap('ssl', ssl, Ssl)?.settings;
}

// ---- options and modes: bits

type Bits = 'options' | 'mode';

function setBits(settings: Settings | undefined, which: Bits, bits: number): number {
  expectInteger(which, bits);
  if (settings === undefined) return 0;
  settings[which] = (settings[which] | bits) >>> 0;
  return settings[which];
}

function clearBits(settings: Settings | undefined, which: Bits, bits: number): number {
  expectInteger(which, bits);
  if (settings === undefined) return 0;
  settings[which] = (settings[which] & ~bits) >>> 0;
  return settings[which];
}

/** Adds SSL_OP_ bits; gives all of them. */
export function SSL_CTX_set_options(ctx: SSL_CTX | null, options: number): number {
  return setBits(ofContext(ctx), 'options', options);
}

/** As {@link SSL_CTX_set_options}, for one connection. */
export function SSL_set_options(ssl: SSL | null, options: number): number {
  return setBits(ofConnection(ssl), 'options', options);
}

/** Takes SSL_OP_ bits away; gives what is left. */
export function SSL_CTX_clear_options(ctx: SSL_CTX | null, options: number): number {
  return clearBits(ofContext(ctx), 'options', options);
}

/** As {@link SSL_CTX_clear_options}, for one connection. */
export function SSL_clear_options(ssl: SSL | null, options: number): number {
  return clearBits(ofConnection(ssl), 'options', options);
}

/** The SSL_OP_ bits. */
export function SSL_CTX_get_options(ctx: SSL_CTX | null): number {
  return ofContext(ctx)?.options ?? 0;
}

/** As {@link SSL_CTX_get_options}, for one connection. */
export function SSL_get_options(ssl: SSL | null): number {
  return ofConnection(ssl)?.options ?? 0;
}

/** Adds SSL_MODE_ bits; gives all of them. */
export function SSL_CTX_set_mode(ctx: SSL_CTX | null, mode: number): number {
  return setBits(ofContext(ctx), 'mode', mode);
}

/** As {@link SSL_CTX_set_mode}, for one connection. */
export function SSL_set_mode(ssl: SSL | null, mode: number): number {
  return setBits(ofConnection(ssl), 'mode', mode);
}

/** Takes SSL_MODE_ bits away; gives what is left. */
export function SSL_CTX_clear_mode(ctx: SSL_CTX | null, mode: number): number {
  return clearBits(ofContext(ctx), 'mode', mode);
}

/** As {@link SSL_CTX_clear_mode}, for one connection. */
export function SSL_clear_mode(ssl: SSL | null, mode: number): number {
  return clearBits(ofConnection(ssl), 'mode', mode);
}

/** The SSL_MODE_ bits. */
export function SSL_CTX_get_mode(ctx: SSL_CTX | null): number {
  return ofContext(ctx)?.mode ?? 0;
}

/** As {@link SSL_CTX_get_mode}, for one connection. */
export function SSL_get_mode(ssl: SSL | null): number {
  return ofConnection(ssl)?.mode ?? 0;
}

// ---- verification

function setVerify(settings: Settings | undefined, mode: number, callback: VerifyCallback | null): void {
  expectInteger('mode', mode);
  expectCallback('callback', callback);
  if (settings === undefined) return;
  settings.verifyMode = mode;
  if (callback !== null) settings.verifyCallback = callback;
}

function setSidContext(settings: Settings | undefined, sidContext: Uint8Array): number {
  expectBytes('sidContext', sidContext);
  if (settings === undefined) return 0;
  if (sidContext.length > SSL_MAX_SID_CTX_LENGTH) {
    pushError(SSL_REASON.SSL_SESSION_ID_CONTEXT_TOO_LONG);
    return 0;
  }
  settings.sidContext = copyOf(sidContext);
  return 1;
}

/** Whether the peer's certificate is asked for and must be good (SSL_VERIFY_ bits), and who may overrule the verdict. Default: SSL_VERIFY_NONE. */
export function SSL_CTX_set_verify(ctx: SSL_CTX | null, mode: number, callback: VerifyCallback | null): void {
  setVerify(ofContext(ctx), mode, callback);
}

/** As {@link SSL_CTX_set_verify}, for one connection. */
export function SSL_set_verify(ssl: SSL | null, mode: number, callback: VerifyCallback | null): void {
  setVerify(ofConnection(ssl), mode, callback);
}

/** The SSL_VERIFY_ bits. */
export function SSL_CTX_get_verify_mode(ctx: SSL_CTX | null): number {
  return ofContext(ctx)?.verifyMode ?? 0;
}

/** As {@link SSL_CTX_get_verify_mode}, for one connection. */
export function SSL_get_verify_mode(ssl: SSL | null): number {
  return ofConnection(ssl)?.verifyMode ?? 0;
}

/** Who may resume a session: only connections with the same context (0 to 32 bytes). Needed with SSL_VERIFY_PEER on a server. */
export function SSL_CTX_set_session_id_context(ctx: SSL_CTX | null, sidContext: Uint8Array): number {
  return setSidContext(ofContext(ctx), sidContext);
}

/** As {@link SSL_CTX_set_session_id_context}, for one connection. */
export function SSL_set_session_id_context(ssl: SSL | null, sidContext: Uint8Array): number {
  return setSidContext(ofConnection(ssl), sidContext);
}

// ---- certificates and keys

function useCertificate(settings: Settings | undefined, x509: X509 | null): number {
  const certificate = certificateOf('x509', x509);
  if (settings === undefined || certificate === undefined) return 0;
  settings.certificates.setCertificate(certificate);
  return 1;
}

function useKey(settings: Settings | undefined, pkey: EVP_PKEY | null): number {
  const key = keyOf('pkey', pkey);
  return settings !== undefined && key !== undefined && settings.certificates.setKey(key) ? 1 : 0;
}

function readFile(path: string): Uint8Array {
  expectString('file', path);
  return readFileSync(path);
}

/** The blocks of a PEM file, or `undefined` when there are none. */
function readPem(path: string, isWanted: (label: string) => boolean): string[] | undefined {
  const blocks = pemBlocks(readFile(path), isWanted);
  if (blocks.length > 0) return blocks;
  pushError(PEM_REASON.NO_START_LINE, ERR_LIB_PEM);
  return undefined;
}

function badFileType(): 0 {
  pushError(SSL_REASON.BAD_SSL_FILETYPE);
  return 0;
}

function useCertificateFile(settings: Settings | undefined, file: string, type: number): number {
  return loading(() => {
    if (type === SSL_FILETYPE_ASN1) return useCertificate(settings, parseCertificate(readFile(file)) ?? null);
    if (type !== SSL_FILETYPE_PEM) return badFileType();
    const [block] = readPem(file, isCertificate) ?? [];
    return useCertificate(settings, (block && parseCertificate(block)) || null);
  });
}

function useKeyFile(settings: Settings | undefined, file: string, type: number): number {
  return loading(() => {
    if (type === SSL_FILETYPE_ASN1) return useKey(settings, parsePrivateKey(readFile(file)) ?? null);
    if (type !== SSL_FILETYPE_PEM) return badFileType();
    const [block] = readPem(file, isPrivateKey) ?? [];
    return useKey(settings, (block && parsePrivateKey(block)) || null);
  });
}

function useChainFile(settings: Settings | undefined, file: string): number {
  return loading(() => {
    const certificates = (readPem(file, isCertificate) ?? []).map(parseCertificate);
    const [leaf, ...chain] = certificates.filter((one) => one !== undefined);
    if (settings === undefined || leaf === undefined || chain.length + 1 < certificates.length) return 0;
    settings.certificates.setCertificate(leaf, chain);
    return 1;
  });
}

function useCertificateDer(settings: Settings | undefined, der: Uint8Array): number {
  expectBytes('der', der);
  return useCertificate(settings, parseCertificate(der) ?? null);
}

function useKeyDer(settings: Settings | undefined, der: Uint8Array): number {
  expectBytes('der', der);
  return useKey(settings, parsePrivateKey(der) ?? null);
}

function addChain(settings: Settings | undefined, x509: X509 | null): number {
  const certificate = certificateOf('x509', x509);
  return settings !== undefined && certificate !== undefined && settings.certificates.addChain(certificate) ? 1 : 0;
}

/** The certificate in a file: SSL_FILETYPE_PEM or SSL_FILETYPE_ASN1. Set it before its key. */
export function SSL_CTX_use_certificate_file(ctx: SSL_CTX | null, file: string, type: number): number {
  return useCertificateFile(ofContext(ctx), file, type);
}

/** As {@link SSL_CTX_use_certificate_file}, for one connection. */
export function SSL_use_certificate_file(ssl: SSL | null, file: string, type: number): number {
  return useCertificateFile(ofConnection(ssl), file, type);
}

/** The private key in a file. 0 when it is not the certificate's. */
export function SSL_CTX_use_PrivateKey_file(ctx: SSL_CTX | null, file: string, type: number): number {
  return useKeyFile(ofContext(ctx), file, type);
}

/** As {@link SSL_CTX_use_PrivateKey_file}, for one connection. */
export function SSL_use_PrivateKey_file(ssl: SSL | null, file: string, type: number): number {
  return useKeyFile(ofConnection(ssl), file, type);
}

/** The certificates in a PEM file, leaf first. */
export function SSL_CTX_use_certificate_chain_file(ctx: SSL_CTX | null, file: string): number {
  return useChainFile(ofContext(ctx), file);
}

/** As {@link SSL_CTX_use_certificate_chain_file}, for one connection. */
export function SSL_use_certificate_chain_file(ssl: SSL | null, file: string): number {
  return useChainFile(ofConnection(ssl), file);
}

/** The certificate. */
export function SSL_CTX_use_certificate(ctx: SSL_CTX | null, x509: X509 | null): number {
  return useCertificate(ofContext(ctx), x509);
}

/** As {@link SSL_CTX_use_certificate}, for one connection. */
export function SSL_use_certificate(ssl: SSL | null, x509: X509 | null): number {
  return useCertificate(ofConnection(ssl), x509);
}

/** The private key. 0 when it is not the certificate's. */
export function SSL_CTX_use_PrivateKey(ctx: SSL_CTX | null, pkey: EVP_PKEY | null): number {
  return useKey(ofContext(ctx), pkey);
}

/** As {@link SSL_CTX_use_PrivateKey}, for one connection. */
export function SSL_use_PrivateKey(ssl: SSL | null, pkey: EVP_PKEY | null): number {
  return useKey(ofConnection(ssl), pkey);
}

/** The certificate, DER. */
export function SSL_CTX_use_certificate_ASN1(ctx: SSL_CTX | null, der: Uint8Array): number {
  return useCertificateDer(ofContext(ctx), der);
}

/** As {@link SSL_CTX_use_certificate_ASN1}, for one connection. */
export function SSL_use_certificate_ASN1(ssl: SSL | null, der: Uint8Array): number {
  return useCertificateDer(ofConnection(ssl), der);
}

/** The private key of type `pk` (which is not looked at), DER. */
export function SSL_CTX_use_PrivateKey_ASN1(pk: number, ctx: SSL_CTX | null, der: Uint8Array): number {
  expectInteger('pk', pk);
  return useKeyDer(ofContext(ctx), der);
}

/** As {@link SSL_CTX_use_PrivateKey_ASN1}, for one connection. */
export function SSL_use_PrivateKey_ASN1(pk: number, ssl: SSL | null, der: Uint8Array): number {
  expectInteger('pk', pk);
  return useKeyDer(ofConnection(ssl), der);
}

/** Adds a certificate to the chain of the one set last. */
export function SSL_CTX_add1_chain_cert(ctx: SSL_CTX | null, x509: X509 | null): number {
  return addChain(ofContext(ctx), x509);
}

/** As {@link SSL_CTX_add1_chain_cert}, for one connection. */
export function SSL_add1_chain_cert(ssl: SSL | null, x509: X509 | null): number {
  return addChain(ofConnection(ssl), x509);
}

/** As {@link SSL_CTX_add1_chain_cert}. */
export function SSL_CTX_add_extra_chain_cert(ctx: SSL_CTX | null, x509: X509 | null): number {
  return addChain(ofContext(ctx), x509);
}

function checkKey(settings: Settings | undefined): number {
  return settings?.certificates.check() ? 1 : 0;
}

/** Whether the certificate set last has its key. */
export function SSL_CTX_check_private_key(ctx: SSL_CTX | null): number {
  return checkKey(ofContext(ctx));
}

/** Whether the certificate set last has its key. */
export function SSL_check_private_key(ssl: SSL | null): number {
  return checkKey(ofConnection(ssl));
}

// ---- what is negotiated

function setCipherSuites(settings: Settings | undefined, list: string): number {
  expectString('list', list);
  const suites = parseCipherSuites(list);
  if (settings === undefined) return 0;
  if (suites.length === 0) {
    pushError(SSL_REASON.NO_CIPHER_MATCH);
    return 0;
  }
  settings.cipherSuites = suites;
  return 1;
}

function setGroups(settings: Settings | undefined, list: string): number {
  expectString('list', list);
  const groups = parseGroups(list)?.filter(
    (name) => nodeCrypto.keyExchange(NamedGroup[name as keyof typeof NamedGroup]) !== undefined,
  );
  if (settings === undefined) return 0;
  if (groups === undefined || groups.length === 0) {
    pushError(ERR_R_PASSED_INVALID_ARGUMENT);
    return 0;
  }
  settings.groups = groups;
  return 1;
}

/** Here 0 is success, as in C. */
function setAlpn(settings: Settings | undefined, wire: Uint8Array): number {
  expectBytes('wire', wire);
  const names = parseAlpn(wire);
  if (settings === undefined || names === undefined) return 1;
  settings.alpn = names;
  return 0;
}

function setQuietShutdown(settings: Settings | undefined, mode: number): void {
  expectInteger('mode', mode);
  if (settings !== undefined) settings.quietShutdown = mode;
}

/** TLS 1.3 suites in order of preference, colons between them. Unknown names are passed over. */
export function SSL_CTX_set_ciphersuites(ctx: SSL_CTX | null, list: string): number {
  return setCipherSuites(ofContext(ctx), list);
}

/** As {@link SSL_CTX_set_ciphersuites}, for one connection. */
export function SSL_set_ciphersuites(ssl: SSL | null, list: string): number {
  return setCipherSuites(ofConnection(ssl), list);
}

/** Groups in order of preference, such as `X25519MLKEM768:X25519:P-256`. */
export function SSL_CTX_set1_groups_list(ctx: SSL_CTX | null, list: string): number {
  return setGroups(ofContext(ctx), list);
}

/** As {@link SSL_CTX_set1_groups_list}, for one connection. */
export function SSL_set1_groups_list(ssl: SSL | null, list: string): number {
  return setGroups(ofConnection(ssl), list);
}

/** Client: the application protocols to offer, in wire format. **0 is success**, as in C. */
export function SSL_CTX_set_alpn_protos(ctx: SSL_CTX | null, wire: Uint8Array): number {
  return setAlpn(ofContext(ctx), wire);
}

/** As {@link SSL_CTX_set_alpn_protos}, for one connection. */
export function SSL_set_alpn_protos(ssl: SSL | null, wire: Uint8Array): number {
  return setAlpn(ofConnection(ssl), wire);
}

/** 1: SSL_shutdown sends and expects nothing. */
export function SSL_CTX_set_quiet_shutdown(ctx: SSL_CTX | null, mode: number): void {
  setQuietShutdown(ofContext(ctx), mode);
}

/** As {@link SSL_CTX_set_quiet_shutdown}, for one connection. */
export function SSL_set_quiet_shutdown(ssl: SSL | null, mode: number): void {
  setQuietShutdown(ofConnection(ssl), mode);
}
