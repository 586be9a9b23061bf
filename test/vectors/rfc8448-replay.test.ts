import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { concat, copyOf, fromHex, toHex } from '../../src/bytes/index.ts';
import {
  createClientConfig,
  createServerConfig,
  createServerEngine,
  type ServerOptions,
} from '../../src/connection/index.ts';
import type { Credential } from '../../src/crypto/index.ts';
import { startEarlyData } from '../../src/handshake/client/early-data.ts';
import {
  type ClientContext,
  type ClientState,
  clientHandlers,
  type EarlyDataDecline,
  type EarlyDataSession,
  type Epoch,
  isParked,
  type Next,
  type Output,
  type Received,
  type TlsEvent,
  type TrafficKeys,
} from '../../src/handshake/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import { HandshakeJoiner, RecordDeframer, RecordOpener, RecordProtector } from '../../src/record/index.ts';
import { Transcript } from '../../src/schedule/index.ts';
import type { ClientTicket, TicketState } from '../../src/tickets/index.ts';
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
  early: EarlyDataSession | undefined;
  #next: TrafficKeys | undefined;

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
  setWriteKeys(epoch: Epoch, keys: TrafficKeys): void {
    if (this.early && epoch === 'handshake') {
      this.#next = keys;
      return;
    }
    this.endFlight();
    this.#protector = new RecordProtector(keys, { maxFragment: 16_384 });
  }
  setReadKeys(_epoch: unknown, keys: TrafficKeys): void {
    this.opener = new RecordOpener(keys, 16_384);
  }
  protectData(content: Uint8Array): Uint8Array {
    return this.#protector!.protect(23, content);
  }
  setPeerRecordSizeLimit(): void {}
  useConfig(): void {}
  openEarlyData(session: EarlyDataSession): void {
    this.early = session;
  }
  endEarlyData(): void {
    this.early = undefined;
    this.setWriteKeys('handshake', this.#next!);
  }
  earlyDataDecided(declined: EarlyDataDecline | undefined): void {
    assert.equal(declined, undefined);
  }
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

for (const n of [3, 4, 5, 6, 7]) {
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
    // Section 4: the message with its binder is only in the record.
    const raw = n === 4 ? fieldsOf(trace, 'client', 'send handshake record', 'payload')[0]! : hellos.at(-1)!;
    transcript.add(raw);
    const exchange = crypto.keyExchange(group)!;
    const offer = {
      hello: decodeHandshakeMessage(1, raw.subarray(4)) as ClientHello,
      shares: [{ group: exchange, share: await exchange.generate() }],
      tickets: n === 4 ? [recordedTicket(trace)] : [],
      psks: [],
      transcript,
      changedCipherSpec: false,
      retried: n === 5,
    };
    const out = new ReplayOutput();
    const cx: ClientContext = { config, options: { serverName: 'server', tickets: [], psks: [] }, out };
    let state: ClientState =
      n === 5 ? { at: 'expect_second_server_hello', offer, suite } : { at: 'expect_server_hello', offer };

    if (n === 4) {
      startEarlyData(offer, suite, cx);
      assertKeyingMaterial(out.early, trace);
      const early = fieldsOf(trace, 'client', 'send application_data', 'payload')[0]!;
      assert.equal(
        toHex(out.protectData(early)),
        toHex(fieldsOf(trace, 'client', 'send application_data', 'complete record')[0]!),
      );
    }

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
    // Without early data (28 bytes), application data (72) and the alert (24).
    const handshakeRecords = recorded.filter((r) => r[0] === 20 || ![24, 28, 72].includes(r.length));
    if (n === 4)
      assert.deepEqual(
        handshakeRecords.map((r) => r.length),
        [26, 58],
        'EndOfEarlyData, Finished',
      );
    assert.deepEqual(out.records.map(toHex), handshakeRecords.map(toHex));

    // The first application record, where there is one, is protected under the right keys.
    const first = n === 4 ? 1 : 0;
    const data = fieldsOf(trace, 'client', 'send application_data', 'payload')[first];
    if (data)
      assert.deepEqual(
        toHex(out.protectData(data)),
        toHex(fieldsOf(trace, 'client', 'send application_data', 'complete record')[first]!),
      );
    const psk = fieldsOf(trace, 'server', 'generate resumption secret', 'expanded')[0];
    if (psk) {
      const ticket = out.events.find((e) => e.type === 'ticket');
      assert.equal(ticket?.type === 'ticket' && toHex(ticket.ticket.psk), toHex(psk));
    }
  });
}

/** The PSK of section 4, which comes from the connection of section 3. */
function recordedTicket(trace: Trace): ClientTicket {
  return {
    ticket: Uint8Array.of(1),
    psk: recordedPsk(trace),
    cipherSuite: 0x1301,
    lifetimeSeconds: 30,
    ageAdd: 0,
    nonce: Uint8Array.of(0, 0),
    receivedAt: Date.UTC(2018, 0, 1),
    authenticatedAt: Date.UTC(2018, 0, 1),
    serverName: 'server',
    maxEarlyDataSize: 1_024,
    server: { chain: [], authorized: true },
  };
}

const recordedPsk = (trace: Trace): Uint8Array => fieldsOf(trace, 'client', 'extract secret "early"', 'IKM')[0]!;

/** early_exporter_secret is the recorded one. */
function assertKeyingMaterial(early: EarlyDataSession | undefined, trace: Trace): void {
  const recorded = fieldsOf(trace, 'client', 'derive secret "tls13 e exp master"', 'expanded')[0]!;
  assert.equal(early && toHex(early.exporterSecret.bytes), toHex(recorded));
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

for (const n of [3, 4, 6, 7]) {
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
      ...(n === 4 ? recordedSession(trace) : { tickets: { sealer: false as const } }),
      keyLog: (line) => void lines.push(line),
      credentials: [
        { chain: [Uint8Array.of(0x30, 0)], names: [], signer: { schemes: [0x0403], sign: () => new Uint8Array(70) } },
      ],
    });
    const engine = createServerEngine(config);
    engine.receive(fieldsOf(trace, 'client', 'send handshake record', 'complete record')[0]!);
    if (n === 4) {
      engine.receive(fieldsOf(trace, 'client', 'send application_data', 'complete record')[0]!);
      assert.deepEqual(
        [engine.next()?.type, engine.next()?.type, engine.next()],
        [
          'ticket_redeemed',
          'early_data_status',
          { type: 'early_data', bytes: fieldsOf(trace, 'client', 'send application_data', 'payload')[0] },
        ],
      );
    }
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

/** A server that has the ticket of section 4 in its store, and is still waiting for what was recorded. */
function recordedSession(trace: Trace): Pick<ServerOptions, 'tickets' | 'earlyData'> {
  const now = Date.UTC(2018, 0, 1);
  const open = (): TicketState => ({
    id: new Uint8Array(16),
    psk: copyOf(recordedPsk(trace)),
    cipherSuite: 0x1301,
    issuedAt: now,
    authenticatedAt: now,
    lifetimeSeconds: 30,
    // The NewSessionTicket of section 3: the client says its ticket is 6 ms old.
    ageAdd: 0xfad6_aac5,
    serverName: 'server',
    maxEarlyDataSize: 1_024,
    client: { chain: [], authorized: false },
    appData: new Uint8Array(0),
  });
  return {
    tickets: { sealer: { maxLifetimeSeconds: () => 30, seal: () => undefined, open } },
    earlyData: { maxSize: 1_024, guard: { guarantee: 'process', windowMs: 10_000, check: () => 'fresh' } },
  };
}
