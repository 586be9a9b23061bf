import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { concat } from '../../../src/bytes/index.ts';
import { connect, createServer, type Server, type TLSSocket } from '../../../src/node/index.ts';
import { Pipe } from '../../support/pipe.ts';
import { fixedIdentity } from '../scenarios.ts';
import { type FuzzTarget, InputReader } from '../target.ts';
import { RECORD_DICTIONARY, TLS_DICTIONARY } from './dictionary.ts';
import { recorded } from './recorded.ts';

/** How long an end may take, in milliseconds. Nothing here waits for a timer. */
const END_MS = 3_000;

let servers: Promise<readonly Server[]> | undefined;

/** One that sends old clients to node:tls, and one that does not. */
async function makeServers(): Promise<readonly Server[]> {
  const { certificatePem: cert, keyPem: key } = await fixedIdentity();
  return [false, true].map((legacy) => createServer({ cert, key, legacy, ALPNProtocols: ['h2'] }));
}

function checkError(error: unknown): void {
  assert.ok(error instanceof Error, `an error event with ${String(error)}`);
  const { code } = error as { code?: unknown };
  assert.ok(
    typeof code === 'string' && /^(ERR_|E[A-Z]+$|CERT|DEPTH|UNABLE|SELF)/.test(code),
    `${error.stack} has the code ${code}`,
  );
  // What goes wrong inside would be reported so.
  assert.ok(!(error instanceof ReferenceError || (error instanceof TypeError && !/^ERR_/.test(code))), error.stack);
  if (!('fault' in error) || error.fault !== 'local.failed') return;
  throw error.cause instanceof Error ? error.cause : error;
}

async function closed(...streams: readonly Pipe[]): Promise<void> {
  const until = performance.now() + END_MS;
  while (streams.some((stream) => !stream.destroyed)) {
    assert.ok(performance.now() < until, 'a connection whose peer has ended does not close');
    await turn();
  }
}

export const nodeSocket: FuzzTarget = {
  name: 'node-socket',
  about:
    'servers and clients of the Node module on a stream in memory: bytes, then the end; documented: error events with a code',
  dictionary: [...RECORD_DICTIONARY, ...TLS_DICTIONARY],
  sliceRuns: 30,
  async seeds() {
    return (await recorded())
      .slice(0, 5)
      .flatMap(({ client, server }) => [
        concat(Uint8Array.of(0, 0), client),
        concat(Uint8Array.of(1, 9), client),
        concat(Uint8Array.of(2, 0), server),
      ]);
  },
  async run(input) {
    servers ??= makeServers();
    const r = new InputReader(input);
    const mode = r.u8();
    const size = r.u8() * 8 || Number.POSITIVE_INFINITY;
    const bytes = r.rest();
    const [near, far] = Pipe.pair();
    const failures: unknown[] = [];
    const onError = (error: unknown): void => void failures.push(error);
    near.on('error', () => {});
    near.resume();
    const server = (await servers)[mode & 1]!;
    const accepted = (socket: TLSSocket): void => {
      socket.on('error', onError);
      socket.resume();
    };
    server.on('tlsClientError', onError).on('secureConnection', accepted);
    if ((mode & 2) === 0) server.emit('connection', far);
    else {
      const client = connect({ socket: far, servername: 'localhost', ca: (await fixedIdentity()).certificatePem });
      client.on('error', onError);
      client.resume();
    }
    for (let at = 0; at < bytes.length && !near.destroyed; at += size) {
      near.write(bytes.slice(at, at + size));
      if (size < 200) await turn();
    }
    near.end();
    await closed(far);
    near.destroy();
    server.off('tlsClientError', onError).off('secureConnection', accepted);
    assert.ok(failures.length <= 2, `${failures.length} errors of one connection`);
    for (const error of failures) checkError(error);
  },
};
