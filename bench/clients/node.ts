import { connect, createSecureContext, type SecureContext } from 'node:tls';
import { runClient } from '../client.ts';

runClient<SecureContext>({
  connect: (options) => connect(options),
  createSecureContext: (options): SecureContext => createSecureContext({ ...options, minVersion: 'TLSv1.3' }),
});
