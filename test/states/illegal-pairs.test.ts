import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientEngineOptions, TlsEngine } from '../../src/connection/index.ts';
import { clientHandlers, type Output, serverHandlers } from '../../src/handshake/index.ts';
import {
  encodeHandshakeMessage,
  type HandshakeMessage,
  type MessageType,
  NamedGroup,
  ProtocolVersion,
} from '../../src/wire/index.ts';
import { connect, createWorld, errorOf, eventsOf, Pair, type Side, type World } from '../pair/pair.ts';

/**
 * Generated from the two tables: every state is reached in a real handshake, and every message that the table does not allow there
 * is sent under the right keys. The answer must be unexpected_message, each time.
 */

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(1);
const hello = {
  legacyVersion: ProtocolVersion.tls12,
  cipherSuite: 0x1301,
  legacyCompressionMethod: 0,
  legacySessionIdEcho: bytes(0),
};
const SAMPLES: Record<MessageType, HandshakeMessage> = {
  client_hello: {
    type: 'client_hello',
    legacyVersion: ProtocolVersion.tls12,
    random: bytes(32),
    legacySessionId: bytes(0),
    cipherSuites: [0x1301],
    legacyCompressionMethods: Uint8Array.of(0),
    extensions: { supportedVersions: [ProtocolVersion.tls13] },
    extensionTypes: [],
  },
  server_hello: {
    type: 'server_hello',
    ...hello,
    random: bytes(32),
    extensions: { supportedVersions: ProtocolVersion.tls13 },
  },
  hello_retry_request: {
    type: 'hello_retry_request',
    ...hello,
    extensions: { supportedVersions: ProtocolVersion.tls13, keyShare: NamedGroup.secp384r1 },
  },
  encrypted_extensions: { type: 'encrypted_extensions', extensions: {}, extensionTypes: [] },
  certificate_request: {
    type: 'certificate_request',
    context: bytes(0),
    extensions: { signatureAlgorithms: [0x0403] },
  },
  certificate: { type: 'certificate', context: bytes(0), entries: [] },
  compressed_certificate: { type: 'compressed_certificate', algorithm: 1, uncompressedLength: 4, compressed: bytes(8) },
  certificate_verify: { type: 'certificate_verify', algorithm: 0x0403, signature: bytes(64) },
  finished: { type: 'finished', verifyData: bytes(32) },
  new_session_ticket: { type: 'new_session_ticket', lifetimeSeconds: 1, ageAdd: 1, nonce: bytes(1), ticket: bytes(1) },
  key_update: { type: 'key_update', requestUpdate: false },
  end_of_early_data: { type: 'end_of_early_data' },
};

type Step = { readonly sends: boolean; readonly run: () => void };

/** Holds back what the handshake of `engine` does to its output, so that it can be let out one step at a time. */
function holdBack(engine: TlsEngine): { readonly steps: Step[]; readonly send: (message: Uint8Array) => void } {
  const output = engine as unknown as Output;
  const real = Object.getPrototypeOf(engine) as Output;
  const steps: Step[] = [];
  const hold = (sends: boolean, run: () => void): void => void steps.push({ sends, run });
  output.send = (message) => hold(true, () => real.send.call(output, message));
  output.setWriteKeys = (epoch, keys) => hold(false, () => real.setWriteKeys.call(output, epoch, keys));
  output.endEarlyData = () => hold(false, () => real.endEarlyData.call(output));
  output.sendChangeCipherSpec = () => hold(false, () => real.sendChangeCipherSpec.call(output));
  return { steps, send: (message) => real.send.call(output, message) };
}

/** Runs a handshake in which `slow` lets out one step at a time, calls `visit` in each state `watched` comes to, and stops when it says so. */
async function walk(
  { world, options }: Setting,
  watchedRole: 'client' | 'server',
  stopAt: string,
): Promise<{ watched: Side; inject: (message: Uint8Array) => void } | undefined> {
  const pair = new Pair(world, await options?.());
  let toAsk = stopAt.includes('post_handshake') && world.clientConfig.postHandshakeAuth;
  const watched = pair[watchedRole];
  const slow = watchedRole === 'client' ? pair.server : pair.client;
  // The first flight of the client was made when its engine was made.
  const first = pair.client.engine.pull()!;
  const held = holdBack(slow.engine);
  const inject = (message: Uint8Array): void => {
    // The keys for what would come next may still be held back, or wait for what the watched side has just sent.
    if (held.steps.length === 0) pair.carry(watched, slow);
    while (held.steps[0]?.sends === false) held.steps.shift()!.run();
    held.send(message);
    pair.carry(slow, watched);
  };
  if (watched.engine.state === stopAt) return { watched, inject };
  pair.server.engine.receive(first);
  for (let i = 0; i < 200; i++) {
    if (watched.engine.state === stopAt) return { watched, inject };
    if (toAsk && pair.server.engine.state === 'connected') {
      pair.server.engine.requestClientCertificate();
      toAsk = false;
    }
    const step = held.steps.shift();
    if (step !== undefined) {
      step.run();
      pair.carry(slow, watched);
    } else if (!pair.carry(watched, slow)) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return undefined;
}

interface Setting {
  readonly world: World;
  readonly options?: () => Promise<ClientEngineOptions>;
}

async function settings(): Promise<Setting[]> {
  const trusting = { verify: () => ({ trusted: true as const }) };
  const plain = await createWorld();
  const mutual = await createWorld({
    server: { clientAuth: 'require', verifier: trusting },
    client: { credentials: [plain.identity.credential], postHandshakeAuth: true },
    identity: plain.identity,
  });
  const retried = await createWorld({
    server: { groups: ['secp256r1'] },
    client: { keyShareCount: 1 },
    identity: plain.identity,
  });
  const early = await createWorld({
    server: {
      earlyData: { maxSize: 100, guard: { guarantee: 'process', windowMs: 10_000, check: () => 'fresh' } },
    },
    identity: plain.identity,
  });
  const resume = async (): Promise<ClientEngineOptions> => ({
    tickets: eventsOf((await connect(early)).client, 'ticket').map(({ ticket }) => ticket),
    earlyData: true,
  });
  return [{ world: plain }, { world: mutual }, { world: retried }, { world: early, options: resume }];
}

for (const [role, table] of [
  ['client', clientHandlers],
  ['server', serverHandlers],
] as const) {
  for (const [state, handlers] of Object.entries(table)) {
    const illegal = (Object.keys(SAMPLES) as MessageType[]).filter((type) => !(type in handlers));
    test(`${role} in ${state} refuses ${illegal.length} kinds of message`, async () => {
      for (const type of illegal) {
        let reached = false;
        for (const setting of await settings()) {
          const at = await walk(setting, role, state);
          if (at === undefined) continue;
          reached = true;
          at.inject(encodeHandshakeMessage(SAMPLES[type]));
          const error = errorOf(at.watched);
          assert.equal(
            error?.code,
            'handshake.unexpected_message',
            `${type} in ${state}: ${error?.code} ${error?.message}`,
          );
          assert.equal(error?.alert, 'unexpected_message');
          break;
        }
        assert.ok(reached, `no handshake reaches ${state}`);
      }
    });
  }
}
