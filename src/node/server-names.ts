import { typeError, wrongType } from './argument.ts';
import { codedError } from './errors.ts';

/**
 * What is kept for server names, as `addContext` of node:tls does: the newest that fits counts. `*` stands for any part of one label; names
 * are compared without regard to case, for with it a client could evade the context of a name (CVE-2026-48928).
 */
export class ServerNames<T> {
  /** Newest first. */
  readonly #entries: { readonly pattern: RegExp; readonly value: T }[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** Throws `ERR_TLS_REQUIRED_SERVER_NAME`, `ERR_INVALID_ARG_TYPE`, and `ERR_INVALID_ARG_VALUE` for a name that no host has. */
  add(name: string, value: T): void {
    if (!name) {
      throw codedError('ERR_TLS_REQUIRED_SERVER_NAME', '"servername" is required parameter for Server.addContext');
    }
    if (typeof name !== 'string') throw wrongType('servername', 'of type string', name);
    // With more of them in one label, a name could be made that takes long to compare.
    if (name.length > 253 || name.split('.').some((label) => label.split('*').length > 3)) {
      throw typeError('ERR_INVALID_ARG_VALUE', `The argument 'servername' must be a host name. Received '${name}'`);
    }
    const labels = name.replace(/[\\^$.+?()[\]{}|/-]/g, '\\$&').replaceAll(/\*+/g, '[^.]*');
    this.#entries.unshift({ pattern: new RegExp(`^${labels}$`, 'i'), value });
  }

  find(name: string): T | undefined {
    return this.#entries.find(({ pattern }) => pattern.test(name))?.value;
  }
}
