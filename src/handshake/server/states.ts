import type { Secret } from '../../bytes/index.ts';
import type { CertificateCompressionName, Kdf } from '../../crypto/index.ts';
import type { PeerIdentity } from '../../peer-auth/index.ts';
import type { MainStage, Transcript } from '../../schedule/index.ts';
import type { ConnectionTickets, TicketState } from '../../tickets/index.ts';
import type { ClientHello } from '../../wire/index.ts';
import type { ServerConfig, Suite } from '../config.ts';
import { type Connected, onKeyUpdate } from '../connected.ts';
import type { HandlerTable, Output } from '../context.ts';
import type { ConnectionInfo } from '../events.ts';
import type { ShownCertificate } from '../peer-certificate.ts';
import { onCertificate, onCertificateVerify, onCompressedCertificate } from './client-auth.ts';
import { onClientHello, onSecondClientHello } from './client-hello.ts';
import { onEndOfEarlyData } from './early-data.ts';
import { onFinished } from './finish.ts';
import {
  onPostHandshakeCertificate,
  onPostHandshakeCertificateVerify,
  onPostHandshakeCompressedCertificate,
  onPostHandshakeFinished,
} from './post-handshake-auth.ts';

/** The states of rfc9846#appendix-A.2. Each carries exactly what its handlers need. */
export type ServerState =
  | { readonly at: 'expect_client_hello' }
  | { readonly at: 'expect_second_client_hello'; readonly retry: Retry }
  | { readonly at: 'expect_end_of_early_data'; readonly flight: ServerFlight; readonly client: PeerIdentity }
  | { readonly at: 'expect_certificate'; readonly flight: ServerFlight }
  | { readonly at: 'expect_certificate_verify'; readonly flight: ServerFlight; readonly shown: ShownCertificate }
  | {
      readonly at: 'expect_finished';
      readonly flight: ServerFlight;
      readonly client: PeerIdentity;
      /** Of its CertificateVerify, if there was one. */
      readonly clientSignatureScheme?: number;
    }
  | ServerConnected
  // After the handshake, between the messages of one answer, which nothing may interrupt (rfc9846#section-4.7.2).
  | {
      readonly at: 'expect_post_handshake_certificate_verify';
      readonly connected: ServerConnected;
      readonly request: OutstandingRequest;
      readonly shown: ShownCertificate;
    }
  | {
      readonly at: 'expect_post_handshake_finished';
      readonly connected: ServerConnected;
      readonly request: OutstandingRequest;
      readonly client: PeerIdentity;
    };

export type ServerStateAt<A extends ServerState['at']> = Extract<ServerState, { at: A }>;

/** What a HelloRetryRequest fixed. */
export interface Retry {
  readonly suite: Suite;
  readonly group: number;
  readonly cookie: Uint8Array | undefined;
  /** Up to and including the HelloRetryRequest. */
  readonly transcript: Transcript;
  /** `undefined` when another engine sent the HelloRetryRequest and a sealed cookie brought the state here. */
  readonly firstHello: ClientHello | undefined;
}

/** The facts of a handshake whose ServerHello … Finished has been sent. */
export interface ServerFlight {
  readonly suite: Suite;
  readonly kdf: Kdf;
  /** Up to and including the last handshake message, whoever sent it. */
  readonly transcript: Transcript;
  readonly clientRandom: Uint8Array;
  readonly clientHandshakeSecret: Secret;
  readonly clientApplicationSecret: Secret;
  readonly serverApplicationSecret: Secret;
  readonly exporterSecret: Secret;
  readonly main: MainStage;
  readonly resumedFrom: TicketState | undefined;
  /** Of the external PSK. */
  readonly pskIdentity: Uint8Array | undefined;
  /** The application wants tickets as after a full handshake. */
  readonly reissue: boolean;
  readonly serverName: string | undefined;
  readonly alpn: string | undefined;
  readonly group: { readonly id: number; readonly name: string } | undefined;
  readonly signatureScheme: number | undefined;
  readonly helloRetried: boolean;
  /** Whether this client can use tickets at all. */
  readonly canResume: boolean;
  /** RFC 9149: what the client asked for, and what it was told to expect. */
  readonly ticketRequest: ConnectionInfo['ticketRequest'];
  readonly expectedTickets: number | undefined;
  /** verify_data of our Finished. */
  readonly finished: Uint8Array;
  readonly sharedSignatureSchemes: readonly number[];
  /** How our certificate was sent. */
  readonly certificateCompression: CertificateCompressionName | undefined;
  /** Whether this client can be asked for a certificate after the handshake. */
  readonly canAuthenticateLater: boolean;
}

export interface ServerConnected extends Connected {
  readonly canResume: boolean;
  /** The verdict about the redeemed ticket was `accept_and_reissue`. */
  readonly reissue: boolean;
  /** Code point of the key exchange group, for the tickets. */
  readonly group: number | undefined;
  /** `undefined` when this client cannot be asked for a certificate any more: nothing of the transcript is kept then. */
  readonly postHandshakeAuth: ServerPostHandshakeAuth | undefined;
}

/** What a server needs to ask for a certificate after the handshake. */
export interface ServerPostHandshakeAuth {
  /** ClientHello … client Finished. */
  readonly transcript: Transcript;
  /** The request that the client has not answered, at most one. */
  request: OutstandingRequest | undefined;
}

export interface OutstandingRequest {
  /** certificate_request_context */
  readonly context: Uint8Array;
  /** ClientHello … client Finished, CertificateRequest, and what the client has answered so far. */
  readonly transcript: Transcript;
  /** An answer without a certificate ends the connection. */
  readonly required: boolean;
}

/** The ticket settings of one connection. The application may change them at any time. */
export interface TicketControl {
  /** `numTickets`; read again before each ticket. `undefined`: as the config says. */
  count: number | undefined;
  appData: Uint8Array;
  /** Tickets generated so far; the next ticket's nonce. */
  generated: number;
  /** Whom tickets speak for, when the application says. `undefined`: the client's certificate. */
  identity: string | undefined;
  /** `undefined` until the first decision point. */
  log: ConnectionTickets | undefined;
  /** Application data of the client has arrived. */
  dataReceived: boolean;
}

export interface ServerContext {
  /** The application may choose another one by the ClientHello. */
  config: ServerConfig;
  readonly out: Output;
  readonly tickets: TicketControl;
}

/** The whole receive side of the server. What is not in it is `unexpected_message`. */
export const serverHandlers: HandlerTable<ServerState, ServerContext> = {
  expect_client_hello: { client_hello: onClientHello },
  expect_second_client_hello: { client_hello: onSecondClientHello },
  expect_end_of_early_data: { end_of_early_data: onEndOfEarlyData },
  expect_certificate: { certificate: onCertificate, compressed_certificate: onCompressedCertificate },
  expect_certificate_verify: { certificate_verify: onCertificateVerify },
  expect_finished: { finished: onFinished },
  connected: {
    certificate: onPostHandshakeCertificate,
    compressed_certificate: onPostHandshakeCompressedCertificate,
    key_update: onKeyUpdate,
  },
  expect_post_handshake_certificate_verify: { certificate_verify: onPostHandshakeCertificateVerify },
  expect_post_handshake_finished: { finished: onPostHandshakeFinished },
};
