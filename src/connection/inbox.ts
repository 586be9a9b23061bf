import { peerFault } from '../errors/index.ts';
import type { Epoch, Limits, TrafficKeys } from '../handshake/index.ts';
import {
  HandshakeJoiner,
  MAX_PLAINTEXT_LENGTH,
  type PlainRecord,
  RecordDeframer,
  RecordOpener,
} from '../record/index.ts';
import { ContentType, HandshakeType } from '../wire/index.ts';

/** What a record says beside handshake messages, which may lie across several. */
export interface Content {
  readonly is: 'application_data' | 'alert' | 'change_cipher_spec';
  readonly bytes: Uint8Array;
}

/** A whole handshake message. */
export interface Message {
  readonly is: 'handshake';
  readonly type: number;
  readonly body: Uint8Array;
  /** With its header. */
  readonly raw: Uint8Array;
}

/** Content type and the shortest tag: what a record has beside its plaintext. */
const RECORD_OVERHEAD = 17;

/** What the peer has to say, out of the records of the transport, in order. The other side of the outbox. */
export class Inbox {
  readonly #deframer = new RecordDeframer();
  readonly #joiner: HandshakeJoiner;
  #limits: Limits;
  #opener: RecordOpener | undefined;
  #epoch: Epoch = 'initial';
  /** Bytes of refused early data that may still be skipped; `undefined` when none is expected. */
  #skippable: number | undefined;
  #skipPlaintext = false;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#joiner = new HandshakeJoiner((type: number) => this.#longest(type));
  }

  /** From now on. */
  useLimits(limits: Limits): void {
    this.#limits = limits;
  }

  #longest(type: number): number {
    if (type === HandshakeType.client_hello) return this.#limits.clientHelloLength;
    if (type === HandshakeType.certificate || type === HandshakeType.compressed_certificate)
      return this.#limits.certificateLength;
    return this.#limits.handshakeMessageLength;
  }

  /** Under which keys the last records came. */
  get epoch(): Epoch {
    return this.#epoch;
  }

  /** Bytes that were not looked at yet. */
  get buffered(): number {
    return this.#deframer.buffered;
  }

  /** The last message ended its record. */
  get aligned(): boolean {
    return this.#joiner.aligned;
  }

  push(bytes: Uint8Array): void {
    this.#deframer.push(bytes);
  }

  /** `maxPlaintext`: what we said that we take in one record, by record_size_limit. */
  setKeys(epoch: Epoch, keys: TrafficKeys, maxPlaintext: number = MAX_PLAINTEXT_LENGTH): void {
    this.#opener?.wipe();
    this.#opener = new RecordOpener(keys, maxPlaintext);
    this.#deframer.setProtected(true);
    this.#epoch = epoch;
  }

  /** The peer sends early data that was refused: records that do not open, or (after a retry) that are not protected, up to `limit` bytes. */
  skipEarlyData(afterRetry: boolean, limit: number): void {
    this.#skippable = limit;
    this.#skipPlaintext = afterRetry;
  }

  /** The next thing, or `undefined` when more bytes are needed. Throws the peer's fault. */
  next(): Message | Content | undefined {
    for (;;) {
      const message = this.#joiner.next();
      if (message !== undefined) return { is: 'handshake', type: message.type, body: message.body, raw: message.raw };
      const record = this.#deframer.next();
      if (record === undefined) return undefined;
      const content = this.#open(record);
      if (content !== undefined) return content;
    }
  }

  /** `undefined`: handshake bytes, or a record that is skipped. */
  #open(record: PlainRecord): Content | undefined {
    // "If a handshake message is split over two or more records, there MUST NOT be any other records between them."
    const isHandshake = record.type === ContentType.handshake || record.type === ContentType.application_data;
    if (!isHandshake && this.#joiner.pending) throw peerFault('record.interleaved');
    if (record.type === ContentType.change_cipher_spec) return { is: 'change_cipher_spec', bytes: record.fragment };
    if (this.#opener === undefined) return this.#plaintext(record);
    if (record.type !== ContentType.application_data) return this.#unprotected(record, this.#opener);
    return this.#protected(record, this.#opener);
  }

  #plaintext(record: PlainRecord): Content | undefined {
    if (record.type !== ContentType.application_data) {
      if (this.#skipPlaintext) this.#skippable = undefined;
      this.#skipPlaintext = false;
      return this.#content(record.type, record.fragment);
    }
    if (!this.#skipPlaintext) throw peerFault('record.unexpected_type', 'application data before the handshake');
    return this.#skip(record);
  }

  #protected(record: PlainRecord, opener: RecordOpener): Content | undefined {
    const opened = this.#skippable === undefined ? opener.open(record) : opener.tryOpen(record);
    if (opened === undefined) return this.#skip(record);
    this.#skippable = undefined;
    return this.#content(opened.type, opened.content);
  }

  /** A peer that gave up before it had keys sends its alert in the clear; later nobody may. */
  #unprotected(record: PlainRecord, opener: RecordOpener): Content {
    const early = this.#epoch !== 'application' && opener.opened === 0;
    if (record.type !== ContentType.alert || !early) throw peerFault('record.unexpected_type', 'not protected');
    return { is: 'alert', bytes: record.fragment };
  }

  /** Early data that was refused "MUST be skipped", within limits (rfc9846#section-4.3.10). */
  #skip({ fragment, header }: PlainRecord): undefined {
    const { length } = fragment;
    // Without content type and tag, for what a ticket allows is counted in plaintext. What can have no plaintext counts as it is.
    this.#skippable! -= length > RECORD_OVERHEAD ? length - RECORD_OVERHEAD : header.length + length;
    if (this.#skippable! < 0) throw peerFault('early_data.too_much');
  }

  #content(type: number, bytes: Uint8Array): Content | undefined {
    if (type === ContentType.handshake) {
      this.#joiner.push(bytes);
      return undefined;
    }
    if (this.#joiner.pending) throw peerFault('record.interleaved');
    if (type === ContentType.application_data) return { is: 'application_data', bytes };
    if (type === ContentType.alert) return { is: 'alert', bytes };
    throw peerFault('record.unexpected_type', `inner type ${type}`);
  }

  /** Nothing more is read. */
  clear(): void {
    this.#deframer.clear();
  }

  /** Nothing can be opened any more. */
  end(): void {
    this.#opener?.wipe();
    this.#opener = undefined;
    this.#deframer.clear();
  }
}
