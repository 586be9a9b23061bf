/**
 * A program that uses types and functions of a TLS module in the ways that programs for node:tls do. `program.node.ts` is the same text, but for
 * the name of the module: that both compile is the test, and `same.test.ts` sees to it that they stay the same. It is not run.
 */
import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as net from 'node:net';
import tls, {
  type Certificate,
  type CipherNameAndProtocol,
  type CommonConnectionOptions,
  type ConnectionOptions,
  checkServerIdentity,
  connect,
  createSecureContext,
  createServer,
  type DetailedPeerCertificate,
  type EphemeralKeyInfo,
  type KeyObject,
  type PeerCertificate,
  type PSKCallbackNegotation,
  type PxfObject,
  rootCertificates,
  type SecureContext,
  type SecureContextOptions,
  type SecureVersion,
  Server,
  TLSSocket,
  type TLSSocketOptions,
  type TlsOptions,
} from 'node:tls';

const version: SecureVersion = 'TLSv1.3';
const keyWithPassphrase: KeyObject = { pem: readFileSync('key.pem'), passphrase: 'secret' };
const pfx: PxfObject = { buf: readFileSync('all.pfx'), passphrase: 'secret' };

export const contextOptions: SecureContextOptions = {
  ca: [readFileSync('ca.pem'), rootCertificates[0]!],
  cert: [readFileSync('cert.pem')],
  key: [keyWithPassphrase],
  pfx: [pfx],
  crl: 'crl',
  passphrase: 'secret',
  ciphers: tls.DEFAULT_CIPHERS,
  ecdhCurve: tls.DEFAULT_ECDH_CURVE,
  sigalgs: 'ecdsa_secp256r1_sha256',
  honorCipherOrder: true,
  minVersion: version,
  maxVersion: tls.DEFAULT_MAX_VERSION,
  dhparam: 'auto',
  secureOptions: 0,
  secureProtocol: 'TLS_method',
  sessionIdContext: 'a',
  sessionTimeout: 300,
  ticketKeys: Buffer.alloc(48),
  allowPartialTrustChain: true,
};

const context: SecureContext = createSecureContext(contextOptions);
const common: CommonConnectionOptions = { secureContext: context, ALPNProtocols: ['h2'], rejectUnauthorized: true };

export const serverOptions: TlsOptions = {
  ...contextOptions,
  ...common,
  requestCert: true,
  handshakeTimeout: 1_000,
  ALPNProtocols: new Uint8Array([2, 104, 50]),
  SNICallback: (servername, callback) => {
    callback(null, servername === 'a.test' ? context : undefined);
  },
  pskCallback: (socket, identity) => (socket.encrypted && identity === 'me' ? Buffer.alloc(32) : null),
  pskIdentityHint: 'hint',
  allowHalfOpen: true,
  pauseOnConnect: false,
  noDelay: true,
  keepAlive: true,
};

const server: Server = createServer(serverOptions, (socket: TLSSocket) => {
  const { authorized, authorizationError, encrypted, alpnProtocol, servername } = socket;
  console.log(authorized, authorizationError, encrypted, alpnProtocol, servername, socket.remoteAddress);
  const peer: PeerCertificate = socket.getPeerCertificate();
  const detailed: DetailedPeerCertificate = socket.getPeerCertificate(true);
  const subject: Certificate = peer.subject;
  console.log(subject.CN, detailed.issuerCertificate.subject.CN, peer.fingerprint256, peer.raw.length);
  socket.pipe(socket);
});
server.addContext('a.test', { cert: 'cert', key: 'key' });
server.addContext('b.test', context);
server.setSecureContext({ cert: 'cert', key: 'key' });
server.setTicketKeys(server.getTicketKeys());
server.on('secureConnection', (socket) => socket.end());
server.on('tlsClientError', (error, socket) => console.log(error.message, socket.remotePort));
server.on('keylog', (line, socket) => console.log(line.length, socket.encrypted));
server.on('newSession', (id, data, callback) => {
  console.log(id, data);
  callback();
});
server.on('resumeSession', (id, callback) => callback(null, Buffer.from(id)));
server.on('OCSPRequest', (certificate, issuer, callback) => callback(null, issuer ?? certificate));
server.on('connection', (socket) => socket.setNoDelay(true));
server.listen(8443, '127.0.0.1', () => console.log((server.address() as net.AddressInfo).port));
const asNetServer: net.Server = new Server(serverOptions);
asNetServer.close();

export const clientOptions: ConnectionOptions = {
  ...common,
  host: 'localhost',
  port: 8443,
  servername: 'localhost',
  session: Buffer.alloc(1),
  timeout: 1_000,
  minDHSize: 1_024,
  checkServerIdentity: (host, certificate) => {
    if (certificate.fingerprint256 === 'AA') return undefined;
    return checkServerIdentity(host, certificate);
  },
  lookup: (_hostname, _options, callback) => callback(null, '127.0.0.1', 4),
  pskCallback: (hint): PSKCallbackNegotation | null =>
    hint === null ? { psk: Buffer.alloc(32), identity: 'me' } : null,
};

const socket: TLSSocket = connect(clientOptions, () => {
  const cipher: CipherNameAndProtocol = socket.getCipher();
  const ephemeral: EphemeralKeyInfo | object | null = socket.getEphemeralKeyInfo();
  const session: Buffer | undefined = socket.getSession();
  const ticket: Buffer | undefined = socket.getTLSTicket();
  const finished: Buffer | undefined = socket.getFinished() ?? socket.getPeerFinished();
  const exported: Buffer = socket.exportKeyingMaterial(32, 'label', Buffer.alloc(0));
  console.log(cipher.standardName, ephemeral, session, ticket, finished, exported, socket.getSharedSigalgs());
  console.log(socket.getProtocol(), socket.isSessionReused(), socket.getPeerX509Certificate()?.subject);
  console.log(socket.setMaxSendFragment(1_024), socket.getX509Certificate()?.subject, socket.getCertificate());
  socket.write('hello', () => socket.end());
});
socket.on('secureConnect', () => socket.disableRenegotiation());
socket.on('session', (session) => console.log(session.length));
socket.on('OCSPResponse', (response) => console.log(response.length));
socket.on('keylog', (line) => console.log(line.toString()));
socket.once('error', (error) => console.log(error.message));
socket.on('data', (bytes) => console.log(bytes.toString()));
socket.setTimeout(1_000, () => socket.destroy());
socket.setKeepAlive(true).setNoDelay(true).ref().unref();
socket.renegotiate({ rejectUnauthorized: false }, (error) => console.log(error?.message));
connect(8443, 'localhost', { servername: 'localhost' }, () => {});
connect(8443, { servername: 'localhost' }).end();

export const socketOptions: TLSSocketOptions = { ...common, isServer: true, server, requestOCSP: true };
export const wrapped: TLSSocket = new TLSSocket(new net.Socket(), socketOptions);

/** What takes a socket or a server of node:net takes those of TLS. */
export const sockets: readonly net.Socket[] = [socket, wrapped];
server.on('secureConnection', (one) => http.createServer().emit('connection', one));
export const values: readonly (string | number | readonly string[])[] = [
  tls.CLIENT_RENEG_LIMIT,
  tls.CLIENT_RENEG_WINDOW,
  tls.DEFAULT_MIN_VERSION,
  tls.getCiphers(),
  tls.rootCertificates,
];
export type Names = tls.TLSSocket | tls.Server | tls.SecureContext | tls.PeerCertificate | tls.ConnectionOptions;
