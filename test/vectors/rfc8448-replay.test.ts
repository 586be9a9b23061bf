import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { concat, fromHex, toHex } from '../../src/bytes/index.ts';
import { createClientConfig, createServerConfig, createServerEngine } from '../../src/connection/index.ts';
import type { Credential } from '../../src/crypto/index.ts';
import {
  type ClientContext,
  type ClientState,
  clientHandlers,
  isParked,
  type Next,
  type Output,
  type Received,
  type TlsEvent,
} from '../../src/handshake/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import { HandshakeJoiner, RecordDeframer, RecordOpener, RecordProtector } from '../../src/record/index.ts';
import { Transcript } from '../../src/schedule/index.ts';
import { type ClientHello, decodeHandshakeMessage, type MessageType, NamedGroup } from '../../src/wire/index.ts';

/**
 * The flights of RFC 8448's servers, record by record, into our client: it must derive the recorded keys and answer with the recorded
 * records, to the byte. And the ClientHellos into our server, which must answer with the recorded ServerHello.
 */

interface Trace {
  readonly n: number;
  readonly title: string;
  readonly steps: readonly {
    readonly who: string;
    readonly action: string;
    readonly fields: readonly { readonly name: string; readonly hex: string }[];
  }[];
}
const traces = JSON.parse(readFileSync(new URL('rfc8448.json', import.meta.url), 'utf8')) as Trace[];

const fieldsOf = (trace: Trace, who: string, action: string, field: string): Uint8Array[] =>
  trace.steps
    .filter((step) => step.who === who && step.action.startsWith(action))
    .flatMap((step) => step.fields.filter((f) => f.name === field).map((f) => fromHex(f.hex)));

/** The record layer of the engine, in a few lines: opens what the server recorded, protects what the handlers send. */
class ReplayOutput implements Output {
  readonly records: Uint8Array[] = [];
  readonly events: TlsEvent[] = [];
  readonly writeClosed = false;
  opener: RecordOpener | undefined;
  #protector: RecordProtector | undefined;
  #flight: Uint8Array[] = [];

