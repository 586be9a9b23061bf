/** Keys and certificates in all forms, good and bad. */
import { createPrivateKey } from 'node:crypto';
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import { ca, closed, either, fixture, identity, type Scenario } from '../scenario.ts';

/** A server with such a context, and what its client sees of it. */
function form(name: string, options: () => TlsOptions, more: Partial<Scenario> = {}): Scenario {
  return {
    ...more,
    name: `context: ${name}`,
    across: true,
    async run(w) {
      const server = await w.serve(w.server.createServer(options()));
      const socket = w.connect(server);
      socket.on('secureConnect', () => {
        const { issuerCertificate, ...leaf } = socket.getPeerCertificate(true);
        w.c('leaf', leaf.subject, leaf.serialNumber.length, issuerCertificate?.subject);
        socket.end();
      });
      socket.resume();
      await closed(socket);
    },
  };
}

/** What createSecureContext throws. */
function refused(name: string, options: () => SecureContextOptions): Scenario {
  return {
    name: `context: ${name}`,
    run(w) {
      w.try('createSecureContext', () => typeof w.client.createSecureContext(options()));
      w.try('createServer', () => typeof w.server.createServer(options()), 'server');
    },
  };
}

const { cert, key } = identity('server');
const encrypted = fixture('server-key-encrypted.pem');
const der = (pem: string): Buffer => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');

export const contexts: readonly Scenario[] = [
  form('text', () => ({ cert, key })),
  form('Buffers', () => ({ cert: Buffer.from(cert), key: Buffer.from(key) })),
  form('Uint8Arrays', () => ({
    cert: new Uint8Array(Buffer.from(cert)) as never,
    key: new Uint8Array(Buffer.from(key)) as never,
  })),
  form('arrays', () => ({ cert: [cert], key: [key] })),
  form('a key as object', () => ({ cert, key: [{ pem: key }] })),
  form('an encrypted key', () => ({ cert, key: encrypted, passphrase: 'secret' })),
  form('an encrypted key as object', () => ({ cert, key: [{ pem: encrypted, passphrase: 'secret' }] })),
  form('a passphrase for a key that needs none', () => ({ cert, key, passphrase: 'secret' })),
  form('keys and certificates of two kinds', () => ({
    cert: [identity('rsa').cert, cert],
    key: [identity('rsa').key, key],
  })),
  form('keys and certificates of two kinds, not in the same order', () => ({
    cert: [identity('rsa').cert, cert],
    key: [key, identity('rsa').key],
  })),
  form('the chain in the certificate', () => ({ cert: cert + ca, key })),
  form('PFX', () => ({ pfx: fixture('server.pfx'), passphrase: 'secret' })),
  form('PFX without passphrase', () => ({ pfx: fixture('server-open.pfx') })),
  form('PFX as object', () => ({ pfx: [{ buf: fixture('server.pfx'), passphrase: 'secret' }] })),
  form('PFX in an array', () => ({ pfx: [fixture('server.pfx')], passphrase: 'secret' })),
  form('PEM with text around', () => ({ cert: `hello\n${cert}bye\n`, key })),
  form('PEM with CRLF', () => ({ cert: cert.replaceAll('\n', '\r\n'), key: key.replaceAll('\n', '\r\n') })),
  form('a traditional key', () => ({
    cert,
    key: createPrivateKey(key).export({ type: 'sec1', format: 'pem' }),
  })),
  refused('an encrypted key without passphrase', () => ({ cert, key: encrypted })),
  refused('an encrypted key with a wrong passphrase', () => ({ cert, key: encrypted, passphrase: 'wrong' })),
  refused('PFX with a wrong passphrase', () => ({ pfx: fixture('server.pfx'), passphrase: 'wrong' })),
  refused('PFX that is none', () => ({ pfx: Buffer.from('junk') })),
  refused('a key of another certificate', () => ({ cert, key: identity('other').key })),
  refused('a key of another kind', () => ({ cert, key: identity('rsa').key })),
  refused('bad PEM of a certificate', () => ({
    cert: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    key,
  })),
  refused('bad PEM of a key', () => ({ cert, key: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n' })),
  refused('bad PEM of an authority', () => ({ ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' })),
  refused('a key in the place of a certificate', () => ({ cert: key, key })),
  refused('a certificate alone', () => ({ cert })),
  refused('a key alone', () => ({ key })),
  {
    name: 'context: DER',
    run(w) {
      w.try('cert', () => typeof w.client.createSecureContext({ cert: der(cert), key }));
      w.try('key', () => typeof w.client.createSecureContext({ cert, key: der(key) }));
      w.try('ca', () => typeof w.client.createSecureContext({ ca: der(ca) }));
    },
    differs: { reason: 'DER is taken beside PEM', lines: /^(cert|key|ca) /, ours: /^cert "object"$/ },
  },
  {
    name: 'context: of createSecureContext, for both ends',
    differs: { reason: 'a server takes the option secureContext, too', lines: /./, ours: /^secureConnection/ },
    across: true,
    async run(w) {
      const server = await w.serve(
        w.server.createServer({ secureContext: w.server.createSecureContext({ cert, key }) } as TlsOptions),
      );
      const socket = w.connect(server, { secureContext: w.client.createSecureContext({ ca }) });
      await either(socket, 'secureConnect', 'close');
      w.state(socket);
      socket.end();
      await closed(socket);
    },
  },
  {
    name: 'context: cipher suites and groups that both have, and have not',
    differs: {
      reason: 'ML-KEM is there in all releases, and told as by Node 24, without a `size`',
      lines: /^group/,
      ours: /^group .*X25519MLKEM768/,
    },
    across: true,
    async run(w) {
      for (const [server, client] of [
        [{ ciphers: 'TLS_AES_256_GCM_SHA384' }, {}],
        [
          { ciphers: 'TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256' },
          { ciphers: 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256' },
        ],
        [{ ciphers: 'TLS_AES_256_GCM_SHA384' }, { ciphers: 'TLS_AES_128_GCM_SHA256' }],
        [{ ecdhCurve: 'P-384' }, { ecdhCurve: 'P-256:P-384' }],
        [{ ecdhCurve: 'P-521' }, { ecdhCurve: 'P-256' }],
        [{ ecdhCurve: 'X25519' }, {}],
        [{ sigalgs: 'rsa_pss_rsae_sha256' }, {}],
        [{}, { sigalgs: 'rsa_pss_rsae_sha256' }],
      ] as const) {
        const listener = await w.listen({ minVersion: 'TLSv1.3', ...server });
        const served = either(listener, 'secureConnection', 'tlsClientError');
        const socket = w.connect(listener, { minVersion: 'TLSv1.3', ...client });
        socket.on('secureConnect', () => {
          w.c('cipher', socket.getCipher());
          w.c('group', socket.getEphemeralKeyInfo());
          socket.end();
        });
        socket.resume();
        await closed(socket);
        await served;
      }
    },
  },
];
