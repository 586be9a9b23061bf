/** No mail server of a distribution is as simple to start as this. */
import { createServer as createTcpServer } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TestContext } from 'node:test';
import { createSecureContext, TLSSocket as NodeTLSSocket } from 'node:tls';
import { listening, own } from './support.ts';

/** Takes every mail, by TLS from the start or after STARTTLS, on node:tls. */
export class MailServer {
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
