import {
  type ClientEngineOptions,
  type ClientOptions,
  createClientConfig,
  createClientEngine,
  createServerConfig,
  createServerEngine,
  type ServerOptions,
  type TlsEngine,
} from '../../src/connection/index.ts';
import type { ClientConfig, ServerConfig, TlsEvent } from '../../src/handshake/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { makeIdentity, TEST_NOW, type TestIdentity } from '../support/certificates.ts';

/** A clock that moves only when told to. */
export class TestClock {
  #now = TEST_NOW;
  now = (): number => this.#now;
  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}

/** One side of a pair: its engine and everything it reported. */
export interface Side {
  readonly engine: TlsEngine;
  readonly events: TlsEvent[];
  /** All bytes this side put on the wire. */
  readonly sent: Uint8Array[];
}

export interface World {
  readonly clock: TestClock;
  readonly identity: TestIdentity;
  readonly serverConfig: ServerConfig;
  readonly clientConfig: ClientConfig;
}

export interface WorldOptions {
  readonly identity?: TestIdentity;
  readonly server?: Partial<ServerOptions>;
  readonly client?: Partial<ClientOptions>;
  readonly seed?: string;
  readonly clock?: TestClock;
}

let defaultIdentity: Promise<TestIdentity> | undefined;

/** Configs of a server and a client that trust each other, with a clock and randomness of their own. */
export async function createWorld(options: WorldOptions = {}): Promise<World> {
  defaultIdentity ??= makeIdentity();
  const identity = options.identity ?? (await defaultIdentity);
  const clock = options.clock ?? new TestClock();
  const seed = options.seed ?? 'tessera';
  const serverCrypto = testCrypto({ seed: `${seed} server` });
  const clientCrypto = testCrypto({ seed: `${seed} client` });
  return {
    clock,
    identity,
    serverConfig: createServerConfig({
      crypto: serverCrypto,
      clock,
      credentials: [identity.credential],
      groups: ['x25519', 'secp256r1'],
      ...options.server,
    }),
    clientConfig: createClientConfig({
      crypto: clientCrypto,
      clock,
      verifier: createVerifier({ crypto: clientCrypto, anchors: [identity.certificate] }),
      groups: ['x25519', 'secp256r1'],
      ...options.client,
    }),
  };
}

/** A client and a server joined by a wire in memory. */
export class Pair {
  readonly client: Side;
  readonly server: Side;
  #progress = false;

  constructor(world: World, options: ClientEngineOptions = {}) {
    const onProgress = (): void => {
      this.#progress = true;
      this.#wake?.();
    };
    this.server = { engine: createServerEngine(world.serverConfig, { onProgress }), events: [], sent: [] };
    this.client = {
      engine: createClientEngine(world.clientConfig, { serverName: 'localhost', ...options, onProgress }),
      events: [],
      sent: [],
    };
  }

  #wake: (() => void) | undefined;

  /** Carries bytes both ways until nothing moves, waiting for asynchronous answers. Fails when it never comes to rest. */
  async run(): Promise<this> {
    for (let step = 0; step < 10_000; step++) {
      const moved = this.carry(this.client, this.server) || this.carry(this.server, this.client);
      if (moved || this.#progress) {
        this.#progress = false;
        continue;
      }
      if (!this.client.engine.state.startsWith('parked') && !this.server.engine.state.startsWith('parked')) return this;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    throw new Error('the pair does not come to rest');
  }

  /** Moves what `from` has to say to `to`; both report their events. */
  carry(from: Side, to: Side): boolean {
    collect(from);
    const bytes = from.engine.pull();
    if (bytes !== undefined) {
      from.sent.push(bytes);
      to.engine.receive(bytes);
    }
    collect(to);
    return bytes !== undefined;
  }
}

function collect(side: Side): void {
  for (let event = side.engine.next(); event !== undefined; event = side.engine.next()) side.events.push(event);
}

/** Events of one type, in order. */
export function eventsOf<T extends TlsEvent['type']>(side: Side, type: T): Extract<TlsEvent, { type: T }>[] {
  return side.events.filter((event): event is Extract<TlsEvent, { type: T }> => event.type === type);
}

/** The first error a side reported. */
export function errorOf(
  side: Side,
): { readonly code: string; readonly alert: string; readonly message: string } | undefined {
  return eventsOf(side, 'error')[0]?.error;
}

/** A pair after its handshake. */
export async function connect(world: World, options: ClientEngineOptions = {}): Promise<Pair> {
  return new Pair(world, options).run();
}
