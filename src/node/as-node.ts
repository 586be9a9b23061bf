import * as nodeTls from 'node:tls';

/**
 * Throws what node:tls says of such options; returns when it takes them. Its words, with its codes, are what programs know: of keys and
 * certificates that cannot be read, and of names that OpenSSL does not have. `value`, which OpenSSL leaves out, is said behind them.
 */
export function refuseAsNode(options: object, value?: string): void {
  try {
    // Without authorities of the program's, Node would load its own.
    nodeTls.createSecureContext({ ca: [], ...options });
  } catch (error) {
    if (value !== undefined && error instanceof Error) error.message += `: ${value}`;
    throw error;
  }
}
