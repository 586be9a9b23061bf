import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { ClientTicketCache } from '../tickets/index.ts';
import { decodeHandshakeMessage } from '../wire/index.ts';
import { type ConnectionOptions, connect } from './connect.ts';

/** What the ClientHello of a connection asks for. */
function asked(options: Partial<ConnectionOptions>): Promise<unknown> {
  return new Promise((resolve) => {
    const socket = new Duplex({
      read() {},
      write(bytes: Buffer, _encoding, done) {
        const message = decodeHandshakeMessage(bytes[5]!, new Uint8Array(bytes.subarray(9)));
        resolve(message.type === 'client_hello' ? message.extensions.ticketRequest : 'not a ClientHello');
        done();
      },
    });
    const connection = connect({ servername: 'localhost', groups: ['x25519'], ...options, socket });
    connection.on('error', () => {});
  });
}

test('a client with a cache asks for what it lacks, one without says nothing', async () => {
  const anew = { newSessionCount: 2, resumptionCount: 0 };
  assert.equal(await asked({}), undefined);
  assert.equal(await asked({ ticketRequest: 'auto' }), undefined);
  assert.deepEqual(await asked({ ticketCache: new ClientTicketCache() }), anew);
  assert.equal(await asked({ ticketCache: new ClientTicketCache(), ticketRequest: false }), undefined);
  const chosen = { newSessionCount: 7, resumptionCount: 0 };
  assert.deepEqual(await asked({ ticketRequest: chosen }), chosen);
});
