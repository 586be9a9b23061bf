import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { equal, toHex } from '../../src/bytes/index.ts';
import {
  type ClientTicket,
  type ConnectionInfo,
  createClientEngine,
  createServerEngine,
  type EarlyDataDecline,
  NamedGroup,
  TlsAlertError,
} from '../../src/index.ts';
import { clientConfig, judge, type Memory, psksOf, type Seen, serverConfig } from './configs.ts';
import { Connection, dial } from './connection.ts';
import type { Flags, Phases } from './flags.ts';

/** The test's expectation is not what happened. */
export class Unexpected extends Error {}

function expect(condition: boolean, otherwise: string): void {
  if (!condition) throw new Unexpected(otherwise);
}

/** One connection of a test: the handshake, what is expected of it, and the exchange of data. */
export class Exchange {
  readonly #memory: Memory;
  readonly #isResumption: boolean;
  readonly #retryFlags: Flags;
  #flags: Flags;
  readonly #seen: Seen = { keyLog: [] };
  readonly #tickets: ClientTicket[] = [];
  #connection!: Connection;
  #info: ConnectionInfo | undefined;
  #peerEnded = false;
  #ageSkew = 0;
  /** What became of early data, once it is known. */
  #early: { readonly accepted: boolean; readonly reason: EarlyDataDecline | undefined } | undefined;
  #isRetry = false;
  #offeredEarly = false;

  constructor(phases: Phases, index: number, memory: Memory) {
    this.#memory = memory;
    this.#isResumption = index > 0;
    this.#flags = index > 0 ? phases.resume : phases.initial;
    this.#retryFlags = phases.retry;
  }

