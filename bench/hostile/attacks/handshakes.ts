import { concat } from '../../../src/bytes/index.ts';
import { plaintextRecords } from '../../../src/record/index.ts';
import { ContentType, encodeHandshakeMessage } from '../../../src/wire/index.ts';
import type { Attack } from '../attack.ts';
import { hello, helloBytes } from '../hello.ts';
import { Liar } from '../liar.ts';

/** Handshakes that lead to nothing. */
export const attacks: readonly Attack[] = [
  {
    name: 'half handshakes',
    side: 'server',
    counted: 'time since the connection began',
    limit: 'handshakeTimeout (here 1 s)',
    fault: 'ERR_TLS_HANDSHAKE_TIMEOUT',
    parallel: 300,
    victim: { handshakeTimeout: 1_000 },
    async run(peer) {
      if (await peer.write(helloBytes())) await peer.hold();
    },
  },
  {
    name: 'half handshakes, more than there may be',
    side: 'server',
    counted: 'handshakes that are not done; the oldest goes',
    limit: 'maxHandshakes, 10,000 (here 100)',
    fault: 'ERR_TESSERA_TOO_MANY_HANDSHAKES',
    parallel: 300,
    victim: { maxHandshakes: 100 },
    async run(peer) {
      if (await peer.write(helloBytes())) await peer.hold();
    },
  },
  {
    name: 'half handshakes of TLS 1.2',
    side: 'server',
    counted: 'time since the connection began',
    limit: 'handshakeTimeout (here 1 s), in node:tls too',
    fault: 'ERR_TLS_HANDSHAKE_TIMEOUT',
    parallel: 300,
    victim: { handshakeTimeout: 1_000 },
    async run(peer) {
      if (await peer.write(oldHello())) await peer.hold();
    },
  },
  {
    name: 'a ClientHello of 64 KB that is announced only',
    side: 'server',
    counted: 'bytes that came',
    limit: 'handshakeTimeout (here 1 s)',
    fault: 'ERR_TLS_HANDSHAKE_TIMEOUT',
    parallel: 300,
    victim: { handshakeTimeout: 1_000, legacy: false },
    async run(peer) {
      const announced = plaintextRecords(ContentType.handshake, Uint8Array.of(1, 0, 0xff, 0xff, 3, 3));
      if (await peer.write(announced)) await peer.hold();
    },
  },
  {
    name: 'half handshakes, ServerHello never comes',
    side: 'client',
    counted: 'time since the connection began',
    limit: 'handshakeTimeout (here 1 s)',
    fault: 'ERR_TLS_HANDSHAKE_TIMEOUT',
    parallel: 100,
    victim: { handshakeTimeout: 1_000 },
    async run(peer) {
      await peer.hold();
    },
  },
  {
    name: 'the same hello after HelloRetryRequest',
    side: 'server',
    counted: 'HelloRetryRequests: one',
    limit: 'the RFC',
    fault: 'client_hello.changed_after_retry',
    async run(peer) {
      const without = helloBytes({ keyShare: [] });
      if (!(await peer.write(without))) return;
      await peer.read();
      while (await peer.write(without)) await peer.read();
    },
  },
  {
    name: 'HelloRetryRequest in a loop',
    side: 'client',
    counted: 'HelloRetryRequests: one',
    limit: 'the RFC',
    fault: 'record.not_aligned',
    async run(peer) {
      let hellos = 0;
      await Liar.handshake(peer, {
        role: 'server',
        groups: ['secp384r1'],
        change: (message) => {
          if (message.type !== 'hello_retry_request') return message;
          hellos++;
          return [message, message, message];
        },
      });
      peer.damage.sent += hellos * 3;
      await peer.hold();
    },
  },
  {
    name: 'alerts in the clear, before anything else',
    side: 'server',
    counted: 'warning alerts on a connection',
    limit: 'limits.warningAlerts, 4',
    fault: 'alert.too_many_warnings',
    async run(peer) {
      const warning = plaintextRecords(ContentType.alert, Uint8Array.of(1, 90));
      const many = concat(...Array<Uint8Array>(64).fill(warning));
      while (await peer.write(many, 64));
      await peer.hold();
    },
  },
  {
    name: 'change_cipher_spec in a loop',
    side: 'server',
    counted: 'empty records in a row',
    limit: 'limits.emptyRecordsInARow, 32',
    fault: 'record.too_many_empty',
    async run(peer) {
      if (!(await peer.write(helloBytes()))) return;
      const many = concat(
        ...Array<Uint8Array>(64).fill(plaintextRecords(ContentType.change_cipher_spec, Uint8Array.of(1))),
      );
      while (await peer.write(many, 64));
      await peer.hold();
    },
  },
  {
    name: '16 MiB of early data, rejected',
    side: 'server',
    counted: 'bytes that are skipped',
    limit: 'limits.skippedEarlyDataLength, 20,480',
    fault: 'early_data.too_much',
    async run(peer) {
      if (await peer.write(earlyHello())) await sendEarlyData(peer);
    },
  },
  {
    name: '16 MiB of early data, rejected, where tickets allow as much',
    side: 'server',
    counted: 'bytes that are skipped',
    limit: 'earlyData.maxSize (here 16 MiB)',
    fault: 'early_data.too_much',
    parallel: 2,
    victim: { earlyDataSize: 16 * 1_048_576 },
    async run(peer) {
      if (await peer.write(earlyHello())) await sendEarlyData(peer);
    },
  },
  {
    name: '16 MiB of early data, and a HelloRetryRequest',
    side: 'server',
    counted: 'bytes that are skipped',
    limit: 'limits.skippedEarlyDataLength, 20,480',
    fault: 'early_data.too_much',
    async run(peer) {
      if (await peer.write(earlyHello({ keyShare: [] }))) await sendEarlyData(peer);
    },
  },
  ...(['server', 'client'] as const).map(
    (side): Attack => ({
      name: `a message of 16 MiB is announced to a ${side}`,
      side,
      counted: 'length in the header of the message',
      limit: 'limits.handshakeMessageLength, 66,560, or that of the type',
      fault: 'handshake.too_long',
      async run(peer) {
        const type = side === 'server' ? 1 : 2;
        const announced = plaintextRecords(ContentType.handshake, Uint8Array.of(type, 0xff, 0xff, 0xff));
        const more = plaintextRecords(ContentType.handshake, new Uint8Array(16_384));
        if (!(await peer.write(announced))) return;
        while (await peer.write(more));
        await peer.hold();
      },
    }),
  ),
  {
    name: 'a ClientHello in records of 1 byte',
    side: 'server',
    counted: 'bytes of the message',
    limit: 'limits.clientHelloLength, 65,536',
    async run(peer) {
      const padded = helloBytes({}, [{ type: 21, data: new Uint8Array(60_000) }]);
      const fragments = [...withoutRecords(padded)].map((byte) =>
        plaintextRecords(ContentType.handshake, Uint8Array.of(byte)),
      );
      for (let at = 0; at < fragments.length; at += 1_000) {
        const piece = fragments.slice(at, at + 1_000);
        if (!(await peer.write(concat(...piece), piece.length))) return;
      }
      await peer.read();
    },
  },
  {
    name: 'Finished again and again',
    side: 'server',
    counted: 'nothing: the first one is refused',
    limit: 'the RFC',
    fault: 'handshake.unexpected_message',
    async run(peer) {
      const liar = await Liar.handshake(peer, { role: 'client' });
      const finished = encodeHandshakeMessage({ type: 'finished', verifyData: new Uint8Array(32) });
      while (await liar?.send(ContentType.handshake, finished));
      await peer.hold();
    },
  },
];

