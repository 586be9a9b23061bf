import { concat } from '../bytes/index.ts';
import { AlertDescription, type AlertName } from '../errors/index.ts';
import type { CommonConfig, TrafficKeys } from '../handshake/index.ts';
import { MAX_PLAINTEXT_LENGTH, plaintextRecords, RecordProtector } from '../record/index.ts';
import { ContentType, ProtocolVersion } from '../wire/index.ts';

/**
 * What one side has to say, as records for the transport, in order. Handshake messages are gathered, so that those of one flight share
 * records; everything is protected from the moment there are keys.
 */
export class Outbox {
  #padding: CommonConfig['padding'];
  #maxSendFragment: number;
  /** Set by the application: no config replaces it. */
  #ownMaxSendFragment: number | undefined;
  /** "… with the exception of an initial ClientHello, where it MAY also be 0x0301 for compatibility" (rfc9846#section-5.1). */
  #legacyVersion: number;
  #protector: RecordProtector | undefined;
  #peerRecordSizeLimit: number | undefined;
  #flight: Uint8Array[] = [];
  #output: Uint8Array[] = [];

  constructor(config: CommonConfig, role: 'client' | 'server') {
    this.#padding = config.padding;
    this.#maxSendFragment = config.maxSendFragment;
    this.#legacyVersion = role === 'client' ? ProtocolVersion.tls10 : ProtocolVersion.tls12;
  }

  /** Before there are keys. */
  useConfig({ padding, maxSendFragment }: CommonConfig): void {
    this.#padding = padding;
    this.#maxSendFragment = maxSendFragment;
  }

  get maxSendFragment(): number {
    return this.#ownMaxSendFragment ?? this.#maxSendFragment;
  }

  set maxSendFragment(length: number) {
    this.#ownMaxSendFragment = length;
    this.#protector?.setMaxFragment(this.#maxFragment);
  }

  get isEmpty(): boolean {
    return this.#output.length === 0 && this.#flight.length === 0;
  }

  pull(): Uint8Array | undefined {
    this.flush();
    const output = this.#output;
    if (output.length === 0) return undefined;
    this.#output = [];
    return output.length === 1 ? output[0] : concat(...output);
  }

  handshake(message: Uint8Array): void {
    this.#flight.push(message);
  }

  changeCipherSpec(): void {
    this.flush();
    this.#output.push(plaintextRecords(ContentType.change_cipher_spec, Uint8Array.of(1)));
  }

  alert(alert: AlertName): void {
    this.flush();
    const level = alert === 'close_notify' || alert === 'user_canceled' ? 1 : 2;
    const content = Uint8Array.of(level, AlertDescription[alert]);
    this.#output.push(
      this.#protector?.protect(ContentType.alert, content) ?? plaintextRecords(ContentType.alert, content),
    );
  }

  /** Bytes of application data that fit under the present keys; 0 when these must be changed first. */
  get room(): number {
    return this.#protector === undefined ? 0 : this.#protector.room * this.#protector.maxFragment;
  }

  /** Needs keys, and {@link room} for it. */
  data(plaintext: Uint8Array): void {
    this.flush();
    this.#output.push(this.#protector!.protect(ContentType.application_data, plaintext));
  }

  /** Puts the gathered handshake messages into records. */
  flush(): void {
    if (this.#flight.length === 0) return;
    const flight = this.#flight.length === 1 ? this.#flight[0]! : concat(...this.#flight);
    this.#flight = [];
    this.#output.push(
      this.#protector?.protect(ContentType.handshake, flight) ??
        plaintextRecords(ContentType.handshake, flight, this.#maxFragment, this.#legacyVersion),
    );
    this.#legacyVersion = ProtocolVersion.tls12;
  }

  setKeys(keys: TrafficKeys): void {
    this.flush();
    this.#protector?.wipe();
    const padding = this.#padding;
    this.#protector = new RecordProtector(keys, { maxFragment: this.#maxFragment, ...(padding && { padding }) });
  }

  /** Back to the clear: a second ClientHello follows early data that was refused. */
  clearKeys(): void {
    this.flush();
    this.#protector?.wipe();
    this.#protector = undefined;
  }

  /** `limit` counts the content type byte (RFC 8449). */
  setPeerRecordSizeLimit(limit: number): void {
    this.#peerRecordSizeLimit = limit;
    this.#protector?.setMaxFragment(this.#maxFragment);
  }

  get #maxFragment(): number {
    const peers = this.#peerRecordSizeLimit ?? MAX_PLAINTEXT_LENGTH + 1;
    return Math.min(this.maxSendFragment, peers - 1, MAX_PLAINTEXT_LENGTH);
  }

  /** Nothing can be protected any more; what is there can still be pulled. */
  end(): void {
    this.clearKeys();
  }
}
