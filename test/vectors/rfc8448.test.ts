/**
 * The traces of RFC 8448: every secret, key and record in them, in their order, made again from what the peers put in.
 * A step that has values and is not in the table below fails, so that nothing is left out in silence.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { concat, fromHex, Secret, toHex } from '../../src/bytes/index.ts';
import type { Aead, Kdf } from '../../src/crypto/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { plaintextRecords, RecordDeframer, RecordOpener, RecordProtector } from '../../src/record/index.ts';
import {
  EarlyStage,
  expandLabel,
  finishedMac,
  type HandshakeStage,
  type MainStage,
  Transcript,
  ticketPsk,
  trafficKeys,
} from '../../src/schedule/index.ts';
import { ContentType, HandshakeType, HELLO_RETRY_REQUEST_RANDOM } from '../../src/wire/index.ts';

type Who = 'client' | 'server';
interface Step {
  readonly who: Who;
  readonly action: string;
  readonly fields: readonly { readonly name: string; readonly hex?: string }[];
}
interface Trace {
  readonly n: number;
  readonly title: string;
  readonly steps: readonly Step[];
}

const traces: readonly Trace[] = JSON.parse(readFileSync(new URL('./rfc8448.json', import.meta.url), 'utf8'));

/** The last arguments and results of a provider's functions, to see what goes in and out of them. */
const seen = { info: '', key: '' };
const provider = { kdf: nodeCrypto.kdf('sha256'), aead: nodeCrypto.aead('aes-128-gcm')! };
const kdf: Kdf = {
  hashName: provider.kdf.hashName,
  hashLength: provider.kdf.hashLength,
  createHash: () => provider.kdf.createHash(),
  hash: (data) => provider.kdf.hash(data),
  hmac: (key, data) => provider.kdf.hmac(key, data),
  expand(prk, info, length) {
    seen.info = toHex(info);
    return provider.kdf.expand(prk, info, length);
  },
};
const aead: Aead = {
  name: provider.aead.name,
  keyLength: provider.aead.keyLength,
  nonceLength: provider.aead.nonceLength,
  tagLength: provider.aead.tagLength,
  recordLimit: provider.aead.recordLimit,
  withKey(key) {
    seen.key = toHex(key);
    return provider.aead.withKey(key.slice());
  },
};

const NOTHING = new Uint8Array(0);
const FULL = 2 ** 14;

class Replay {
  readonly transcript: Transcript = new Transcript();
  #started = false;
  early: EarlyStage | undefined;
  handshake: HandshakeStage | undefined;
  main: MainStage | undefined;
  /** Traffic and other secrets by the label in the trace. */
  readonly secrets: Map<string, string> = new Map();
  readonly protector: Partial<Record<Who, RecordProtector>> = {};
  readonly opener: Partial<Record<Who, RecordOpener>> = {};
  readonly deframer: Record<Who, RecordDeframer> = { client: new RecordDeframer(), server: new RecordDeframer() };
  readonly sent: Record<Who, number> = { client: 0, server: 0 };
  protectedRecords = 0;

  hash(): Uint8Array {
    this.start();
    return this.transcript.hash();
  }

