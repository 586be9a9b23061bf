import * as nodeTls from 'node:tls';
import { TlsUsageError } from '../errors/index.ts';

/**
 * Throws what node:tls says of such options; returns when it takes them. Its words, with its codes, are what programs know: of keys and
 * certificates that cannot be read, and of names that OpenSSL does not have. What we say, which is often more, stands behind them, as `cause`.
 */
export function refuseAsNode(options: object, cause?: unknown): void {
  try {
    // Without authorities of the program's, Node would load its own.
    nodeTls.createSecureContext({ ca: [], ...options });
  } catch (error) {
    if (error instanceof Error && cause instanceof TlsUsageError) {
      error.message += `: ${cause.message}`;
      Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true });
    }
    throw error;
  }
}
