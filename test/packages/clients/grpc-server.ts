import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import {
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { own } from './support.ts';

const same = (bytes: Buffer): Buffer => bytes;
/** Says what it is told. */
export const SAY: MethodDefinition<Buffer, Buffer> = {
  path: '/tessera.Echo/Say',
  originalName: 'say',
  requestStream: false,
  responseStream: false,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};

/** A server of grpc-js with its own TLS, until the test ends. */
export async function bindGrpc(
  t: TestContext,
  port: number,
): Promise<{ readonly server: Server; readonly port: number }> {
  const server = new Server();
  const say = ({ request }: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void =>
    answer(null, request);
  server.addService({ say: SAY }, { say });
  t.after(() => server.forceShutdown());
  const pair = { cert_chain: Buffer.from(own.cert), private_key: Buffer.from(own.key) };
  const bind = promisify(server.bindAsync.bind(server));
  return { server, port: await bind(`127.0.0.1:${port}`, ServerCredentials.createSsl(null, [pair])) };
}

export async function startGrpc(t: TestContext): Promise<number> {
  return (await bindGrpc(t, 0)).port;
}
