/** Headless Chromium loads the status page of `tessera serve` twice; the second time it says "resumed". */
import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import test from 'node:test';
import { openPage } from '../support/browser.ts';
import { needs } from '../support/peers.ts';
import type { Scope } from '../support/process.ts';
import { tesseraServe } from './cli-server.ts';

/**
 * A port in front of `port` whose connections can be cut. Chromium opens connections ahead of need; one that was made before the
 * first tickets came would carry the second load without a resumption.
 */
async function relay(t: Scope, port: number): Promise<{ readonly port: number; cut(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    for (const [from, to] of [[near, far] as const, [far, near] as const]) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => sockets.delete(from));
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  t.after(async () => {
    cut();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, cut };
}

test('the second load of the status page is resumed', { timeout: 60_000 }, async (t) => {
  if (!needs(t, 'chromium')) return;
  const { program, port, cert } = await tesseraServe(t);
  const front = await relay(t, port);
  const page = await openPage(t, cert);

  const load = async (path: string): Promise<string> => {
    const errorText = await page.load(`https://localhost:${front.port}${path}`);
    assert.equal(errorText, undefined, program.output);
    return (await page.evaluate('document.body.innerText')) as string;
  };
  const first = await load('/');
  assert.match(first, /Handshake\s+full/);
  assert.match(first, /Group\s+(X25519MLKEM768|x25519)/);
  // A connection opened ahead of need and cut takes a ticket with it. When that happened to both, the next load is full and brings new ones.
  const loadAgain = async (attempts: number): Promise<void> => {
    front.cut();
    const text = await load('/');
    if (!/Handshake\s+resumed/.test(text)) {
      assert.ok(attempts > 1, program.output);
      await loadAgain(attempts - 1);
    }
  };
  await loadAgain(3);
  await loadAgain(3);
});
