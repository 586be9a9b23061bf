/** docs/node-compat.md has every name of node:tls and every name of ours, and what it says of them is true. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import * as net from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import * as nodeTls from 'node:tls';
import ours, {
  type ConnectionOptions,
  type SecureContextOptions,
  type TLSSocketOptions,
  type TlsOptions,
} from '../../../src/node/index.ts';

const STATUSES = ['same', 'adapted', 'ignored', 'refused', 'added'] as const;
type Status = (typeof STATUSES)[number];
interface Row {
  readonly status: Status;
  readonly note: string;
}

const root = new URL('../../../', import.meta.url);
const text = readFileSync(new URL('docs/node-compat.md', root), 'utf8');

/** The rows of the table under a heading, by name. */
function table(heading: string): ReadonlyMap<string, Row> {
  const section = text.split('\n## ').find((one) => one.startsWith(`${heading}\n`));
  assert.ok(section, heading);
  const rows = new Map<string, Row>();
  for (const line of section.split('\n').filter((one) => one.startsWith('| `'))) {
    const [, names = '', status = '', note = ''] = line
      .split(' | ')
      .flatMap((cell, i) => (i === 0 ? ['', cell] : [cell]));
    assert.ok((STATUSES as readonly string[]).includes(status), line);
    for (const [, name] of names.matchAll(/`([^`]+)`/g)) {
      assert.ok(!rows.has(name!), `${heading}: ${name} is there twice`);
      rows.set(name!, { status: status as Status, note: note.replace(/ \|$/, '') });
    }
  }
  return rows;
}

const there = (rows: ReadonlyMap<string, Row>, ...statuses: readonly Status[]): string[] =>
  [...rows].flatMap(([name, { status }]) => (statuses.includes(status) ? [name] : []));

/** Names on a prototype and those it inherits from, up to `end`. */
function namesOn(prototype: object, end: object): Set<string> {
  const names = new Set<string>();
  for (let at = prototype; at !== end; at = Object.getPrototypeOf(at) as object) {
    for (const name of Object.getOwnPropertyNames(at)) if (name !== 'constructor') names.add(name);
  }
  return names;
}

function assertNone(names: Iterable<string>, what: string): void {
  assert.deepEqual([...names], [], what);
}

/** What has a place in the table, and what is there of it, are the same in both modules. */
function compare(rows: ReadonlyMap<string, Row>, node: ReadonlySet<string>, own: ReadonlySet<string>): void {
  assertNone(
    [...node].filter((name) => !rows.has(name)),
    'of node:tls, and missing in the table',
  );
  assertNone(
    there(rows, 'same', 'adapted', 'added').filter((name) => !own.has(name)),
    'in the table, and not there',
  );
  assertNone(
    there(rows, 'refused').filter((name) => own.has(name)),
    'refused, but there',
  );
  assertNone(
    there(rows, 'added').filter((name) => node.has(name)),
    'added, but of node:tls',
  );
}

test('Module', () => {
  const rows = table('Module');
  const node = new Set(Object.keys(nodeTls).filter((name) => name !== 'default'));
  const own = new Set(Object.keys(ours));
  compare(rows, node, own);
  assertNone(
    [...own].filter((name) => !rows.has(name)),
    'ours, and missing in the table',
  );
});

/** Those of node:tls when it sets them on each object, that are no internals. */
function ownNames(object: object, plain: object): string[] {
  const usual = Object.keys(plain);
  return Object.keys(object).filter((name) => !name.startsWith('_') && !usual.includes(name));
}

test('Server', () => {
  const rows = table('Server: properties and methods');
  const options = table('Options of `createSecureContext`');
  const node = namesOn(nodeTls.Server.prototype, net.Server.prototype);
  for (const name of ownNames(new nodeTls.Server({}), new net.Server())) {
    // Its options are properties of it, too, for nobody.
    if (!options.has(name) || rows.has(name)) node.add(name);
  }
  const own = namesOn(ours.Server.prototype, net.Server.prototype);
  const server = new ours.Server({ ALPNProtocols: ['a'] });
  for (const name of Object.keys(server)) own.add(name);
  compare(rows, node, own);
});

test('TLSSocket', () => {
  const rows = table('TLSSocket: properties and methods');
  const node = namesOn(nodeTls.TLSSocket.prototype, net.Socket.prototype);
  const socket = new nodeTls.TLSSocket(new net.Socket());
  for (const name of ownNames(socket, new net.Socket())) node.add(name);
  socket.destroy();
  const own = namesOn(ours.TLSSocket.prototype, Duplex.prototype);
  compare(rows, node, own);
  // Those of net.Socket are all there, but for what begins with an underscore, which is Node's own.
  const plain = namesOn(net.Socket.prototype, Duplex.prototype);
  assertNone(
    [...plain].filter((name) => !name.startsWith('_') && !(name in ours.TLSSocket.prototype)),
    'of net.Socket, and not ours',
  );
});

/** Every option has to be named here, or the types do not fit. */
type Names<T> = Record<keyof T, true>;
type NetOptions = Partial<net.TcpSocketConnectOpts & net.IpcSocketConnectOpts>;

const CONTEXT: Names<SecureContextOptions> = {
  ...{ key: true, cert: true, pfx: true, passphrase: true, ca: true, crl: true, allowPartialTrustChain: true },
  ...{ ciphers: true, ecdhCurve: true, sigalgs: true, minVersion: true, maxVersion: true, secureProtocol: true },
  ...{ secureOptions: true, honorCipherOrder: true, dhparam: true, minDHSize: true, sessionIdContext: true },
  ...{ sessionTimeout: true, ticketKeys: true, certificateCompression: true, groups: true, verifyPeer: true },
  ...{ numTickets: true, ticketLifetime: true, tickets: true, limits: true },
};
const SERVER: Names<Omit<TlsOptions, keyof SecureContextOptions | keyof net.ServerOpts>> = {
  ...{ requestCert: true, rejectUnauthorized: true, handshakeTimeout: true, ALPNProtocols: true, SNICallback: true },
  ...{ ALPNCallback: true, pskCallback: true, pskIdentityHint: true, secureContext: true, findPsk: true },
  ...{ earlyData: true, ticketKeyRing: true, legacy: true, enableTrace: true, maxHandshakes: true },
};
const CLIENT: Names<Omit<ConnectionOptions, keyof SecureContextOptions | Exclude<keyof NetOptions, 'timeout'>>> = {
  ...{ requestOCSP: true, enableTrace: true, rejectUnauthorized: true, socket: true, servername: true, session: true },
  ...{ checkServerIdentity: true, secureContext: true, ALPNProtocols: true, pskCallback: true, timeout: true },
  ...{ handshakeTimeout: true, allowHalfOpen: true, psks: true, postHandshakeAuth: true, ticketCache: true },
  ...{ ticketRequest: true, earlyData: true, earlyDataRetry: true, beforeTls: true, highWaterMark: true, signal: true },
  ...{ legacy: true },
};
type SocketsOwn = Omit<TLSSocketOptions, keyof ConnectionOptions | keyof TlsOptions>;
const SOCKET: Names<SocketsOwn> = { isServer: true, server: true };

const declarations = readFileSync(new URL('node_modules/@types/node/tls.d.ts', root), 'utf8');

/** Names of the properties of an interface of @types/node. */
function declared(name: string): string[] {
  const body = new RegExp(`interface ${name}\\b[^{]*\\{(.*?)\\n    \\}`, 's').exec(declarations)?.[1];
  assert.ok(body, name);
  return [...body.matchAll(/^ {8}(\w+)\?:/gm)].map(([, property]) => property!);
}

test('options', () => {
  const context = table('Options of `createSecureContext`');
  const server = table('Options of `createServer`');
  const client = table('Options of `connect`');
  const socket = table('Options of `new TLSSocket(stream, options)`');
  const tables = { context, server, client, socket };
  const all = [context, server, client, socket].flatMap((rows) => [...rows.keys()]);
  for (const [rows, names] of [
    [context, [...declared('SecureContextOptions'), ...Object.keys(CONTEXT)]],
    [server, [...declared('TlsOptions'), ...declared('CommonConnectionOptions'), ...Object.keys(SERVER)]],
    [client, [...declared('ConnectionOptions'), ...Object.keys(CLIENT)]],
    [socket, [...declared('TLSSocketOptions'), ...Object.keys(SOCKET)]],
  ] as const) {
    const above = rows === context ? [] : [...context.keys()];
    const missing = names.filter((name) => !rows.has(name) && !above.includes(name) && !all.includes(name));
    assertNone(missing, 'options that no table has');
  }
  for (const [name, rows] of Object.entries(tables)) {
    const known = { context: CONTEXT, server: SERVER, client: CLIENT, socket: SOCKET }[name as keyof typeof tables];
    assertNone(
      there(rows, 'added').filter((option) => !(option in known)),
      `${name}: added, but no option`,
    );
  }
});

test('options that are refused say so with the code in the table', () => {
  for (const [name, { status, note }] of table('Options of `createSecureContext`')) {
    if (status !== 'refused') continue;
    const code = /`(ERR_\w+)`/.exec(note)?.[1];
    assert.ok(code, name);
    const options = { privateKeyEngine: 'x', [name]: 'x' };
    assert.throws(() => ours.createSecureContext(options as SecureContextOptions), { code });
  }
});

/** The sources of this module. */
const sources = readdirSync(new URL('src/node/', root))
  .filter((name) => /(?<!\.test)\.ts$/.test(name))
  .map((name) => readFileSync(new URL(`src/node/${name}`, root), 'utf8'))
  .join('\n');

test('events', () => {
  for (const [heading, kind] of [
    ['Events of Server', 'Server'],
    ['Events of TLSSocket', 'TLSSocket'],
  ] as const) {
    const rows = table(heading);
    const body = new RegExp(`class ${kind} extends .*?\\n    \\}`, 's').exec(declarations)![0];
    const names = [...body.matchAll(/event: "(\w+)"/g)].map(([, name]) => name!);
    assert.ok(names.length > 3);
    assertNone(
      names.filter((name) => !rows.has(name)),
      `${heading}: of node:tls, and missing`,
    );
    assertNone(
      there(rows, 'same', 'adapted', 'added').filter((name) => !sources.includes(`emit('${name}'`)),
      `${heading}: never emitted`,
    );
  }
});

test('error codes', () => {
  const rows = table('Error codes');
  const x509 = readFileSync(new URL('src/x509/refusal.ts', root), 'utf8');
  for (const [name, { status, note }] of rows) {
    if (name.includes('…') || /Node|node:tls itself/.test(note) || status === 'ignored') continue;
    assert.ok(sources.includes(name.replace('ERR_SSL_', '')) || x509.includes(name), `${name} is nowhere`);
  }
  const missing = [...sources.matchAll(/'(ERR_TLS_\w+)'/g)].map(([, code]) => code!).filter((code) => !rows.has(code));
  assertNone(missing, 'codes of ours that are missing');
});
