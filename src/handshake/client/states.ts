import type { Secret } from '../../bytes/index.ts';
import type { CertificateCompressionName, Kdf, KeyExchange, KeyShare } from '../../crypto/index.ts';
import type { PeerIdentity } from '../../peer-auth/index.ts';
import type { HandshakeStage, Transcript } from '../../schedule/index.ts';
import type { ClientTicket } from '../../tickets/index.ts';
import type { CertificateRequest, ClientHello } from '../../wire/index.ts';
import type { ClientConfig, ClientConnectionOptions, Suite } from '../config.ts';
import { type Connected, onKeyUpdate } from '../connected.ts';
import type { HandlerTable, Output } from '../context.ts';
import type { ReadyPsk } from '../external-psk.ts';
import type { ShownCertificate } from '../peer-certificate.ts';
import { onCertificate, onCertificateRequest, onCertificateVerify, onCompressedCertificate } from './authenticate.ts';
import { onEncryptedExtensions } from './encrypted-extensions.ts';
import { onFinished } from './finish.ts';
import { onHelloRetryRequest } from './hello-retry.ts';
import { onPostHandshakeCertificateRequest } from './post-handshake-auth.ts';
import { onSecondServerHello, onServerHello } from './server-hello.ts';
import { onNewSessionTicket } from './tickets.ts';

/** The states of rfc9846#appendix-A.1. Each carries exactly what its handlers need. */
export type ClientState =
  | { readonly at: 'expect_server_hello'; readonly offer: Offer }
  | { readonly at: 'expect_second_server_hello'; readonly offer: Offer; readonly suite: Suite }
  | { readonly at: 'expect_encrypted_extensions'; readonly handshake: ClientHandshake }
  | { readonly at: 'expect_certificate_or_request'; readonly handshake: ClientHandshake }
  | { readonly at: 'expect_certificate'; readonly handshake: ClientHandshake; readonly request: CertificateRequest }
  | {
      readonly at: 'expect_certificate_verify';
      readonly handshake: ClientHandshake;
      readonly request: CertificateRequest | undefined;
      readonly shown: ShownCertificate;
      readonly ocspResponse: Uint8Array | undefined;
      readonly compression: CertificateCompressionName | undefined;
    }
  | {
      readonly at: 'expect_finished';
      readonly handshake: ClientHandshake;
      readonly request: CertificateRequest | undefined;
      readonly server: AuthenticatedServer;
    }
  | ClientConnected;

export type ClientStateAt<A extends ClientState['at']> = Extract<ClientState, { at: A }>;

/** What the last ClientHello offered. */
export interface Offer {
  readonly hello: ClientHello;
  readonly shares: readonly OfferedShare[];
  /** In the order of the identities of pre_shared_key. */
  readonly tickets: readonly ClientTicket[];
  /** Their identities come after those of the tickets. Wiped when ServerHello has chosen. */
  readonly psks: readonly ReadyPsk[];
  /** Up to and including the last ClientHello. */
  readonly transcript: Transcript;
  /** A change_cipher_spec has been sent. */
  readonly changedCipherSpec: boolean;
  readonly retried: boolean;
}

export interface OfferedShare {
  readonly group: KeyExchange;
  readonly share: KeyShare;
}

/** What ServerHello decided. */
export interface ClientHandshake {
  readonly offer: Offer;
  readonly suite: Suite;
  readonly kdf: Kdf;
  readonly transcript: Transcript;
  readonly stage: HandshakeStage;
  readonly clientHandshakeSecret: Secret;
  readonly serverHandshakeSecret: Secret;
  /** The ticket the server took. */
  readonly resumedFrom: ClientTicket | undefined;
  /** Of the external PSK the server took: it shows no certificate then. */
  readonly pskIdentity: Uint8Array | undefined;
  readonly group: { readonly id: number; readonly name: string } | undefined;
  /** From EncryptedExtensions. */
  readonly alpn: string | undefined;
  /** The server takes the early data, so that EndOfEarlyData must follow. */
  readonly earlyDataAccepted: boolean;
  readonly expectedTickets?: number | undefined;
}

export interface AuthenticatedServer {
  readonly identity: PeerIdentity;
  readonly signatureScheme: number | undefined;
  readonly ocspResponse: Uint8Array | undefined;
  readonly compression: CertificateCompressionName | undefined;
}

export interface ClientConnected extends Connected {
  readonly group: number | undefined;
  /** Tickets received so far. */
  ticketsReceived: number;
  /** `undefined` when it was not offered: nothing of the transcript is kept then. */
  readonly postHandshakeAuth: ClientPostHandshakeAuth | undefined;
}

/** What a client needs to answer a CertificateRequest after the handshake. */
export interface ClientPostHandshakeAuth {
  /** ClientHello … client Finished. */
  readonly transcript: Transcript;
  /** Requests so far. */
  received: number;
  /** Of these, those that wait for a signer or a choice. */
  pending: number;
}

export interface ClientContext {
  readonly config: ClientConfig;
  readonly options: ClientConnectionOptions;
  readonly out: Output;
}

/** The whole receive side of the client. What is not in it is `unexpected_message`. */
export const clientHandlers: HandlerTable<ClientState, ClientContext> = {
  expect_server_hello: { server_hello: onServerHello, hello_retry_request: onHelloRetryRequest },
  expect_second_server_hello: { server_hello: onSecondServerHello },
  expect_encrypted_extensions: { encrypted_extensions: onEncryptedExtensions },
  expect_certificate_or_request: {
    certificate: onCertificate,
    compressed_certificate: onCompressedCertificate,
    certificate_request: onCertificateRequest,
  },
  expect_certificate: { certificate: onCertificate, compressed_certificate: onCompressedCertificate },
  expect_certificate_verify: { certificate_verify: onCertificateVerify },
  expect_finished: { finished: onFinished },
  connected: {
    certificate_request: onPostHandshakeCertificateRequest,
    new_session_ticket: onNewSessionTicket,
    key_update: onKeyUpdate,
  },
};
