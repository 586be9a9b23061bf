/** What the module gives beside connections: names, values, and functions without a socket. */
import type { PeerCertificate } from 'node:tls';
import type { Scenario } from '../scenario.ts';

const ALT_NAMES: readonly (readonly [string, Partial<Record<'CN' | 'altname', string>>])[] = [
  ['a.com', { CN: 'a.com' }],
  ['a.com', { CN: 'A.COM' }],
  ['a.com', { CN: 'b.com' }],
  ['a.com', { CN: 'b.com', altname: 'DNS:a.com' }],
  ['a.com', { CN: 'a.com', altname: 'DNS:b.com' }],
  ['x.a.com', { CN: '*.a.com' }],
  ['x.a.com', { altname: 'DNS:*.a.com' }],
  ['y.x.a.com', { altname: 'DNS:*.a.com' }],
  ['xa.a.com', { altname: 'DNS:x*.a.com' }],
  ['a.com', { altname: 'DNS:*.com' }],
  ['a.com.', { altname: 'DNS:a.com' }],
  ['127.0.0.1', { altname: 'IP Address:127.0.0.1' }],
  ['127.0.0.1', { altname: 'IP Address:127.0.0.2' }],
  ['127.0.0.1', { CN: '127.0.0.1' }],
  ['::1', { altname: 'IP Address:0:0:0:0:0:0:0:1' }],
  ['a.com', { altname: 'IP Address:127.0.0.1' }],
  ['a.com', { altname: 'URI:http://a.com/', CN: 'a.com' }],
  ['a.com', {}],
  ['', { CN: 'a.com' }],
];

export const module: readonly Scenario[] = [
  {
    name: 'module: checkServerIdentity',
    run(w) {
      for (const [host, { CN, altname }] of ALT_NAMES) {
        const certificate = {
          subject: CN === undefined ? {} : { CN },
          ...(altname !== undefined && { subjectaltname: altname }),
        } as unknown as PeerCertificate;
        w.try(`${host} ${CN} ${altname}`, () => w.client.checkServerIdentity(host, certificate));
        const error = w.client.checkServerIdentity(host, certificate) as (Error & Record<string, unknown>) | undefined;
        if (error) w.c('properties', error.message, error['reason'], error['host'], Object.keys(error));
      }
      w.try('no certificate', () => w.client.checkServerIdentity('a.com', {} as PeerCertificate));
    },
  },
  {
    name: 'module: convertALPNProtocols',
    run(w) {
      const { convertALPNProtocols } = w.client as unknown as {
        convertALPNProtocols(from: unknown, into: { ALPNProtocols?: Buffer }): void;
      };
      const inputs = [
        ['h2', 'http/1.1'],
        [],
        Buffer.from('\x02h2'),
        new Uint8Array([2, 104, 50]),
        undefined,
        null,
        'h2',
      ];
      inputs.push(['x'.repeat(256)], ['x'.repeat(255)] as never, [''] as never);
      for (const [index, from] of inputs.entries()) {
        const into: { ALPNProtocols?: Buffer } = {};
        w.try(`${index}`, () => convertALPNProtocols(from, into));
        w.c('into', into.ALPNProtocols?.toString('latin1'));
      }
    },
    releases: { from: 22, reason: 'empty protocol names were taken' },
  },
  {
    name: 'module: values',
    run(w) {
      w.c('curve', w.client.DEFAULT_ECDH_CURVE);
      w.c('max', w.client.DEFAULT_MAX_VERSION);
      w.c('min', w.client.DEFAULT_MIN_VERSION);
      w.c('roots', Array.isArray(w.client.rootCertificates), Object.isFrozen(w.client.rootCertificates));
      w.c('root', w.client.rootCertificates.length, w.client.rootCertificates[0]);
      w.c('limits', w.client.CLIENT_RENEG_LIMIT, w.client.CLIENT_RENEG_WINDOW);
      w.c('types', typeof w.client.Server, typeof w.client.TLSSocket, typeof w.client.SecureContext);
      w.c('context', w.client.createSecureContext() instanceof w.client.SecureContext);
    },
    differs: { reason: 'there is no version below TLS 1.3', lines: /^min /, ours: /^min "TLSv1\.3"$/ },
  },
  {
    name: 'module: getCiphers',
    run(w) {
      const ciphers = w.client.getCiphers();
      w.c(
        'for TLS 1.3',
        ciphers.filter((name) => /^tls_(aes|chacha20)_.*_sha(256|384)$/.test(name) && !name.includes('ccm')),
      );
      w.c(
        'all in lower case',
        ciphers.every((name) => name === name.toLowerCase()),
      );
    },
  },
  {
    name: 'module: a server without new, and names of classes',
    run(w) {
      const call = w.server.Server as unknown as (options: object) => unknown;
      w.try('Server()', () => call({}) instanceof w.server.Server);
      w.c('names', w.server.Server.name, w.client.TLSSocket.name);
      w.c('static', w.server.createServer({}) instanceof w.server.Server);
    },
  },
];
