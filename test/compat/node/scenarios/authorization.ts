/** Who is trusted, and how it is said who is not. */
import type { ConnectionOptions, PeerCertificate, TlsOptions } from 'node:tls';
import { ca, closed, either, fixture, identity, type Scenario } from '../scenario.ts';

/** A connection, what it says of trust at both ends, and how it ends. The server sends a word, so that refusals arrive. */
function judged(name: string, server: TlsOptions, client: ConnectionOptions, more: Partial<Scenario> = {}): Scenario {
  return {
    name: `authorization: ${name}`,
    across: true,
    async run(w) {
      const listener = await w.listen(server, (socket) => {
        w.state(socket, 'server');
        w.s('peer', socket.getPeerCertificate().subject?.CN);
        socket.end();
      });
      const served = either(listener, 'secureConnection', 'tlsClientError');
      const socket = w.connect(listener, client);
      socket.on('secureConnect', () => w.state(socket));
      socket.on('error', (error: Error & { host?: string; reason?: string; cert?: PeerCertificate }) => {
        if (error.cert) w.c('error has', error.host, error.reason, error.cert.subject.CN);
      });
      socket.resume();
      await closed(socket);
      w.c('afterwards', socket.authorized, socket.authorizationError);
      await served;
    },
    ...more,
  };
}

const nobody: ConnectionOptions = { ca: fixture('ca2.pem') };
const lenient = { rejectUnauthorized: false };
const asks: TlsOptions = { requestCert: true, ca };

/** A refusal is told with an alert, as RFC 9846 has it, and with node:tls by hanging up. */
const ALERT = {
  reason: 'a client says with an alert why it refuses a server',
  lines: /^tlsClientError/,
  ours: /^tlsClientError Error, ERR_SSL_/,
};
const REFUSED = {
  reason: 'a server says with an alert why it refuses a client',
  lines: /^(end|finish|error|close|tlsClientError)/,
  ours: /^error Error, ERR_SSL_/,
};

export const authorization: readonly Scenario[] = [
  judged('trusted', {}, {}),
  judged('an unknown authority', {}, nobody, { differs: ALERT }),
  judged('an unknown authority, not rejected', {}, { ...nobody, ...lenient }),
  judged('Node’s own authorities', {}, { ca: undefined }, { differs: ALERT }),
  judged('no authorities at all', {}, { ca: [] }, { differs: ALERT }),
  judged('self-signed', identity('self'), {}, { differs: ALERT }),
  judged('self-signed, not rejected', identity('self'), lenient),
  judged('self-signed and trusted', identity('self'), { ca: identity('self').cert }),
  judged('self-signed root in the chain', { ...identity('server'), cert: identity('server').cert + ca }, nobody, {
    differs: ALERT,
  }),
  judged('expired', identity('expired'), {}, { differs: ALERT }),
  judged('expired, not rejected', identity('expired'), lenient),
  judged('not valid yet', identity('early'), {}, { differs: ALERT }),
  judged('another name', identity('other'), {}, { differs: ALERT }),
  judged('another name, not rejected', identity('other'), lenient),
  judged(
    'a name in CN alone',
    identity('named'),
    { servername: 'named.example' },
    {
      differs: {
        reason:
          'the name of a server is among the alternative names of its certificate; a common name is none (RFC 9525)',
        lines: /./,
        ours: /^error Error, ERR_TLS_CERT_ALTNAME_INVALID/,
      },
    },
  ),
  judged('another name in CN alone', identity('named'), {}, { differs: ALERT }),
  judged('an address', identity('ip'), { servername: '' }),
  judged('an address that is a name', identity('ip'), {}, { differs: ALERT }),
  judged('a chain', { ...identity('leaf'), cert: identity('leaf').cert + identity('intermediate').cert }, {}),
  judged('a chain without its middle', identity('leaf'), {}, { differs: ALERT }),
  judged('the middle is trusted', identity('leaf'), { ca: identity('intermediate').cert }, { differs: ALERT }),
  judged('the middle is trusted, in part', identity('leaf'), {
    ca: identity('intermediate').cert,
    allowPartialTrustChain: true,
  } as ConnectionOptions),
  judged(
    'the chain’s middle is given as ca of the server',
    { ...identity('leaf'), ca: identity('intermediate').cert },
    {},
  ),
  judged(
    'checkServerIdentity gives an error',
    {},
    {
      checkServerIdentity: () => Object.assign(new Error('I do not like it'), { code: 'EMINE' }),
    },
    { differs: ALERT },
  ),
  judged(
    'checkServerIdentity gives an error, not rejected',
    {},
    {
      ...lenient,
      checkServerIdentity: () => Object.assign(new Error('I do not like it'), { code: 'EMINE' }),
    },
  ),
  judged(
    'checkServerIdentity gives an error without a code, not rejected',
    {},
    {
      ...lenient,
      checkServerIdentity: () => new Error('I do not like it'),
    },
  ),
  judged(
    'checkServerIdentity is not called for who is not trusted',
    {},
    {
      ...nobody,
      ...lenient,
      checkServerIdentity: () => new Error('called'),
    },
  ),
  {
    name: 'authorization: arguments of checkServerIdentity',
    across: true,
    async run(w) {
      const server = await w.listen();
      for (const servername of ['localhost', '', 'a.wild.example']) {
        const socket = w.connect(server, {
          servername,
          checkServerIdentity(host: string, certificate: PeerCertificate, ...more: unknown[]) {
            w.c('checkServerIdentity', host, certificate.subject, Object.keys(certificate), more.length);
            return undefined;
          },
        });
        socket.on('secureConnect', () => socket.end());
        socket.resume();
        await closed(socket);
      }
    },
  },
  judged('client certificate: trusted', asks, identity('client')),
  judged('client certificate: none', asks, {}, { differs: REFUSED }),
  judged('client certificate: none, not rejected', { ...asks, ...lenient }, {}),
  judged('client certificate: untrusted', asks, identity('stranger'), { differs: REFUSED }),
  judged('client certificate: untrusted, not rejected', { ...asks, ...lenient }, identity('stranger')),
  judged('client certificate: self-signed', asks, identity('self'), { differs: REFUSED }),
  judged('client certificate: self-signed, not rejected', { ...asks, ...lenient }, identity('self')),
  judged('client certificate: expired', asks, identity('expired'), { differs: REFUSED }),
  judged('client certificate: of a server', asks, identity('rsa')),
  judged('client certificate: brought and not asked for', { ca }, identity('client')),
  judged('client certificate: asked for without authorities', { requestCert: true }, identity('client'), {
    differs: REFUSED,
  }),
  judged('CRL: not revoked', { ...asks, crl: fixture('crl.pem') }, identity('client')),
  judged('CRL: revoked', { ...asks, crl: fixture('crl.pem') }, identity('revoked'), { differs: REFUSED }),
  judged('CRL: revoked, not rejected', { ...asks, ...lenient, crl: fixture('crl.pem') }, identity('revoked')),
  judged('CRL: nobody is', { ...asks, crl: fixture('crl-empty.pem') }, identity('revoked')),
  judged('CRL: out of date', { ...asks, crl: fixture('crl-old.pem') }, identity('client'), { differs: REFUSED }),
  judged('CRL: of the client', {}, { crl: [fixture('crl.pem').toString()] }),
  judged('CRL: of another authority', {}, { ca: [ca, fixture('ca2.pem')], crl: fixture('crl.pem') }),
  judged(
    'CRL: missing for the leaf',
    { ...identity('leaf'), cert: identity('leaf').cert + identity('intermediate').cert },
    { crl: fixture('crl.pem') },
    { differs: ALERT },
  ),
];
