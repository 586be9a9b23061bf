import * as c from './constants.ts';
import type { ClientHelloCallback } from './context.ts';
import { type ClientHello, HelloGate } from './hello-gate.ts';
import { SSL_REASON } from './reasons.ts';
import type { SSL } from './types.ts';

/** What is needed of the connection to ask for it. */
interface Asker extends SSL {
  readonly ctx: { readonly clientHello: ClientHelloCallback | null };
  readonly settings: { readonly certCallback: ((ssl: SSL) => number) | null };
  callBack<T>(run: () => T): T | undefined;
  failLater(reason: number): void;
}

/** Questions to the program that may be answered "ask again": about the ClientHello, and for a certificate. */
export class Questions {
  readonly #ssl: Asker;
  /** Inside the ClientHello callback. */
  hello: ClientHello | undefined;
  #gate: HelloGate | undefined;
  #certificate: { asked: boolean; readonly resolve: () => void } | undefined;

  constructor(ssl: Asker) {
    this.#ssl = ssl;
  }

  /** Holds back what comes until the program has seen the ClientHello. */
  watchForHello(): void {
    this.#gate = new HelloGate();
  }

  /** Whether `bytes` are held back, and not for the engine now. */
  hold(bytes: Uint8Array): boolean {
    this.#gate?.push(bytes);
    return this.#gate !== undefined;
  }

  /** The certificate callback has said "ask again". */
  waitForCertificate(): Promise<undefined> {
    return new Promise((resolve) => {
      this.#certificate = { asked: true, resolve: () => resolve(undefined) };
    });
  }

  /** Asks what there is to ask. What the connection has to wait for (SSL_CLIENT_HELLO_CB, SSL_X509_LOOKUP), and what is for the engine. */
  ask(): { readonly want?: number; readonly input?: Iterable<Uint8Array> } {
    if (this.#certificate !== undefined) {
      this.#askForCertificate(this.#certificate);
      return { want: c.SSL_X509_LOOKUP };
    }
    const gate = this.#gate;
    const hello = gate?.look();
    if (gate === undefined || hello === 'more') return {};
    const answer = hello === undefined ? c.SSL_CLIENT_HELLO_SUCCESS : this.#askAboutHello(hello);
    if (answer < 0) return { want: c.SSL_CLIENT_HELLO_CB };
    this.#gate = undefined;
    return { input: gate.release() };
  }

  #askAboutHello(hello: ClientHello): number {
    const { clientHello } = this.#ssl.ctx;
    if (clientHello === null) return c.SSL_CLIENT_HELLO_SUCCESS;
    this.hello = hello;
    const answer = this.#ssl.callBack(() => clientHello(this.#ssl)) ?? c.SSL_CLIENT_HELLO_ERROR;
    this.hello = undefined;
    if (answer === c.SSL_CLIENT_HELLO_ERROR) this.#ssl.failLater(SSL_REASON.CALLBACK_FAILED);
    return answer;
  }

  /** The engine hears of a good answer after this call of the program, for it waits for a promise. */
  #askForCertificate(waiting: { asked: boolean; readonly resolve: () => void }): void {
    const { certCallback } = this.#ssl.settings;
    if (waiting.asked) {
      waiting.asked = false;
      return;
    }
    const answer = certCallback === null ? 1 : (this.#ssl.callBack(() => certCallback(this.#ssl)) ?? 0);
    if (answer < 0) return;
    this.#certificate = undefined;
    if (answer > 0) waiting.resolve();
    else this.#ssl.failLater(SSL_REASON.CERT_CB_ERROR);
  }
}
