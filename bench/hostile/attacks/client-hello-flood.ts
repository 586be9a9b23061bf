import type { Attack } from '../attack.ts';
import { helloBytes } from '../hello.ts';

/** Whole ClientHellos, as fast as can be, from clients that never go on. */
export const attack: Attack = {
  name: 'ClientHello flood',
  side: 'server',
  counted: 'handshakes that are not done',
  limit: 'maxHandshakes, 10,000; handshakeTimeout, 120 s',
  parallel: 64,
  async run(peer) {
    if (!(await peer.write(helloBytes()))) return;
    await peer.read();
  },
};