  /** The newest ticket, for the next connection. */
  async run(ticket: ClientTicket | undefined): Promise<ClientTicket | undefined> {
    const flags = this.#flags;
    const isServer = flags.has('server');
    const make = (onProgress: () => void) => {
      const engine = isServer
        ? createServerEngine(serverConfig(flags, this.#memory, this.#seen), { onProgress })
        : createClientEngine(clientConfig(flags, this.#memory, this.#seen), {
            onProgress,
            serverName: flags.text('host-name') ?? 'test',
            sendServerName: flags.has('host-name'),
            tickets: ticket === undefined || flags.has('no-ticket') ? [] : [withoutGroup(ticket)],
            psks: psksOf(flags),
            earlyData: flags.has('enable-early-data'),
          });
      // At once, for the certificate that may follow in the same flight is judged as the test wants it from then on.
      engine.onEvent = (event) => {
        if (event.type === 'early_data_status' && !event.accepted) this.#seen.flags = this.#retryFlags;
      };
      return engine;
    };
    const socket = await dial(flags.number('port')!, flags.has('ipv6'), BigInt(flags.text('shim-id') ?? '0'));
    const connection = new Connection(socket, make, {
      pieces: flags.has('async') ? 1 : Number.POSITIVE_INFINITY,
      endIsError: () => connection.engine.info === undefined || this.#flags.has('check-close-notify'),
    });
    this.#connection = connection;
    try {
      this.#offeredEarly = !isServer && connection.engine.earlyDataRoom > 0;
      if (this.#offeredEarly) {
        expect(!flags.has('expect-no-offer-early-data'), 'early data was offered');
        const after = flags.number('early-write-after-message');
        if (after !== undefined) await connection.untilMessage(after);
      } else {
        await this.#handshake();
      }
      await this.#exchange();
      if (!isServer) this.#checkTicket();
      await this.#end();
    } finally {
      await connection.shut();
    }
    return this.#tickets.at(-1) ?? (this.#offeredEarly ? undefined : ticket);
  }

  /** Server: until early data was accepted, too. */
  async #handshake(): Promise<void> {
    while (this.#info === undefined && !(this.#early?.accepted && this.#flags.has('server'))) await this.#later();
  }

  /** The next data, or that there is no more. Everything else is noted down. */
  async #step(): Promise<Uint8Array | 'end' | undefined> {
    const event = await this.#connection.next();
    switch (event.type) {
      case 'data':
      case 'early_data':
        return event.bytes;
      case 'end':
      case 'eof':
        this.#peerEnded = true;
        return 'end';
      case 'ticket':
        this.#tickets.push(event.ticket);
        return undefined;
      case 'ticket_redeemed':
        this.#ageSkew = Math.trunc((event.claimedAgeMs - event.ageMs) / 1_000);
        return undefined;
      case 'early_data_status':
        this.#early = event;
        if (this.#offeredEarly && !event.accepted) this.#rejected();
        return undefined;
      case 'secure':
        this.#info = event.info;
        await this.#verifyAgain(event.info);
        this.#check(event.info);
        return undefined;
      default:
        return undefined;
    }
  }

  /** `-reverify-on-resume`, where what is wanted has changed on the way. */
  async #verifyAgain({ resumed, peer }: ConnectionInfo): Promise<void> {
    if (!resumed || !this.#isRetry || !this.#flags.has('reverify-on-resume')) return;
    const verdict = judge({ chain: peer.chain, role: 'server', now: this.#memory.clock.now() }, this.#flags);
    if (verdict.trusted) return;
    this.#connection.engine.abort(verdict.alert);
    throw new TlsAlertError('certificate.not_trusted', verdict.alert, verdict.message);
  }

  /** Client: what was written early is lost, and the connection goes on as the test wants it then. */
  #rejected(): void {
    expect(this.#flags.has('expect-reject-early-data'), 'early data was rejected');
    this.#flags = this.#retryFlags;
    this.#isRetry = true;
  }

  async #exchange(): Promise<void> {
    const flags = this.#flags;
    const { engine } = this.#connection;
    const length = flags.number('export-keying-material');
    if (length !== undefined) {
      const context = flags.has('use-export-context') ? Buffer.from(flags.text('export-context') ?? '') : undefined;
      const label = flags.text('export-label') ?? '';
      this.#write(engine.exportKeyingMaterial(length, label, context));
    }
    if (flags.has('export-traffic-secrets')) this.#writeTrafficSecrets();
    if (flags.has('send-alert')) {
      engine.abort('decompression_failure');
      return;
    }
    const first = Buffer.from(flags.text('shim-initial-write') ?? 'hello');
    const isUnfinished = flags.has('read-with-unfinished-write');
    if (isUnfinished) {
      engine.write(first);
      this.#connection.hold();
    } else if (flags.has('shim-writes-first')) {
      for (let i = 0; i < (flags.number('repeat-shim-initial-write') ?? 1); i++) {
        if (!(await this.#writeFirst(first))) break;
      }
    }
    if (!flags.has('shim-shuts-down')) await this.#echo();
  }

  async #echo(): Promise<void> {
    const size = this.#flags.number('read-size') ?? 512;
    for (;;) {
      const data = await this.#step();
      if (data === 'end') return;
      if (data === undefined) continue;
      if (this.#offeredEarly && !this.#isRetry)
        expect(!this.#flags.has('expect-reject-early-data'), 'data came in place of a rejection of early data');
      this.#connection.release();
      for (let at = 0; at < data.length; at += size) {
        if (this.#flags.has('key-update')) this.#connection.engine.updateKeys(false);
        this.#write(data.subarray(at, at + size).map((byte) => byte ^ 0xff));
      }
    }
  }

  #write(bytes: Uint8Array): void {
    this.#connection.engine.write(bytes);
    this.#connection.flush();
  }

  /** The first write goes out early as far as there is room, and the rest after the handshake. False: it was for early data that was rejected. */
  async #writeFirst(bytes: Uint8Array): Promise<boolean> {
    const { engine } = this.#connection;
    if (!this.#offeredEarly) {
      this.#write(bytes);
      return true;
    }
    if (this.#isRetry) return false;
    const room = this.#info === undefined ? Math.min(engine.earlyDataRoom, bytes.length) : 0;
    if (room > 0) this.#write(bytes.subarray(0, room));
    if (room === bytes.length) return true;
    while (this.#info === undefined) await this.#later();
    if (this.#isRetry) return false;
    this.#write(bytes.subarray(room));
    return true;
  }

  /** A step of which data is kept for later. */
  async #later(): Promise<void> {
    const data = await this.#step();
    if (data instanceof Uint8Array) throw new Unexpected('data before the handshake was done');
    if (data === 'end') throw new Unexpected('the end before the handshake was done');
  }

  #writeTrafficSecrets(): void {
    const secretOf = (label: string): Buffer => {
      const line = this.#seen.keyLog.find((one) => one.startsWith(`${label}_TRAFFIC_SECRET_0 `));
      return Buffer.from(line?.split(' ')[2] ?? '', 'hex');
    };
    const [client, server] = [secretOf('CLIENT'), secretOf('SERVER')];
    const length = Buffer.alloc(2);
    length.writeUInt16LE(client.length);
    const order = this.#flags.has('server') ? [client, server] : [server, client];
    this.#write(Buffer.concat([length, ...order]));
  }

  async #end(): Promise<void> {
    const { engine } = this.#connection;
    if (!this.#flags.has('check-close-notify')) return;
    engine.close();
    this.#connection.flush();
    while (!this.#peerEnded) {
      const data = await this.#step();
      if (data instanceof Uint8Array) throw new Unexpected('data after the shutdown');
    }
  }

  #checkTicket(): void {
    const flags = this.#flags;
    const newest = this.#tickets.at(-1);
    if (flags.has('send-alert')) return;
    const wanted = !flags.has('expect-no-session') && !flags.has('shim-shuts-down');
    expect((newest !== undefined) === wanted, newest === undefined ? 'no ticket came' : 'a ticket came');
    if (newest === undefined) return;
    const early = newest.maxEarlyDataSize > 0;
    expect(early === flags.has('expect-ticket-supports-early-data'), `the ticket allows early data: ${early}`);
  }

  /** The place in the test's list of what this side authenticated with. */
  #credential(info: ConnectionInfo): number | undefined {
    const { pskIdentity } = info;
    if (pskIdentity === undefined) return this.#seen.signedWith;
    return this.#flags.credentials.findIndex((one) => {
      const identity = one.base64('psk-importer-identity');
      return identity !== undefined && equal(identity, pskIdentity);
    });
  }

  /** What must hold after the handshake. */
  #check(info: ConnectionInfo): void {
    const flags = this.#flags;
    const isServer = flags.has('server');
    const equals = (what: string, found: unknown, wanted: unknown): void =>
      expect(found === wanted, `${what} is ${found}, expected ${wanted}`);
    const expected = (flag: Parameters<Flags['number']>[0], what: string, found: unknown): void => {
      if (flags.has(flag)) equals(what, found, flags.number(flag));
    };
    equals('resumed', info.resumed, this.#isResumption && !flags.has('expect-session-miss'));
    expected('expect-version', 'version', 0x0304);
    expected('expect-curve-id', 'group', NamedGroup[info.group as keyof typeof NamedGroup]);
    expected('expect-cipher', 'cipher suite', info.cipherSuite);
    expected('expect-cipher-aes', 'cipher suite', info.cipherSuite);
    // Of this handshake: a resumption has no signature.
    if (!info.resumed) expected('expect-peer-signature-algorithm', 'signature scheme', info.peerSignatureScheme);
    if (info.resumed) expected('expect-ticket-age-skew', 'ticket age skew', this.#ageSkew);
    expected('expect-selected-credential', 'credential', this.#credential(info));
    if (flags.has('expect-hrr')) equals('retried', info.helloRetried, true);
    if (flags.has('expect-no-hrr')) equals('retried', info.helloRetried, false);
    const alpn = (isServer ? flags.text('select-alpn') : flags.text('expect-alpn')) || undefined;
    equals('protocol', info.alpn, alpn);
    if (flags.has('expect-advertised-alpn')) {
      const names = (this.#seen.hello?.alpn ?? []).map((name) => String.fromCharCode(name.length) + name).join('');
      equals('protocols offered', names, flags.text('expect-advertised-alpn'));
    }
    if (flags.has('expect-server-name')) equals('server name', info.serverName, flags.text('expect-server-name'));
    const verifyPrefs = flags.numbers('expect-peer-verify-pref');
    if (verifyPrefs)
      equals(
        'signature schemes',
        String((isServer ? this.#seen.hello : this.#seen.request)?.signatureSchemes),
        String(verifyPrefs),
      );
    if (flags.has('expect-no-peer-cert')) equals('certificates', info.peer.chain.length, 0);
    else if (info.pskIdentity === undefined && (!isServer || flags.has('require-any-client-certificate')))
      expect(info.peer.chain.length > 0, 'the peer has no certificate');
    const chain = flags.text('expect-peer-cert-file');
    if (chain) equals('chain', chainText(info.peer.chain), chainText(pemChain(chain)));
    const authorities = flags.text('expect-client-ca-list');
    if (authorities)
      equals(
        'authorities',
        (this.#seen.request?.certificateAuthorities ?? []).map(toHex).join(','),
        authorities.replace(/^<.*>$/, ''),
      );
    const staple = flags.base64('expect-ocsp-response');
    if (staple && !info.resumed)
      expect(info.ocspResponse !== undefined && equal(info.ocspResponse, staple), 'another OCSP response');
    if (flags.has('expect-verify-result') && !this.#isResumption)
      equals(
        'authorized',
        info.peer.authorized || info.peer.chain.length === 0,
        !flags.has('verify-fail') || info.peer.chain.length === 0,
      );
    if (flags.has('expect-accept-early-data')) equals('early data accepted', this.#early?.accepted, true);
    if (flags.has('expect-reject-early-data')) equals('early data accepted', this.#early?.accepted ?? false, false);
  }
}

/** With it the client would send a share of the group that the server took last time, and the runner could not ask for another one again. */
function withoutGroup({ group: _taken, ...ticket }: ClientTicket): ClientTicket {
  return ticket;
}

function pemChain(path: string): Uint8Array[] {
  const blocks = readFileSync(path, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((pem) => new Uint8Array(new X509Certificate(pem).raw));
}

function chainText(chain: readonly Uint8Array[]): string {
  return chain.map((der) => toHex(der)).join(' ');
}
