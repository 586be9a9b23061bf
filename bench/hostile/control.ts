/** Clients, or a server, in earnest: what they get while others attack is what counts. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from '../../src/node/index.ts';
import { Meter } from './meter.ts';
import { answerWith } from './rpc.ts';

const meter = new Meter();

answerWith({
  visit: (options: { readonly port: number; readonly ca: string; readonly key: string; readonly cert: string }) =>
    meter.start(() => connect({ ...options, host: '127.0.0.1', servername: 'localhost' })),
  stop: () => meter.stop(),
  serve: async (options: { readonly key: string; readonly cert: string }) => {
    const server = createServer(options, (socket) => {
      socket.on('error', () => {});
      socket.on('data', () => socket.write('pong'));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  },
});
