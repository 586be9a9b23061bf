import { concat, fromHex, Secret } from '../../src/bytes/index.ts';
import {
  createClientConfig,
  createClientEngine,
  createServerConfig,
  createServerEngine,
  type TlsEngine,
} from '../../src/connection/index.ts';
import type { CertificateCompressionName, Credential } from '../../src/crypto/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { RecordProtector } from '../../src/record/index.ts';
import { nextTrafficSecret, trafficKeys } from '../../src/schedule/index.ts';
import { ContentType, encodeHandshakeMessage, type HandshakeMessage } from '../../src/wire/index.ts';
import { type Change, corrupt } from '../../test/pair/corrupt.ts';
import type { Peer } from './attack.ts';

const SUITE = 'TLS_AES_128_GCM_SHA256';
const kdf = nodeCrypto.kdf('sha256');
const aead = nodeCrypto.aead('aes-128-gcm')!;

export interface LiarOptions {
  readonly role: 'client' | 'server';
  /** What is sent in place of which message of the handshake. */
  readonly change?: Change;
  readonly chain?: readonly Uint8Array[];
  readonly certificateCompression?: readonly CertificateCompressionName[];
  readonly groups?: readonly string[];
}

/** A peer that makes the handshake with our own engine, and then protects whatever it is told to send. */
export class Liar {
  readonly #peer: Peer;
  #secret: Secret;
  #protector: RecordProtector;

  private constructor(peer: Peer, secret: Secret) {
    this.#peer = peer;
    this.#secret = secret;
    this.#protector = protectorWith(secret);
  }

  /** `undefined` when the victim ended it before it was done. What the victim sends later is read and dropped. */
  static async handshake(peer: Peer, options: LiarOptions): Promise<Liar | undefined> {
    let secret: string | undefined;
    const label = `${options.role.toUpperCase()}_TRAFFIC_SECRET_0 `;
    const engine = engineOf(peer, options, (line) => {
      if (line.startsWith(label)) secret = line.split(' ')[2]!;
    });
    if (options.change !== undefined) corrupt({ engine, events: [], sent: [] }, options.change);
    const { socket } = peer;
    const pump = (): void => {
      const bytes = engine.pull();
      if (bytes !== undefined && !peer.over) {
        peer.damage.bytesSent += bytes.length;
        socket.write(bytes);
      }
    };
    const receive = (bytes: Buffer): void => {
      engine.receive(bytes);
      pump();
    };
    engine.onProgress = pump;
    socket.on('data', receive);
    pump();
    while (!peer.over && engine.info === undefined && engine.state !== 'failed') await peer.read();
    socket.off('data', receive).resume();
    if (engine.info === undefined || secret === undefined) return undefined;
    return new Liar(peer, new Secret(fromHex(secret)));
  }

  /** Protects `content`, in as many records as it needs. */
  protect(type: number, content: Uint8Array): Uint8Array {
    return this.#protector.protect(type, content);
  }

  send(type: number, content: Uint8Array, count?: number): Promise<boolean> {
    return this.#peer.write(this.protect(type, content), count);
  }

  /** The same record again and again, `count` of them in one write; each one is protected anew. */
  sendMany(type: number, content: Uint8Array, count: number): Promise<boolean> {
    return this.#peer.write(concat(...Array.from({ length: count }, () => this.protect(type, content))), count);
  }

  sendMessage(message: HandshakeMessage): Promise<boolean> {
    return this.send(ContentType.handshake, encodeHandshakeMessage(message));
  }

  /** A KeyUpdate, and the keys that follow from it. */
  keyUpdate(requestUpdate: boolean): Uint8Array {
    const bytes = this.protect(ContentType.handshake, encodeHandshakeMessage({ type: 'key_update', requestUpdate }));
    this.#secret = nextTrafficSecret(kdf, this.#secret);
    this.#protector = protectorWith(this.#secret);
    return bytes;
  }
}

function protectorWith(secret: Secret): RecordProtector {
  return new RecordProtector(trafficKeys(kdf, secret, aead), { maxFragment: 16_384 });
}

function engineOf(peer: Peer, options: LiarOptions, keyLog: (line: string) => void): TlsEngine {
  const { credential, certificate } = peer.identity;
  const { role, chain = [certificate], certificateCompression, groups = ['x25519'] } = options;
  const credentials: readonly Credential[] = [{ ...credential, chain }];
  const common = {
    crypto: nodeCrypto,
    clock: { now: Date.now },
    cipherSuites: [SUITE],
    credentials,
    certificateCompression,
    groups,
    keyLog,
  };
  if (role === 'server') return createServerEngine(createServerConfig({ ...common, tickets: 0 }));
  const verifier = { verify: () => ({ trusted: true as const }) };
  return createClientEngine(createClientConfig({ ...common, verifier }), { serverName: 'localhost' });
}