  start(): void {
    if (!this.#started) this.transcript.start(kdf);
    this.#started = true;
  }
}

type Values = (name: string) => string;
type Check = (replay: Replay, get: Values, who: Who, match: RegExpMatchArray) => void;

const derivations: Record<string, (replay: Replay, hash: Uint8Array) => Secret> = {
  'c e traffic': ({ early }, hash) => early!.clientEarlyTraffic(hash),
  'e exp master': ({ early }, hash) => early!.earlyExporter(hash),
  'c hs traffic': ({ handshake }, hash) => handshake!.clientTraffic(hash),
  's hs traffic': ({ handshake }, hash) => handshake!.serverTraffic(hash),
  'c ap traffic': ({ main }, hash) => main!.clientTraffic(hash),
  's ap traffic': ({ main }, hash) => main!.serverTraffic(hash),
  'exp master': ({ main }, hash) => main!.exporter(hash),
  'res master': ({ main }, hash) => main!.resumption(hash),
};

const table: readonly [RegExp, Check][] = [
  [/^create an ephemeral/, () => {}],
  [
    /^construct an? (\w+) handshake message/,
    (replay, get, _who, [, name]) => {
      const message = fromHex(get(name!));
      const type = message[0];
      const lacksBinders = message.length < 4 + ((message[2]! << 8) | message[3]!);
      if (type === HandshakeType.client_hello && lacksBinders) return;
      if (type === HandshakeType.server_hello) {
        replay.start();
        const retry = toHex(message.subarray(6, 38)) === toHex(HELLO_RETRY_REQUEST_RANDOM);
        if (retry) replay.transcript.replaceWithMessageHash();
      }
      replay.transcript.add(message);
    },
  ],
  [
    /^extract secret "early"/,
    (replay, get) => {
      const ikm = get('IKM');
      assert.equal(toHex(kdf.hmac(new Uint8Array(32), fromHex(ikm))), get('secret'));
      replay.early = new EarlyStage(kdf, /^0+$/.test(ikm) ? undefined : fromHex(ikm));
    },
  ],
  [
    /^extract secret "handshake"/,
    (replay, get) => {
      assert.equal(toHex(kdf.hmac(fromHex(get('salt')), fromHex(get('IKM')))), get('secret'));
      replay.handshake = replay.early!.next(fromHex(get('IKM')));
    },
  ],
  [
    /^extract secret "master"/,
    (_replay, get) => {
      assert.equal(toHex(kdf.hmac(fromHex(get('salt')), fromHex(get('IKM')))), get('secret'));
    },
  ],
  [
    /^derive secret for (?:handshake|master) "tls13 derived"/,
    (_replay, get) => {
      const expanded = expandLabel(kdf, fromHex(get('PRK')), 'derived', fromHex(get('hash')), 32);
      assert.equal(seen.info, get('info'));
      assert.equal(toHex(expanded), get('expanded'));
    },
  ],
  [
    /^derive secret "tls13 ([a-z ]+)"/,
    (replay, get, _who, [, label]) => {
      if (label === 'c ap traffic') replay.main = replay.handshake!.next();
      const hash = replay.hash();
      assert.equal(toHex(hash), get('hash'), 'transcript hash');
      const secret = derivations[label!]!(replay, hash);
      assert.equal(seen.info, get('info'));
      assert.equal(toHex(secret.bytes), get('expanded'));
      replay.secrets.set(label!, get('expanded'));
    },
  ],
  [
    /^derive (read|write) traffic keys for (early application|handshake|application) data/,
    (replay, get, who, [, direction, epoch]) => {
      const writer: Who = direction === 'write' ? who : who === 'client' ? 'server' : 'client';
      const label = `${writer[0]} ${{ 'early application': 'e', handshake: 'hs', application: 'ap' }[epoch!]} traffic`;
      assert.equal(replay.secrets.get(label), get('PRK'), label);
      expandLabel(kdf, fromHex(get('PRK')), 'key', NOTHING, aead.keyLength);
      assert.equal(seen.info, get('key info'));
      const keys = () => trafficKeys(kdf, new Secret(fromHex(get('PRK'))), aead);
      const { iv } = keys();
      assert.equal(seen.info, get('iv info'));
      assert.equal(seen.key, get('key expanded'));
      assert.equal(toHex(iv), get('iv expanded'));
      replay.protector[writer] = new RecordProtector(keys(), { maxFragment: FULL });
      replay.opener[writer] = new RecordOpener(keys(), FULL);
      replay.deframer[writer].setProtected(true);
    },
  ],
  [
    /^calculate finished "tls13 finished"/,
    (replay, get, who) => {
      assert.equal(replay.secrets.get(`${who[0]} hs traffic`), get('PRK'));
      checkFinished(replay.hash(), get);
    },
  ],
  [
    /^calculate PSK binder/,
    (replay, get) => {
      const prefix = fromHex(get('ClientHello prefix'));
      const hash = replay.transcript.hashWith(prefix, kdf);
      assert.equal(toHex(hash), get('binder hash'));
      assert.equal(toHex(replay.early!.binderKey('res').bytes), get('PRK'));
      checkFinished(hash, get);
      // The list of binders: its length, then one binder with its own.
      replay.transcript.add(concat(prefix, fromHex('002120'), fromHex(get('finished'))));
    },
  ],
  [
    /^generate resumption secret/,
    (replay, get) => {
      assert.equal(replay.secrets.get('res master'), get('PRK'));
      const psk = ticketPsk(kdf, new Secret(fromHex(get('PRK'))), fromHex(get('hash')));
      assert.equal(seen.info, get('info'));
      assert.equal(toHex(psk), get('expanded'));
    },
  ],
  [
    /^send (handshake|application_data|alert|change_cipher_spec) record/,
    (replay, get, who, [, name]) => {
      const type = ContentType[name as keyof typeof ContentType];
      const payload = fromHex(get('payload'));
      const record = fromHex(get('complete record'));
      const first = replay.sent[who]++ === 0;
      for (let at = 0; at < record.length; at += 100) replay.deframer[who].push(record.subarray(at, at + 100));
      const framed = replay.deframer[who].next()!;
      assert.equal(replay.deframer[who].buffered, 0);

      const protector = type === ContentType.change_cipher_spec ? undefined : replay.protector[who];
      if (protector === undefined) {
        const version = first && who === 'client' ? 0x0301 : undefined;
        assert.equal(toHex(plaintextRecords(type, payload, FULL, version)), get('complete record'));
        assert.deepEqual({ type: framed.type, fragment: toHex(framed.fragment) }, { type, fragment: get('payload') });
      } else {
        assert.equal(toHex(protector.protect(type, payload)), get('complete record'));
        const opened = replay.opener[who]!.open(framed);
        assert.deepEqual({ type: opened.type, content: toHex(opened.content) }, { type, content: get('payload') });
        replay.protectedRecords++;
      }
    },
  ],
];

function checkFinished(hash: Uint8Array, get: Values): void {
  const key = expandLabel(kdf, fromHex(get('PRK')), 'finished', NOTHING, 32);
  assert.equal(seen.info, get('info'));
  assert.equal(toHex(key), get('expanded'));
  assert.equal(toHex(finishedMac(kdf, new Secret(fromHex(get('PRK'))), hash)), get('finished'));
}

const protectedRecords: Record<number, number> = { 3: 7, 4: 8, 5: 4, 6: 4, 7: 4 };

for (const trace of traces.filter((t) => t.steps.length > 0)) {
  test(`RFC 8448 section ${trace.n}: ${trace.title}`, async (t) => {
    const replay = new Replay();
    for (const { who, action, fields } of trace.steps) {
      if (fields.length === 0) {
        // Only "the same as what the other side did" has no values.
        assert.match(action, /same as/);
        continue;
      }
      await t.test(`${who}: ${action}`, () => {
        const get: Values = (name) => {
          const field = fields.find((f) => f.name === name);
          assert.ok(field, `no field ${name}`);
          return field.hex ?? '';
        };
        for (const [pattern, check] of table) {
          const match = action.match(pattern);
          if (match !== null) return check(replay, get, who, match);
        }
        assert.fail('a step that the table does not know');
      });
    }
    assert.equal(replay.protectedRecords, protectedRecords[trace.n]);
  });
}

test('the PSK of section 4 is the one that section 3 gave to its ticket', () => {
  const value = (n: number, action: RegExp, name: string): string | undefined => {
    const step = traces.find((t) => t.n === n)!.steps.find((s) => action.test(s.action) && s.fields.length > 0)!;
    return step.fields.find((f) => f.name === name)!.hex;
  };
  const psk = value(3, /^generate resumption secret/, 'expanded');
  assert.equal(value(4, /^extract secret "early"/, 'IKM'), psk);
});
