/** Headless Chromium loads the status page of `tessera serve` twice; the second time it says "resumed". */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import test from 'node:test';
import { needs, peer } from '../support/peers.ts';
import type { Scope } from '../support/process.ts';
import { tesseraServe } from './cli-server.ts';
import { files } from './harness.ts';

type Fields = Readonly<Record<string, unknown>>;
interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly result?: Fields;
  readonly error?: { readonly message: string };
}

/** Chromium's DevTools protocol over its pipe: JSON with NUL between, in on descriptor 3 and out on 4. */
class Browser {
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, (message: Message) => void>();
  readonly #listeners = new Map<string, () => void>();
  #rest = '';
  #last = 0;

  constructor(t: Scope, args: readonly string[]) {
    this.#child = spawn(peer('chromium')!.path, args, {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      detached: true, // a group of its own, so that its children can be killed with it
    });
    (this.#child.stdio[4] as Duplex).setEncoding('utf8').on('data', (text: string) => this.#receive(text));
    (this.#child.stdio[3] as Duplex).on('error', () => {});
    const exited = new Promise<void>((resolve) => this.#child.once('close', () => resolve()));
    t.after(async () => {
      if (this.#child.exitCode === null && this.#child.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL');
      await exited;
    });
  }

  async call(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    const id = ++this.#last;
    const answer = new Promise<Message>((resolve) => this.#answers.set(id, resolve));
    (this.#child.stdio[3] as Duplex).write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    const { result, error } = await answer;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }

  /** Resolves at the next event of this name. */
  once(method: string): Promise<void> {
    return new Promise((resolve) => this.#listeners.set(method, resolve));
  }

  #receive(text: string): void {
    const parts = (this.#rest + text).split('\0');
    this.#rest = parts.pop()!;
    for (const part of parts) {
      const message = JSON.parse(part) as Message;
      if (message.id !== undefined) this.#answers.get(message.id)?.(message);
      else this.#listeners.get(message.method!)?.();
    }
  }
}

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
  const spki = new X509Certificate(readFileSync(cert)).publicKey.export({ type: 'spki', format: 'der' });
  const browser = new Browser(t, [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
    ...['--disable-background-networking', '--disable-component-update', '--remote-debugging-pipe'],
    `--user-data-dir=${join((await files()).folder, 'chromium')}`,
    `--ignore-certificate-errors-spki-list=${createHash('sha256').update(spki).digest('base64')}`,
    'about:blank',
  ]);
  const { targetId } = await browser.call('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await browser.call('Target.attachToTarget', { targetId, flatten: true });
  const session = sessionId as string;
  await browser.call('Page.enable', {}, session);

  const load = async (path: string): Promise<string> => {
    const loaded = browser.once('Page.loadEventFired');
    const { errorText } = await browser.call(
      'Page.navigate',
      { url: `https://localhost:${front.port}${path}` },
      session,
    );
    assert.equal(errorText, undefined, program.output);
    await loaded;
    const expression = 'document.body.innerText';
    const { result } = await browser.call('Runtime.evaluate', { expression }, session);
    return (result as { readonly value: string }).value;
  };
  const first = await load('/');
  assert.match(first, /Handshake\s+full/);
  assert.match(first, /Group\s+(X25519MLKEM768|x25519)/);
  front.cut();
  assert.match(await load('/'), /Handshake\s+resumed/, program.output);
  front.cut();
  assert.match(await load('/'), /Handshake\s+resumed/, program.output);
});
