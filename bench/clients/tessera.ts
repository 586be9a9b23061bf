import { connect, createSecureContext } from '../../src/node/index.ts';
import { runClient } from '../client.ts';

runClient({ connect, createSecureContext });
