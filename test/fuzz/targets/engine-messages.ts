import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { concat, equal, latin1 } from '../../../src/bytes/index.ts';
import { HandshakeType } from '../../../src/wire/index.ts';
import { eventsOf, type Side } from '../../pair/pair.ts';
import { Liar, type Lie, withFirstHello } from '../liar.ts';
import { mutateMessage } from '../mutate-value.ts';
import { pairOf, SCENARIOS, type Scenario } from '../scenarios.ts';
import { type FuzzTarget, InputReader, type Random } from '../target.ts';
import { RECORD_DICTIONARY } from './dictionary.ts';
import { recorded, recordedMessages } from './recorded.ts';
import { callSomething, checkEnd, checkSide, give, outputLimit, perform, takeAll, verdictOf } from './victim.ts';

/**
 * An input is a program for a peer that has the keys: scenario, who lies, size of the chunks; then lies of {@link LIE_LENGTH} bytes each:
 * when, what, and what it needs to know.
 */
const HEAD = 3;
const LIE_LENGTH = 12;
const MAX_LIES = 12;
/** From here on `when` counts turns of the conversation, below it messages. */
const TURNS = 128;
const MAX_TURNS = 120;
/** Kinds of lies that are no messages. */
const BESIDES = 12;

interface Planned {
  readonly when: number;
  readonly what: number;
  readonly about: Uint8Array;
}

function plannedIn(r: InputReader): Planned[] {
  const lies: Planned[] = [];
  while (r.left > 0 && lies.length < MAX_LIES)
    lies.push({ when: r.u8(), what: r.u8(), about: r.bytes(LIE_LENGTH - 2) });
  return lies;
}

/** With the length in the header that it has. */
function withHeader(message: Uint8Array, body: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(message[0]!, body.length >> 16, body.length >> 8, body.length), body);
}

class Conversation {
  readonly #scenario: Scenario;
  readonly #planned: readonly Planned[];
  readonly #library: readonly Uint8Array[];
  #liar: Liar | undefined;
  #victim: Side | undefined;
  #said = 0;
  /** Of the handshake; what comes later is about another certificate. */
  #finished = false;
  #unproved = false;
  /** Bytes for the wire that are in no record of the liar's. */
  #raw: Uint8Array[] = [];
  #flips: number[] = [];

  constructor(scenario: Scenario, planned: readonly Planned[], library: readonly Uint8Array[]) {
    this.#scenario = scenario;
    this.#planned = planned;
    this.#library = library;
  }

  readonly #lie: Lie = (message) => {
    const index = this.#said++;
    let messages: readonly Uint8Array[] = [message];
    for (const { when, what, about } of this.#planned) {
      if (when === index) messages = messages.flatMap((one) => this.#change(one, what, new InputReader(about)));
    }
    this.#watch(message, messages[0]);
    return messages;
  };

