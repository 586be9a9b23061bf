/** @grpc/grpc-js' server on our sockets, through its connection injector. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import test, { type TestContext } from 'node:test';
import grpc from '@grpc/grpc-js';
import { createServer, http2Socket, type TlsOptions } from '../../../src/node/index.ts';
import { listening, ofClient, own, raw, rest, resume } from './support.ts';

const method = <Q extends boolean, S extends boolean>(path: string, requestStream: Q, responseStream: S) => ({
  path,
  requestStream,
  responseStream,
  requestSerialize: (value: Buffer): Buffer => value,
  requestDeserialize: (value: Buffer): Buffer => value,
  responseSerialize: (value: Buffer): Buffer => value,
  responseDeserialize: (value: Buffer): Buffer => value,
});

const service = {
  who: method('/test.Test/Who', false, false),
  count: method('/test.Test/Count', false, true),
  echo: method('/test.Test/Echo', true, true),
};
const Client = grpc.makeGenericClientConstructor(service, 'Test');

async function serve(
  t: TestContext,
  options: Partial<TlsOptions> = {},
): Promise<{
  readonly port: number;
  readonly server: grpc.Server;
  client(own?: { cert: string; key: string }): InstanceType<typeof Client>;
}> {
  const server = new grpc.Server({ 'grpc.max_receive_message_length': 10_000_000 });
  server.addService(service, {
    who(call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) {
      const { transportSecurityType, sslPeerCertificate } = call.getAuthContext();
      const name = sslPeerCertificate && new X509Certificate(sslPeerCertificate.raw).subjectAltName;
      callback(null, Buffer.from(JSON.stringify({ peer: call.getPeer(), transportSecurityType, name })));
    },
    count(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      let left = 2_000;
      const more = (): void => {
        while (left > 0) {
          left--;
          if (!call.write(Buffer.alloc(10_000))) return void call.once('drain', more);
        }
        call.end();
      };
      more();
    },
    echo(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      call.on('data', (data: Buffer) => call.write(data)).on('end', () => call.end());
    },
  });
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  const tls = createServer({ ...own, ...options, ALPNProtocols: ['h2'] }, (socket) => {
    injector.injectConnection(http2Socket(socket));
  });
  const port = await listening(t, tls);
  t.after(() => server.forceShutdown());
  return {
    port,
    server,
    client(mine) {
      const credentials = grpc.credentials.createSsl(
        Buffer.from(own.cert),
        mine && Buffer.from(mine.key),
        mine && Buffer.from(mine.cert),
      );
      const client = new Client(`localhost:${port}`, credentials, { 'grpc.max_receive_message_length': 10_000_000 });
      t.after(() => client.close());
      return client;
    },
  };
}

type Unary = (request: Buffer, callback: (error: grpc.ServiceError | null, answer: Buffer) => void) => void;

function call(client: InstanceType<typeof Client>, name: string, request: Buffer = Buffer.alloc(0)): Promise<Buffer> {
  return new Promise((resolve, reject) =>
    (client[name] as unknown as Unary).call(client, request, (error, answer) =>
      error ? reject(error) : resolve(answer),
    ),
  );
}

test('grpc: calls know the client by address and certificate', async (t) => {
  const { client, port } = await serve(t, { requestCert: true, ca: ofClient.cert });
  const seen = JSON.parse((await call(client(ofClient), 'who')).toString());
  assert.match(seen.peer, /^127\.0\.0\.1:\d+$/);
  assert.deepEqual([seen.transportSecurityType, seen.name], ['ssl', 'DNS:client.example']);
  await assert.rejects(rest(await raw(t, port, { ALPNProtocols: ['h2'] })), {
    code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
  });
  await assert.rejects(call(client(), 'who'), { code: grpc.status.UNAVAILABLE });
});

test('grpc: a client without certificate has no auth context', async (t) => {
  const { client } = await serve(t);
  const seen = JSON.parse((await call(client(), 'who')).toString());
  assert.match(seen.peer, /^127\.0\.0\.1:\d+$/);
  assert.equal(seen.name, undefined);
});

test('grpc: streams of megabytes, both ways', async (t) => {
  const { client } = await serve(t);
  const one = client();
  let length = 0;
  for await (const part of (one['count'] as unknown as (request: Buffer) => AsyncIterable<Buffer>).call(
    one,
    Buffer.alloc(0),
  ))
    length += part.length;
  assert.equal(length, 20_000_000);
  const duplex = (one['echo'] as unknown as () => grpc.ClientDuplexStream<Buffer, Buffer>).call(one);
  for (let i = 0; i < 50; i++) duplex.write(Buffer.alloc(100_000, i));
  duplex.end();
  let back = 0;
  for await (const part of duplex) {
    assert.ok((part as Buffer).equals(Buffer.alloc(100_000, back)));
    back++;
  }
  assert.equal(back, 50);
});

test('grpc: the tickets it is told to give, and resumption', async (t) => {
  const { port } = await serve(t, { numTickets: 3 });
  await resume(t, port, 3, { ALPNProtocols: ['h2'] });
});

test('grpc: a graceful shutdown lets what was begun end', async (t) => {
  const { client, server } = await serve(t);
  const one = client();
  const duplex = (one['echo'] as unknown as () => grpc.ClientDuplexStream<Buffer, Buffer>).call(one);
  duplex.write(Buffer.from('first'));
  const answers = duplex[Symbol.asyncIterator]();
  assert.equal(String((await answers.next()).value), 'first');
  const down = new Promise<void>((resolve, reject) =>
    server.tryShutdown((error) => (error ? reject(error) : resolve())),
  );
  duplex.write(Buffer.from('last'));
  duplex.end();
  assert.equal(String((await answers.next()).value), 'last');
  assert.equal((await answers.next()).done, true);
  one.close();
  await down;
});
