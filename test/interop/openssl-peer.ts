/** `openssl s_client` and `s_server` as the other side of our engines. */
import { peer } from '../support/peers.ts';
import { type Running, type Scope, start } from '../support/process.ts';
import { type Connection, type ConnectOptions, connect, files, type OurServer } from './harness.ts';

/** What `-msg` prints for a message that was read (`<<<`) or written (`>>>`). */
export function countMessages(program: Running, direction: '<<<' | '>>>', message: string): number {
  return program.output
    .split(`\n${direction} TLS 1.3, Handshake `)
    .filter((part) => part.split('\n', 1)[0]!.endsWith(message)).length;
}

/** Starts `s_client` to a server of ours and gives both ends. It trusts nobody else, and prints every message. */
export async function sClient(
  t: Scope,
  server: OurServer,
  args: readonly string[] = [],
): Promise<{ readonly program: Running; readonly connection: Connection }> {
  const { serverCert } = await files();
  const program = start(t, peer('openssl')!.path, [
    ...['s_client', '-connect', server.address, '-servername', 'localhost', '-msg'],
    ...(args.includes('-tls1_2') ? [] : ['-tls1_3']),
    ...['-CAfile', serverCert, '-verify_return_error', '-verify_hostname', 'localhost'],
    ...args,
  ]);
  return { program, connection: await server.accept() };
}

/** Starts `s_server` on a free port. It takes one connection at a time, and prints every message. */
export async function sServer(
  t: Scope,
  args: readonly string[] = [],
): Promise<{ readonly program: Running; readonly port: number }> {
  const { serverCert, serverKey } = await files();
  const own = args.includes('-cert') || args.includes('-nocert') ? [] : ['-cert', serverCert, '-key', serverKey];
  const program = start(t, peer('openssl')!.path, [
    ...['s_server', '-accept', '127.0.0.1:0', '-tls1_3', '-msg', ...own],
    ...args,
  ]);
  const [, port] = await program.waitFor(/^ACCEPT 127\.0\.0\.1:(\d+)/m);
  return { program, port: Number(port) };
}

/** A connection of ours to a new `s_server`. */
export async function toServer(
  t: Scope,
  args: readonly string[],
  options: ConnectOptions = {},
): Promise<{ readonly program: Running; readonly port: number; readonly connection: Connection }> {
  const { program, port } = await sServer(t, args);
  return { program, port, connection: await connect(t, port, options) };
}

/** Our names of groups, in OpenSSL's words. */
export const OPENSSL_GROUPS: Readonly<Record<string, string>> = {
  x25519: 'X25519',
  secp256r1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};
