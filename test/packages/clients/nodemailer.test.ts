import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { createTransport } from 'nodemailer';
import { type ConnectionOptions, connect, type TLSSocket } from '../../../src/node/index.ts';
import { MailServer } from './mail-server.ts';
import { own, RecordingCache, WRONG_CA, wrongCa } from './support.ts';

/** What SMTP says before TLS. */
async function startTls(transport: Duplex): Promise<void> {
  for (const [command, answer] of [
    ['', '220 '],
    ['EHLO client.example\r\n', '250'],
    ['STARTTLS\r\n', '220 '],
  ] as const) {
    if (command !== '') transport.write(command);
    let text = '';
    // The last line of an answer has no hyphen behind its number, and nothing may follow it.
    while (!/^(?:\d{3}-.*\r\n)*\d{3} .*\r\n$/.test(text)) {
      text += String((await once(transport, 'data'))[0]);
      if (text.length > 4_096) throw new Error('the server talks too much');
    }
    if (!text.startsWith(answer)) throw new Error(`the server refused: ${text.trim()}`);
  }
}

for (const mode of ['tls', 'starttls'] as const) {
  test(`nodemailer, ${mode === 'tls' ? 'TLS from the start' : 'STARTTLS'}`, async (t) => {
    const server = new MailServer();
    const port = await server.listen(t, mode);
    const ticketCache = new RecordingCache();
    const sockets: TLSSocket[] = [];
    const transporterOf = (more: ConnectionOptions = {}): ReturnType<typeof createTransport> =>
      createTransport({
        host: 'localhost',
        port,
        secure: true,
        getSocket(_options: unknown, callback: (error: Error | null, socket?: object) => void) {
          const connection = connect({
            host: 'localhost',
            family: 4,
            port,
            ca: own.cert,
            ticketCache,
            ...(mode === 'starttls' && { beforeTls: startTls }),
            ...more,
          });
          sockets.push(connection);
          connection.once('error', callback).once('secureConnect', () => {
            connection.off('error', callback);
            if (mode === 'starttls') connection.unshift(Buffer.from('220 secure now\r\n')); // nodemailer waits to be greeted
            callback(null, { connection, secured: true });
          });
        },
      } as object);
    const transporter = transporterOf();
    const mail = { from: 'a@client.example', to: 'b@mail.example', subject: 'by TLS', text: 'x'.repeat(100_000) };
    const { accepted } = await transporter.sendMail(mail);
    assert.deepEqual(accepted, ['b@mail.example']);
    assert.match(server.mails[0]!, /Subject: by TLS/);
    await transporter.sendMail(mail);
    server.breaks = true;
    await assert.rejects(transporter.sendMail(mail));
    await transporter.sendMail(mail);
    assert.deepEqual(
      sockets.map((socket) => socket.isSessionReused()),
      [false, true, true, false], // node:tls gives two tickets in all
    );
    assert.equal(new Set(ticketCache.taken).size, ticketCache.taken.length);
    await assert.rejects(transporterOf({ ca: wrongCa }).sendMail(mail), WRONG_CA);
  });
}
