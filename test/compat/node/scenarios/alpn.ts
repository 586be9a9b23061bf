/** ALPN. */
import type { ConnectionOptions, TlsOptions } from 'node:tls';
import { closed, either, type Scenario } from '../scenario.ts';

/** What both ends settle on, or how it fails. */
function alpn(name: string, server: TlsOptions, client: ConnectionOptions): Scenario {
  return {
    name: `ALPN: ${name}`,
    across: true,
    async run(w) {
      const listener = await w.listen(server, (socket) => {
        w.state(socket, 'server');
        socket.end();
      });
      const served = either(listener, 'secureConnection', 'tlsClientError');
      const socket = w.connect(listener, client);
      socket.on('secureConnect', () => w.state(socket));
      socket.resume();
      await closed(socket);
      await served;
    },
  };
}

type Callback = NonNullable<TlsOptions['ALPNCallback']>;

function withCallback(
  name: string,
  callback: Callback,
  client: ConnectionOptions = { ALPNProtocols: ['a', 'b'] },
): Scenario {
  return {
    ...alpn(`ALPNCallback ${name}`, {}, client),
    async run(w) {
      const listener = await w.listen(
        {
          ALPNCallback(this: unknown, question) {
            w.s('ALPNCallback', question, this instanceof w.server.TLSSocket);
            return callback(question);
          },
        },
        (socket) => {
          w.state(socket, 'server');
          socket.end();
        },
      );
      const served = either(listener, 'secureConnection', 'tlsClientError');
      const socket = w.connect(listener, client);
      socket.on('secureConnect', () => w.state(socket));
      socket.resume();
      await closed(socket);
      await served;
    },
  };
}

export const alpnScenarios: readonly Scenario[] = [
  alpn('both have one', { ALPNProtocols: ['h2', 'http/1.1'] }, { ALPNProtocols: ['http/1.1', 'h2'] }),
  alpn(
    'in the wire format',
    { ALPNProtocols: Buffer.from('\x02h2\x01x') },
    { ALPNProtocols: Buffer.from('\x01x\x02h2') },
  ),
  alpn('as Uint8Array', { ALPNProtocols: new Uint8Array([1, 120]) }, { ALPNProtocols: new Uint8Array([1, 120]) }),
  alpn('nobody asks', {}, {}),
  alpn('the client alone', {}, { ALPNProtocols: ['h2'] }),
  alpn('the server alone', { ALPNProtocols: ['h2'] }, {}),
  alpn('nothing in common', { ALPNProtocols: ['h2'] }, { ALPNProtocols: ['x'] }),
  alpn('empty lists', { ALPNProtocols: [] }, { ALPNProtocols: [] }),
  withCallback('chooses', ({ protocols }) => protocols[1]),
  withCallback('chooses nothing', () => undefined),
  withCallback('chooses what was not offered', () => 'c'),
  withCallback('gives a number', () => 5 as never),
  withCallback('without ALPN of the client', () => undefined, {}),
  {
    name: 'ALPN: ALPNCallback beside ALPNProtocols',
    run(w) {
      w.try('server', () => w.server.createServer({ ALPNCallback: () => undefined, ALPNProtocols: ['a'] }), 'server');
    },
  },
];
