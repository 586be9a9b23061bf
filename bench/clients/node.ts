import { connect, createSecureContext } from 'node:tls';
import { runClient } from '../client.ts';

runClient({
  connect,
  createSecureContext: (options) => createSecureContext({ ...options, minVersion: 'TLSv1.3' }),
});
