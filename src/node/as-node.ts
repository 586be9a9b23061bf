import * as nodeTls from 'node:tls';

/**
 * Throws what node:tls says of such options; returns when it takes them. Its words, with its codes, are what programs know: of keys and
 * certificates that cannot be read, and of names that OpenSSL does not have. `cause`: what we say, where we say more.
 */
export function refuseAsNode(options: object, cause?: unknown): void {
  try {
    // Without authorities of the program's, Node would load its own.
    nodeTls.createSecureContext({ ca: [], ...options });
  } catch (error) {
    if (cause !== undefined)
      Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true });
    throw error;
  }
}
