/**
 * What C programs hold pointers to. Opaque: the same object each time, compared with `===`; NULL is `null`.
 */

interface Handle<Name extends string> {
  /** Only for the type checker: it is never there. */
  readonly __handle: Name;
}

export type SSL_METHOD = Handle<'SSL_METHOD'>;
export type SSL_CTX = Handle<'SSL_CTX'>;
export type SSL = Handle<'SSL'>;
export type SSL_SESSION = Handle<'SSL_SESSION'>;
export type SSL_CIPHER = Handle<'SSL_CIPHER'>;
export type BIO_METHOD = Handle<'BIO_METHOD'>;
export type BIO = Handle<'BIO'>;
export type X509 = Handle<'X509'>;
export type EVP_PKEY = Handle<'EVP_PKEY'>;
export type EVP_CIPHER = Handle<'EVP_CIPHER'>;
export type EVP_CIPHER_CTX = Handle<'EVP_CIPHER_CTX'>;
export type EVP_MAC_CTX = Handle<'EVP_MAC_CTX'>;
export type SSL_CONF_CTX = Handle<'SSL_CONF_CTX'>;
export type X509_STORE = Handle<'X509_STORE'>;
export type X509_STORE_CTX = Handle<'X509_STORE_CTX'>;

/** Base of the objects behind the handles: it gives them their type, and prints as its name alone, for there are secrets inside. */
export abstract class Opaque<Name extends string> {
  declare readonly __handle: Name;

  static {
    Object.defineProperty(Opaque.prototype, Symbol.for('nodejs.util.inspect.custom'), {
      value(this: object) {
        return `[${this.constructor.name}]`;
      },
    });
  }

  toJSON(): string {
    return `[${this.constructor.name}]`;
  }
}
