/** TLS 1.3 for Node's streams, in the shape of node:tls, with control over session tickets. */
import * as tls from './names.ts';

export * from './names.ts';
/** So that `import tls from 'tessera-tls/node'` is as `import tls from 'node:tls'`. */
export default tls;
