import { concat } from '../../../src/bytes/index.ts';
import type { Output } from '../../../src/handshake/index.ts';
import { encodeHandshakeMessage } from '../../../src/wire/index.ts';
import type { Side } from '../../pair/pair.ts';
import { pairOf, SCENARIOS } from '../scenarios.ts';

/** What both sides of a scenario said. */
export interface Recording {
  readonly client: Uint8Array;
  readonly server: Uint8Array;
  readonly messages: readonly Uint8Array[];
}

let recordings: Promise<readonly Recording[]> | undefined;

/** All scenarios, recorded once for the process. */
export function recorded(): Promise<readonly Recording[]> {
  recordings ??= Promise.all(SCENARIOS.map(record));
  return recordings;
}

async function record(scenario: (typeof SCENARIOS)[number]): Promise<Recording> {
  const pair = await pairOf(scenario);
  const messages: Uint8Array[] = [];
  for (const side of [pair.client, pair.server]) listen(side, messages);
  await pair.run();
  for (const [side, step] of scenario.script ?? []) {
    step(pair[side].engine);
    await pair.run();
  }
  for (const { engine, events } of [pair.client, pair.server]) {
    const error = events.find((event) => event.type === 'error');
    if (error !== undefined) throw new Error(`scenario ${scenario.name}, ${engine.role}: ${error.error.message}`);
    if (engine.info === undefined) throw new Error(`scenario ${scenario.name}: the ${engine.role} is not secure`);
  }
  return { client: concat(...pair.client.sent), server: concat(...pair.server.sent), messages };
}

function listen(side: Side, messages: Uint8Array[]): void {
  const output = side.engine as unknown as Output;
  const real = Object.getPrototypeOf(output) as Output;
  output.send = (raw) => {
    messages.push(raw.slice());
    real.send.call(output, raw);
  };
}

/** Each handshake message that occurs in a scenario, with its header; and some that do not. */
export async function recordedMessages(): Promise<readonly Uint8Array[]> {
  const all = new Map<string, Uint8Array>();
  for (const { messages, client } of await recorded()) {
    // The ClientHello left before anybody could listen: it is the first record.
    const length = (client[3]! << 8) | client[4]!;
    for (const message of [client.slice(5, 5 + length), ...messages])
      all.set(Buffer.from(message).toString('latin1'), message);
  }
  const request = encodeHandshakeMessage({
    type: 'certificate_request',
    context: Uint8Array.of(1, 2),
    extensions: {
      statusRequest: true,
      signatureAlgorithms: [0x0403, 0x0804],
      signatureAlgorithmsCert: [0x0804],
      certificateAuthorities: [Uint8Array.of(0x30, 0)],
      compressCertificate: [1, 2],
    },
  });
  const stapled = encodeHandshakeMessage({
    type: 'certificate',
    context: new Uint8Array(0),
    entries: [{ certificate: Uint8Array.of(1), ocspResponse: Uint8Array.of(2, 3), extensionTypes: [] }],
  });
  return [...all.values(), request, stapled];
}