function withoutRecords(records: Uint8Array): Uint8Array {
  const fragments: Uint8Array[] = [];
  for (let at = 0; at < records.length; ) {
    const length = (records[at + 3]! << 8) | records[at + 4]!;
    fragments.push(records.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  return concat(...fragments);
}

/** Of a client that has not heard of TLS 1.3. */
function oldHello(): Uint8Array {
  const { supportedVersions: _, keyShare: __, pskKeyExchangeModes: ___, ...extensions } = hello().extensions;
  return plaintextRecords(
    ContentType.handshake,
    encodeHandshakeMessage({ ...hello(), cipherSuites: [0xc02b, 0xc02f], extensions }),
  );
}

/** With a ticket that nobody knows. */
function earlyHello(extensions: Parameters<typeof helloBytes>[0] = {}): Uint8Array {
  return helloBytes({
    ...extensions,
    earlyData: true,
    preSharedKey: {
      identities: [{ identity: new Uint8Array(200).fill(7), obfuscatedTicketAge: 0 }],
      binders: [new Uint8Array(32)],
    },
  });
}

async function sendEarlyData(peer: Parameters<Attack['run']>[0]): Promise<void> {
  const record = concat(Uint8Array.of(ContentType.application_data, 3, 3, 0x40, 0x11), new Uint8Array(16_401).fill(9));
  for (let sent = 0; sent <= 16 * 1_048_576 + 65_536; sent += record.length) if (!(await peer.write(record))) break;
  await peer.hold();
}