  send(message: Uint8Array): void {
    this.#flight.push(message);
  }
  endFlight(): void {
    if (this.#flight.length > 0) this.records.push(this.#protector!.protect(22, concat(...this.#flight)));
    this.#flight = [];
  }
  sendChangeCipherSpec(): void {
    this.records.push(fromHex('140303000101'));
  }
  setWriteKeys(_epoch: unknown, keys: ConstructorParameters<typeof RecordProtector>[0]): void {
    this.endFlight();
    this.#protector = new RecordProtector(keys, { maxFragment: 16_384 });
  }
  setReadKeys(_epoch: unknown, keys: ConstructorParameters<typeof RecordOpener>[0]): void {
    this.opener = new RecordOpener(keys, 16_384);
  }
  protectData(content: Uint8Array): Uint8Array {
    return this.#protector!.protect(23, content);
  }
  setPeerRecordSizeLimit(): void {}
  skipEarlyData(): void {}
  peerUpdatedKeys(): void {}
  defer(): void {}
  whenIdle(): void {}
  emit(event: TlsEvent): void {
    this.events.push(event);
  }
}

async function settled(next: Next<ClientState>): Promise<ClientState> {
  let result = next;
  while (isParked(result)) result = (await result.settled)();
  return result;
}

for (const n of [3, 5, 6, 7]) {
  const trace = traces.find((t) => t.n === n)!;
  test(`RFC 8448 section ${n}, ${trace.title}: our client answers with the recorded bytes`, async () => {
    const group = n === 5 ? NamedGroup.secp256r1 : NamedGroup.x25519;
    const privateKey = fieldsOf(
      trace,
      'client',
      `create an ephemeral ${n === 5 ? 'P-256' : 'x25519'}`,
      'private key',
    )[0]!;
    const crypto = testCrypto({ seed: 'replay', keyShares: [{ group, privateKey }] });
    const hellos = fieldsOf(trace, 'client', 'construct a ClientHello', 'ClientHello');
    const serverRecords = fieldsOf(trace, 'server', 'send', 'complete record');
    const transcript = new Transcript();

    const config = createClientConfig({
      crypto,
      clock: { now: () => Date.UTC(2018, 0, 1) },
      // The certificates of the RFC are self-signed, of 1,024 bits, and for nobody: who they are is not what is tested here.
      verifier: { verify: () => ({ trusted: true }) },
      credentials: recordedCredential(trace),
    });
    const suite = config.cipherSuites[0]!;
    if (n === 5) {
      transcript.add(hellos[0]!);
      transcript.start(crypto.kdf('sha256'));
      transcript.replaceWithMessageHash();
      transcript.add(fieldsOf(trace, 'server', 'construct a ServerHello', 'ServerHello')[0]!);
      serverRecords.shift();
    }
    const raw = hellos.at(-1)!;
    transcript.add(raw);
    const exchange = crypto.keyExchange(group)!;
    const offer = {
      hello: decodeHandshakeMessage(1, raw.subarray(4)) as ClientHello,
      shares: [{ group: exchange, share: await exchange.generate() }],
      tickets: [],
      transcript,
      changedCipherSpec: false,
      retried: n === 5,
    };
    const out = new ReplayOutput();
    const cx: ClientContext = { config, options: { serverName: 'server', tickets: [] }, out };
    let state: ClientState =
      n === 5 ? { at: 'expect_second_server_hello', offer, suite } : { at: 'expect_server_hello', offer };

    const deframer = new RecordDeframer();
    const joiner = new HandshakeJoiner(() => 65_536);
    for (const bytes of serverRecords) {
      deframer.push(bytes);
      const record = deframer.next()!;
      if (record.type === 20) continue;
      const { type, content } = out.opener?.open(record) ?? { type: record.type, content: record.fragment };
      if (type !== 22) continue;
      joiner.push(content);
      for (let joined = joiner.next(); joined !== undefined; joined = joiner.next()) {
        const message = { ...decodeHandshakeMessage(joined.type, joined.body), raw: joined.raw };
        const handlers: Partial<Record<MessageType, unknown>> = clientHandlers[state.at];
        const handler = handlers[message.type] as (s: ClientState, m: Received, c: ClientContext) => Next<ClientState>;
        state = await settled(handler(state, message, cx));
      }
    }
    assert.equal(state.at, 'connected');
    out.endFlight();
    const recorded = fieldsOf(trace, 'client', 'send', 'complete record').slice(hellos.length);
    const handshakeRecords = recorded.filter((r) => r[0] === 20 || (r.length !== 24 && r.length !== 72));
    assert.deepEqual(out.records.map(toHex), handshakeRecords.map(toHex));

    // The first application record, where there is one, is protected under the right keys.
    const data = fieldsOf(trace, 'client', 'send application_data', 'payload')[0];
    if (data)
      assert.deepEqual(
        toHex(out.protectData(data)),
        toHex(fieldsOf(trace, 'client', 'send application_data', 'complete record')[0]!),
      );
    const psk = fieldsOf(trace, 'server', 'generate resumption secret', 'expanded')[0];
    if (psk) {
      const ticket = out.events.find((e) => e.type === 'ticket');
      assert.equal(ticket?.type === 'ticket' && toHex(ticket.ticket.psk), toHex(psk));
    }
  });
}

/** Section 6: a key that makes the signature of the RFC, which is random by nature and cannot be made again. */
function recordedCredential(trace: Trace): Credential[] {
  const [certificate] = fieldsOf(trace, 'client', 'construct a Certificate handshake', 'Certificate');
  const [verify] = fieldsOf(trace, 'client', 'construct a CertificateVerify', 'CertificateVerify');
  if (certificate === undefined || verify === undefined) return [];
  const message = decodeHandshakeMessage(11, certificate.subarray(4));
  const signed = decodeHandshakeMessage(15, verify.subarray(4));
  if (message.type !== 'certificate' || signed.type !== 'certificate_verify') return [];
  const { algorithm, signature } = signed;
  return [
    {
      chain: message.entries.map((e) => e.certificate),
      names: [],
      signer: { schemes: [algorithm], sign: () => signature },
    },
  ];
}

for (const n of [3, 6, 7]) {
  const trace = traces.find((t) => t.n === n)!;
  test(`RFC 8448 section ${n}, ${trace.title}: our server answers with the recorded ServerHello and keys`, async () => {
    const recorded = fieldsOf(trace, 'server', 'construct a ServerHello', 'ServerHello')[0]!;
    const crypto = testCrypto({
      seed: 'replay',
      randoms: [recorded.subarray(6, 38)],
      keyShares: [
        {
          group: NamedGroup.x25519,
          privateKey: fieldsOf(trace, 'server', 'create an ephemeral x25519', 'private key')[0]!,
        },
      ],
    });
    const lines: string[] = [];
    const config = createServerConfig({
      crypto,
      clock: { now: () => Date.UTC(2018, 0, 1) },
      groups: ['x25519'],
      tickets: { sealer: false },
      keyLog: (line) => void lines.push(line),
      credentials: [
        { chain: [Uint8Array.of(0x30, 0)], names: [], signer: { schemes: [0x0403], sign: () => new Uint8Array(70) } },
      ],
    });
    const engine = createServerEngine(config);
    engine.receive(fieldsOf(trace, 'client', 'send handshake record', 'complete record')[0]!);
    const sent = engine.pull()!;
    assert.equal(toHex(sent.subarray(5, 5 + recorded.length)), toHex(recorded));
    for (const [label, step] of [
      ['CLIENT_HANDSHAKE_TRAFFIC_SECRET', 'derive secret "tls13 c hs traffic"'],
      ['SERVER_HANDSHAKE_TRAFFIC_SECRET', 'derive secret "tls13 s hs traffic"'],
    ] as const) {
      const secret = fieldsOf(trace, 'server', step, 'expanded')[0]!;
      assert.equal(lines.find((line) => line.startsWith(label))?.split(' ')[2], toHex(secret));
    }
  });
}
