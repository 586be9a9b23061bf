/** The attacker: connects to the victim, or waits for it, and does what the attack says on each connection until the time is up. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import { type Damage, Peer } from './attack.ts';
import { findAttack } from './attacks.ts';
import { answerWith } from './rpc.ts';

let identity: TestIdentity | undefined;
let damage: Damage = none();
let listening: Server | undefined;
const connections = new Set<Socket>();

function none(): Damage {
  return { connections: 0, bytesSent: 0, sent: 0, ended: 0 };
}

async function attackOn(name: string, socket: Socket, deadline: number): Promise<void> {
  const attack = await findAttack(name);
  const peer = new Peer(socket, identity!, damage, deadline);
  connections.add(socket);
  try {
    await attack.run(peer);
  } finally {
    connections.delete(socket);
    peer.leave();
  }
}

function connectTo(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => resolve(socket));
    socket.on('error', () => resolve(undefined));
  });
}

answerWith({
  identity: async () => {
    identity ??= await makeIdentity();
    const { keyPem: key, certificatePem: cert } = identity;
    return { key, cert };
  },
  /** Attacks the server at `port`. Resolves when it is over. */
  attack: async ({
    name,
    port,
    seconds,
  }: {
    readonly name: string;
    readonly port: number;
    readonly seconds: number;
  }) => {
    const { parallel = 8 } = await findAttack(name);
    damage = none();
    const deadline = performance.now() + seconds * 1_000;
    const one = async (): Promise<void> => {
      while (performance.now() < deadline) {
        const socket = await connectTo(port);
        if (socket !== undefined) await attackOn(name, socket, deadline);
      }
    };
    await Promise.all(Array.from({ length: parallel }, one));
    return damage;
  },
  /** Waits for clients to attack. */
  listen: async ({ name, seconds }: { readonly name: string; readonly seconds: number }) => {
    damage = none();
    const deadline = performance.now() + seconds * 1_000;
    listening = createServer((socket) => void attackOn(name, socket, deadline).catch(console.error));
    listening.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    return (listening.address() as AddressInfo).port;
  },
  stop: () => {
    listening?.close();
    for (const socket of connections) socket.resetAndDestroy();
    return damage;
  },
});
