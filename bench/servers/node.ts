import { createServer } from 'node:tls';
import { runServer } from '../server.ts';

runServer((options, listener) => createServer({ ...options, minVersion: 'TLSv1.3' }, listener));
