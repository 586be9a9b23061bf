import type { FuzzTarget } from '../target.ts';
import { clientHello } from './client-hello.ts';
import { engineBytes } from './engine-bytes.ts';
import { engineMessages } from './engine-messages.ts';
import { extensions } from './extensions.ts';
import { keyFiles } from './key-files.ts';
import { messages } from './messages.ts';
import { nodeSocket } from './node-socket.ts';
import { ocsp } from './ocsp.ts';
import { openssl } from './openssl.ts';
import { pkcs12 } from './pkcs12.ts';
import { joiner, records } from './records.ts';
import { clientTicket, sealedTicket, ticketState } from './tickets.ts';
import { certificate, chain, crl, der } from './x509.ts';

/** Everything that `npm run fuzz` and the slice in `npm test` know. */
export const TARGETS: readonly FuzzTarget[] = [
  messages,
  extensions,
  engineBytes,
  engineMessages,
  records,
  joiner,
  clientHello,
  ticketState,
  clientTicket,
  sealedTicket,
  keyFiles,
  der,
  certificate,
  crl,
  ocsp,
  chain,
  pkcs12,
  openssl,
  nodeSocket,
];

export function targetNamed(name: string): FuzzTarget | undefined {
  return TARGETS.find((target) => target.name === name);
}
