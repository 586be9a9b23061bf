/** One end is the system's libssl, the other is ours: each understands the other's tickets, as many as were asked for. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as ours from '../../../src/openssl/index.ts';
import { loadLibssl } from './libssl.ts';
import { type Api, type Ctx, must, type Session, type Ssl, serverContext } from './scenario.ts';

/** A connection whose bytes the test carries. */
class End {
  readonly api: Api;
  readonly ssl: Ssl;
  readonly #in: ours.BIO;
  readonly #out: ours.BIO;

  constructor(api: Api, ctx: Ctx, isServer: boolean) {
    this.api = api;
    this.ssl = must(api.SSL_new(ctx));
    this.#in = must(api.BIO_new(api.BIO_s_mem()));
    this.#out = must(api.BIO_new(api.BIO_s_mem()));
    api.SSL_set_bio(this.ssl, this.#in, this.#out);
    if (isServer) api.SSL_set_accept_state(this.ssl);
    else api.SSL_set_connect_state(this.ssl);
  }

  step(): number {
    this.api.ERR_clear_error();
    return this.api.SSL_do_handshake(this.ssl);
  }

  read(): string {
    const into = Buffer.alloc(1_000);
    return into.subarray(0, Math.max(0, this.api.SSL_read(this.ssl, into))).toString();
  }

  carryTo(other: End): void {
    const wire = Buffer.alloc(Number(this.api.BIO_ctrl_pending(this.#out)));
    if (wire.length > 0) this.api.BIO_read(this.#out, wire);
    if (wire.length > 0) other.api.BIO_write(other.#in, wire);
  }
}

class Meeting {
  readonly serverApi: Api;
  readonly clientApi: Api;
  readonly serverCtx: Ctx;
  readonly clientCtx: Ctx;
  readonly sessions: Session[] = [];

  constructor(serverApi: Api, clientApi: Api) {
    this.serverApi = serverApi;
    this.clientApi = clientApi;
    this.serverCtx = serverContext(serverApi);
    this.clientCtx = must(clientApi.SSL_CTX_new(clientApi.TLS_client_method()));
    clientApi.SSL_CTX_set_session_cache_mode(
      this.clientCtx,
      ours.SSL_SESS_CACHE_CLIENT | ours.SSL_SESS_CACHE_NO_INTERNAL,
    );
    clientApi.SSL_CTX_sess_set_new_cb(this.clientCtx, (_ssl, session) => {
      this.sessions.push(session);
      return 1;
    });
  }

  /** A connection with `count` automatic and `requested` further tickets. How many came, and whether it was resumed. */
  connect(count: number, requested: number, session?: Session): { tickets: number; reused: number } {
    const server = new End(this.serverApi, this.serverCtx, true);
    const client = new End(this.clientApi, this.clientCtx, false);
    this.serverApi.SSL_set_num_tickets(server.ssl, count);
    if (session) this.clientApi.SSL_set_session(client.ssl, session);
    const before = this.sessions.length;
    let done = false;
    for (let i = 0; i < 5 && !done; i++) {
      const clientDone = client.step();
      client.carryTo(server);
      done = server.step() === 1 && clientDone === 1;
      server.carryTo(client);
    }
    assert.ok(done, 'the handshake comes to an end');
    for (let i = 0; i < requested; i++) assert.equal(this.serverApi.SSL_new_session_ticket(server.ssl), 1);
    assert.equal(this.serverApi.SSL_write(server.ssl, Buffer.from('data')), 4);
    server.carryTo(client);
    assert.equal(client.read(), 'data');
    this.clientApi.SSL_shutdown(client.ssl);
    this.serverApi.SSL_shutdown(server.ssl);
    return { tickets: this.sessions.length - before, reused: this.serverApi.SSL_session_reused(server.ssl) };
  }
}

const libssl = loadLibssl();
const required = process.env['TESSERA_REQUIRE_PEERS'] === '1';
const skip = libssl === undefined && !required ? 'there is no libssl.so.3' : false;

for (const [name, ends] of [
  ['a server of ours and a client of libssl', () => [ours, libssl!.api]],
  ['a server of libssl and a client of ours', () => [libssl!.api, ours]],
] as const) {
  describe(name, { skip }, () => {
    for (const [count, requested] of [
      [0, 0],
      [1, 0],
      [2, 0],
      [3, 2],
      [40, 0],
      [0, 1],
    ] as const) {
      test(`${count} tickets, and ${requested} on request: each resumes`, () => {
        const [server, client] = ends();
        const meeting = new Meeting(server!, client!);
        assert.deepEqual(meeting.connect(count, requested), { tickets: count + requested, reused: 0 });
        for (const session of meeting.sessions.slice(0, 6)) {
          assert.deepEqual(meeting.connect(2, 0, session), { tickets: 1, reused: 1 });
        }
      });
    }
  });
}
