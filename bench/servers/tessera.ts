import { createServer } from '../../src/node/index.ts';
import { runServer } from '../server.ts';

runServer(createServer);
