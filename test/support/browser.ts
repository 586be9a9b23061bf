/** A page in headless Chromium, for tests that need a browser. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { peer } from './peers.ts';
import type { Scope } from './process.ts';

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

export interface Page {
  /** Resolves when `url` is loaded: `undefined`, or what went wrong. */
  load(url: string): Promise<string | undefined>;
  /** The value of a JavaScript expression, awaited, in the page. */
  evaluate(expression: string): Promise<unknown>;
}

/** Opens a page that trusts the certificate (PEM, or the file it is in), in a browser that is closed when the test ends. */
export async function openPage(t: Scope, certificate: string): Promise<Page> {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-chromium-'));
  t.after(async () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const pem = certificate.includes('-----BEGIN') ? certificate : readFileSync(certificate);
  const spki = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
  const browser = new Browser(t, [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
    ...['--disable-background-networking', '--disable-component-update', '--remote-debugging-pipe'],
    `--user-data-dir=${folder}`,
    `--ignore-certificate-errors-spki-list=${createHash('sha256').update(spki).digest('base64')}`,
    'about:blank',
  ]);
  const { targetId } = await browser.call('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await browser.call('Target.attachToTarget', { targetId, flatten: true });
  const session = sessionId as string;
  await browser.call('Page.enable', {}, session);
  return {
    async load(url) {
      const loaded = browser.once('Page.loadEventFired');
      const { errorText } = await browser.call('Page.navigate', { url }, session);
      if (errorText !== undefined) return String(errorText);
      await loaded;
      return undefined;
    },
    async evaluate(expression) {
      const wanted = { expression, awaitPromise: true, returnByValue: true };
      const { result, exceptionDetails } = await browser.call('Runtime.evaluate', wanted, session);
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      return (result as { readonly value: unknown }).value;
    },
  };
}
