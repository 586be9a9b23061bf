import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createTcpServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { createSecureContext, TLSSocket as NodeTLSSocket } from 'node:tls';
import { createTransport } from 'nodemailer';
import { type ConnectionOptions, connect, type TLSSocket } from '../../../src/node/index.ts';
import { listening, own, RecordingCache, WRONG_CA, wrongCa } from './support.ts';

/** Takes every mail, by TLS from the start or after STARTTLS, and says QUIT when it is told so. */
class MailServer {
  readonly mails: string[] = [];
  /** Break the connection off when the next mail comes. */
  breaks = false;

  /** Answers line by line, from the greeting on or after it. */
  talk(stream: Duplex, greets: boolean, startTls?: (stream: Duplex) => void): void {
    let text = '';
    let mail: string | undefined;
    const say = (line: string): void => void stream.write(`${line}\r\n`);
    const hear = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      for (let end = text.indexOf('\r\n'); end !== -1; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (mail !== undefined) {
          if (line !== '.') {
            mail += `${line}\n`;
            continue;
          }
          this.mails.push(mail);
          mail = undefined;
          say('250 taken');
        } else if (line.startsWith('EHLO')) {
          stream.write(`250-mail.example\r\n${startTls === undefined ? '' : '250-STARTTLS\r\n'}250 8BITMIME\r\n`);
        } else if (line === 'STARTTLS' && startTls !== undefined) {
          stream.off('data', hear);
          stream.write('220 go ahead\r\n', () => startTls(stream));
        } else if (line === 'DATA') {
          mail = '';
          say('354 send it');
        } else if (line.startsWith('MAIL') && this.breaks) {
          this.breaks = false;
          stream.destroy();
        } else if (line === 'QUIT') {
          stream.end('221 bye\r\n');
        } else {
          say('250 OK');
        }
      }
    };
    stream.on('error', () => {}).on('data', hear);
    if (greets) say('220 mail.example ESMTP');
  }

  async listen(t: TestContext, mode: 'tls' | 'starttls'): Promise<number> {
    const secure = (stream: Duplex, greets: boolean): void =>
      this.talk(new NodeTLSSocket(stream as never, { isServer: true, ...own, secureContext: context }), greets);
    const context = createSecureContext(own);
    const server = createTcpServer((socket) => {
      socket.on('error', () => {});
      if (mode === 'tls') secure(socket, true);
      else this.talk(socket, true, (stream) => secure(stream, false));
    });
    return await listening(t, server);
  }
}

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
