import type { Bio } from './bio.ts';

const RECORD_HEADER_LENGTH = 5;
/** The longest record there is: no more is waited for, whatever a header says. */
const MAX_RECORD_BODY = 16_384 + 256;

/** The two BIOs of a connection: takes records out of one, one at a time, and puts bytes into the other as it has room. */
export class Transport {
  rbio: Bio | undefined;
  wbio: Bio | undefined;
  #unsent: Uint8Array[] = [];
  #header: number[] = [];
  #bodyLeft = 0;
  #start = '';

  /** In the middle of a record that arrived in part. */
  get midRecord(): boolean {
    return this.#header.length > 0;
  }

  /** Plain HTTP came in place of TLS: a request, or one to a proxy. */
  get sawHttp(): 'request' | 'proxy request' | undefined {
    if (/^(?:GET |POST|HEAD|PUT )/.test(this.#start)) return 'request';
    return this.#start === 'CONNE' ? 'proxy request' : undefined;
  }

  send(bytes: Uint8Array | undefined): void {
    if (bytes !== undefined && bytes.length > 0) this.#unsent.push(bytes);
  }

  /** Forgets what could not be sent. */
  discard(): void {
    this.#unsent = [];
  }

  /** Ready for another connection over the same BIOs. */
  reset(): void {
    this.#unsent = [];
    this.#header = [];
    this.#bodyLeft = 0;
    this.#start = '';
  }

  flush(): 'done' | 'blocked' | 'broken' {
    while (this.#unsent.length > 0) {
      const bytes = this.#unsent[0]!;
      const written = this.wbio?.write(bytes) ?? -1;
      if (written === bytes.length) this.#unsent.shift();
      else if (written > 0) this.#unsent[0] = bytes.subarray(written);
      else return this.wbio?.retry === undefined ? 'broken' : 'blocked';
    }
    return 'done';
  }

  /** Reads up to the end of one record and gives it to `sink`, which says whether to go on. */
  readRecord(sink: (bytes: Uint8Array) => boolean): 'record' | 'blocked' | 'end' | 'broken' {
    for (;;) {
      const inHeader = this.#header.length < RECORD_HEADER_LENGTH;
      const wanted = inHeader ? RECORD_HEADER_LENGTH - this.#header.length : this.#bodyLeft;
      if (wanted > 0) {
        const into = new Uint8Array(wanted);
        const count = this.rbio?.read(into) ?? -1;
        if (count <= 0) {
          if (this.rbio?.retry !== undefined) return 'blocked';
          return this.rbio?.eof ? 'end' : 'broken';
        }
        const bytes = into.subarray(0, count);
        if (inHeader) this.#onHeader(bytes);
        else this.#bodyLeft -= count;
        if (!sink(bytes)) return 'record';
      }
      if (this.#header.length === RECORD_HEADER_LENGTH && this.#bodyLeft === 0) {
        this.#header = [];
        return 'record';
      }
    }
  }

  #onHeader(bytes: Uint8Array): void {
    this.#header.push(...bytes);
    if (this.#start.length < RECORD_HEADER_LENGTH) this.#start += Buffer.from(bytes).toString('latin1');
    if (this.#header.length === RECORD_HEADER_LENGTH) {
      this.#bodyLeft = Math.min((this.#header[3]! << 8) | this.#header[4]!, MAX_RECORD_BODY);
    }
  }
}
