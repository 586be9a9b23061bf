/** The sockets of node:tls that old clients are served on have the methods of ours too: programs call them on whatever `secureConnection` gives. */
import type * as nodeTls from 'node:tls';
import { TlsUsageError } from '../errors/index.ts';
import type { TLSSocket } from './socket.ts';

const adopted = new WeakSet<object>();

/** Whether it is a socket of node:tls that {@link adopt} has seen. */
export function isAdopted(socket: unknown): boolean {
  return typeof socket === 'object' && socket !== null && adopted.has(socket);
}

/** What sockets of node:tls have where its types do not say so, and what is not for programs. */
type OfNode = 'secureConnecting' | 'server' | 'setServername' | 'setSession' | 'getTypeOfService' | 'setTypeOfService';
type Internal = `_${string}` | 'handOver' | 'connectingIsOver';
type Ours = Exclude<keyof TLSSocket, keyof nodeTls.TLSSocket | OfNode | Internal>;

/** What is only in TLS 1.3 there is none of, and nothing happens; what somebody waits for is an error. */
const METHODS: { readonly [Name in Ours]: PropertyDescriptor & ThisType<nodeTls.TLSSocket> } = {
  ticketInfo: {
    get() {
      const resumed = this.isSessionReused();
      return { issued: 0, requested: 0, received: 0, resumed, resumedFrom: undefined, declined: undefined };
    },
  },
  numTickets: { get: () => 0, set() {} },
  newSessionTicket: { value: () => false },
  flushTickets: { value() {} },
  issueTickets: { value: () => [] },
  tickets: { get: () => [] },
  cancelTickets: { value: () => 0 },
  explainTickets: {
    value(this: nodeTls.TLSSocket) {
      return `${this.getProtocol() ?? 'this connection is closed'}: its tickets are an affair of node:tls`;
    },
  },
  takeSession: { value: () => undefined },
  connectionInfo: { get: () => undefined },
  earlyDataState: { get: () => 'none' },
  truncated: { get: () => false },
  transferred: {
    get() {
      const { _parent = this } = this as {
        readonly _parent?: { readonly bytesRead: number; readonly bytesWritten: number };
      } & nodeTls.TLSSocket;
      return { received: _parent.bytesRead, sent: _parent.bytesWritten };
    },
  },
  updateKeys: { value() {} },
  requestClientCertificate: {
    value: async () => {
      throw new TlsUsageError(
        'socket.legacy',
        'a client without TLS 1.3 cannot be asked for a certificate after the handshake',
      );
    },
  },
};

/** Once it is secure. */
export function adopt(socket: nodeTls.TLSSocket): void {
  adopted.add(socket);
  for (const [name, descriptor] of Object.entries(METHODS)) {
    Object.defineProperty(socket, name, { configurable: true, ...descriptor });
  }
}