  /** Who lies about these has not shown that he is who he says, or that he said what was heard. */
  #watch(message: Uint8Array, sent: Uint8Array | undefined): void {
    if (message[0] !== HandshakeType.certificate_verify && message[0] !== HandshakeType.finished) return;
    if (sent === undefined || !equal(sent, message)) this.#unproved ||= !this.#finished;
    if (message[0] === HandshakeType.finished) this.#finished = true;
  }

  #change(message: Uint8Array, what: number, about: InputReader): readonly Uint8Array[] {
    const body = message.subarray(4);
    switch (what % 16) {
      case 0:
      case 1:
      case 2:
        return [mutateMessage(message, about) ?? message];
      case 3: {
        const copy = message.slice();
        const at = 4 + about.u16();
        copy.set(about.rest().subarray(0, Math.max(0, copy.length - at)), Math.min(at, copy.length));
        return [copy];
      }
      case 4: {
        const at = about.u16() % (body.length + 1);
        return [
          withHeader(message, concat(body.subarray(0, at), about.bytes(1 + (about.u8() % 8)), body.subarray(at))),
        ];
      }
      case 5: {
        const at = about.u16() % (body.length + 1);
        return [withHeader(message, concat(body.subarray(0, at), body.subarray(at + about.u8())))];
      }
      case 6:
        return [];
      case 7:
        return [message, message];
      case 8: {
        const copy = message.slice();
        copy[0] = about.u8();
        return [copy];
      }
      case 9: {
        const copy = message.slice();
        copy[1 + (about.u8() % 3)] = about.u8();
        return [copy];
      }
      case 10:
        return [this.#library[about.u16() % this.#library.length]!, message];
      case 11:
        return [this.#library[about.u16() % this.#library.length]!];
      case 12:
        return [message, this.#library[about.u16() % this.#library.length]!];
      case 13:
        this.#liar?.fragment(2 + about.u8());
        return [message];
      default:
        this.#beside(what >> 4, about);
        return [message];
    }
  }

  /** What is no message of the handshake's. */
  #beside(what: number, about: InputReader): void {
    const liar = this.#liar;
    const engine = liar?.side.engine;
    switch (what % BESIDES) {
      case 0:
        this.#raw.push(RECORD_DICTIONARY[about.u8() % RECORD_DICTIONARY.length]!);
        break;
      case 1:
        this.#flips.push(about.u16());
        break;
      case 2:
        liar?.record(about.u8(), about.bytes(about.u8() % 8));
        break;
      case 3:
        liar?.record(20 + (about.u8() % 5), about.bytes(about.u8() % 8));
        break;
      case 4: {
        const count = about.u8();
        const message = this.#library[about.u16() % this.#library.length]!;
        for (let i = 0; i < count; i++) liar?.record(22, message.subarray(0, 16_000));
        break;
      }
      case 5: {
        const count = about.u8();
        const type = 20 + (about.u8() % 4);
        const content = about.bytes(about.u8() % 4);
        for (let i = 0; i < count; i++) liar?.record(type, content);
        break;
      }
      case 6: {
        const ask = (about.u8() & 1) === 1;
        if (engine !== undefined) for (let i = about.u8() % 40; i >= 0; i--) perform((e) => e.updateKeys(ask), engine);
        break;
      }
      case 7:
        if (engine !== undefined) perform((e) => e.write(latin1('more')), engine);
        break;
      case 8:
        if (engine !== undefined) callSomething(engine, about.u8());
        break;
      case 9: {
        // The program of the honest side calls from inside an event, once.
        const victim = this.#victim?.engine;
        const which = about.u8();
        if (victim === undefined) break;
        victim.onEvent = () => {
          victim.onEvent = undefined;
          callSomething(victim, which);
        };
        break;
      }
      default: {
        const victim = this.#victim?.engine;
        const which = about.u8();
        if (victim !== undefined) liar?.pause(() => callSomething(victim, which));
      }
    }
  }

  async run(liarIsServer: boolean, chunk: number): Promise<readonly string[]> {
    const scenario = this.#scenario;
    const pair = await withFirstHello(liarIsServer ? undefined : this.#lie, () => pairOf(scenario));
    const [side, victim] = liarIsServer ? [pair.server, pair.client] : [pair.client, pair.server];
    const liar = new Liar(side, victim, this.#lie);
    this.#liar = liar;
    this.#victim = victim;
    const script = [...(scenario.script ?? [])];
    let heard = 0;
    let sent = takeAll(victim);
    const say = (bytes: Uint8Array): void => {
      for (let at = 0; at < bytes.length; at += chunk) {
        const part = bytes.slice(at, at + chunk);
        heard += part.length;
        give(victim, part);
        sent += takeAll(victim);
      }
      checkSide(victim);
    };
    let idle = 0;
    for (let at = 0; at < MAX_TURNS && idle < 3; at++) {
      for (const { when, what, about } of this.#planned) {
        if (when === TURNS + at) liar.act(() => this.#beside(what, new InputReader(about)));
      }
      const said = liar.act(() => side.engine.pull());
      while (side.engine.next() !== undefined);
      const bytes = this.#disturbed(said);
      if (bytes !== undefined) say(bytes);
      sent += takeAll(victim);
      const answers = victim.sent.splice(0);
      for (const answer of answers) liar.act(() => side.engine.receive(answer));
      const parked = victim.engine.state.startsWith('parked') || side.engine.state.startsWith('parked');
      if (parked || at % 16 === 15) await turn();
      if (bytes !== undefined || answers.length > 0 || parked) idle = 0;
      else {
        idle++;
        const step = pair.client.engine.info && pair.server.engine.info && script.shift();
        if (step !== undefined) {
          idle = 0;
          const [who, run] = step;
          if (pair[who] === side) liar.act(() => perform(run, side.engine));
          else perform(run, victim.engine);
        }
      }
    }
    victim.engine.transportEnded();
    sent += takeAll(victim);
    checkSide(victim);
    assert.ok(
      !/^(expect|connected)/.test(victim.engine.state) || victim.engine.readClosed,
      `left in ${victim.engine.state}`,
    );
    assert.ok(sent <= outputLimit(heard, scenario), `${sent} bytes out for ${heard} in`);
    if (this.#unproved) assert.equal(eventsOf(victim, 'secure').length, 0, 'secure without proof');
    const verdict = [...verdictOf(victim), String(sent)];
    checkEnd(victim);
    return verdict;
  }

  #disturbed(bytes: Uint8Array | undefined): Uint8Array | undefined {
    if (bytes === undefined && this.#raw.length === 0) return undefined;
    const all = concat(...this.#raw, bytes ?? new Uint8Array(0));
    this.#raw = [];
    for (const flip of this.#flips) if (all.length > 0) all[(flip >> 3) % all.length]! ^= 1 << (flip & 7);
    this.#flips = [];
    return all;
  }
}

async function converse(input: Uint8Array): Promise<readonly string[]> {
  // Recorded first: that plays scenarios, in which nobody lies.
  const library = await recordedMessages();
  const r = new InputReader(input);
  const scenario = SCENARIOS[r.u8() % SCENARIOS.length]!;
  const liarIsServer = (r.u8() & 1) === 1;
  const chunk = r.u8() || Number.POSITIVE_INFINITY;
  return new Conversation(scenario, plannedIn(r), library).run(liarIsServer, chunk);
}

export const engineMessages: FuzzTarget = {
  name: 'engine-messages',
  about:
    'the engine against a peer with keys that lies: changed, missing, foreign messages and records, its Finished following the lie',
  maxLength: HEAD + MAX_LIES * LIE_LENGTH,
  sliceRuns: 60,
  async seeds() {
    await recorded();
    const messages = SCENARIOS.flatMap((_, scenario) =>
      [0, 1].flatMap((role) => {
        const head = Uint8Array.of(scenario, role, 0);
        const lie = (when: number) => Uint8Array.of(when, 0, scenario * 5 + when * 11, 7, ...new Uint8Array(8));
        return [head, concat(head, lie(1)), concat(head, lie(2))];
      }),
    );
    // Each thing that is no message, in the middle of a conversation.
    const beside = Array.from({ length: BESIDES }, (_, what) =>
      [0, 1].map((role) => Uint8Array.of(1, role, 0, TURNS + 8, what, 1, 1, ...new Uint8Array(8))),
    );
    return [...messages, ...beside.flat()];
  },
  /** Another lie, or one less. */
  mutate(input, random: Random) {
    const head = input.slice(0, HEAD);
    if (random.chance(6)) head[random.below(HEAD)] = random.u32();
    const lies: Uint8Array[] = [];
    for (let at = HEAD; at < input.length; at += LIE_LENGTH) lies.push(input.slice(at, at + LIE_LENGTH));
    if (lies.length > 0 && random.chance(3)) lies.splice(random.below(lies.length), 1);
    if (lies.length === 0 || random.chance(2)) {
      const when = random.chance(4) ? TURNS + random.below(20) : random.below(12);
      lies.push(concat(Uint8Array.of(when), random.bytes(LIE_LENGTH - 1)));
    }
    return concat(head, ...lies);
  },
  async run(input) {
    const first = await converse(input);
    if (((input[5] ?? 0) & 7) === 0) assert.deepEqual(await converse(input), first, 'the same lies, another verdict');
  },
};
