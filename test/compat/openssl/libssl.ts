/**
 * The system's real libssl with the TypeScript shapes of `tessera-tls/openssl`, through FFI: the same scenario runs against both.
 * What needs no more than its arguments passed on is in the tables; what has buffers, out-parameters or callbacks is written out.
 */
import { createRequire } from 'node:module';
import type koffiModule from 'koffi';
import type * as ours from '../../../src/openssl/index.ts';
import { CONTROLS, FUNCTIONS } from './libssl-functions.ts';

type Koffi = typeof koffiModule;
type Address = bigint | null;
type Call = (...args: unknown[]) => unknown;
export type Api = typeof ours;

/** What a C pointer looks like here: the same object for the same address. */
class Pointer {
  readonly type: string;
  readonly address: bigint;

  constructor(type: string, address: bigint) {
    this.type = type;
    this.address = address;
  }
}

const SIZED: Readonly<Record<string, string>> = {
  bytes: 'size_t',
  'bytes.int': 'int',
  'bytes.uint': 'unsigned int',
  'bytes.long': 'long',
};

function load(): { koffi: Koffi; ssl: ReturnType<Koffi['load']>; crypto: ReturnType<Koffi['load']> } | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi;
    // Deep: Node has an OpenSSL inside, whose symbols must not stand in for those of the system's.
    const [crypto, ssl] = ['libcrypto.so.3', 'libssl.so.3'].map((name) => koffi.load(name, { deep: true }));
    return { koffi, crypto: crypto!, ssl: ssl! };
  } catch {
    return undefined;
  }
}

/** The real library and its version, or `undefined` where there is none. */
export function loadLibssl(): { readonly api: Api; readonly version: string } | undefined {
  const libraries = load();
  if (libraries === undefined) return undefined;
  const { koffi } = libraries;
  const pointers = new Map<string, Pointer>();
  /** C keeps pointers to these. */
  const kept: unknown[] = [];

  function declare(name: string, result: string, parameters: readonly unknown[]): Call {
    for (const library of [libraries!.ssl, libraries!.crypto]) {
      try {
        return library.func(name, result, parameters as never) as unknown as Call;
      } catch {}
    }
    throw new Error(`this libssl has no ${name}`);
  }

  function handle(type: string, address: unknown): Pointer | null {
    if (typeof address !== 'bigint' || address === 0n) return null;
    const key = `${type}:${address}`;
    let pointer = pointers.get(key);
    if (pointer === undefined) {
      pointer = new Pointer(type, address);
      pointers.set(key, pointer);
    }
    return pointer;
  }
  const addressOf = (value: unknown): Address => (value instanceof Pointer ? value.address : null);
  const isHandle = (type: string): boolean => /^[A-Z]/.test(type);
  const view = (address: unknown, length: number): Uint8Array =>
    length === 0 ? new Uint8Array(0) : new Uint8Array(koffi.view(address as never, length));
  /** A copy of the bytes at an address. */
  const bytesAt = (address: unknown, length: unknown): Uint8Array | null =>
    typeof address === 'bigint' && Number(length) > 0 ? view(address, Number(length)).slice() : null;
  const outPointer = koffi.out(koffi.pointer('void *'));
  const outNumber = (type: string): unknown => koffi.out(koffi.pointer(type));

  /** `ret arg arg …`: handles, numbers, strings, and `bytes` for a pointer with its length. */
  function simple(name: string, signature: string): Call {
    const [result = 'void', ...parameters] = signature.split(' ');
    const types = parameters.flatMap((type) => {
      if (type in SIZED) return ['void *', SIZED[type]!];
      return isHandle(type) || type === 'buffer' ? ['void *'] : [type];
    });
    let call: Call | undefined;
    return (...args) => {
      call ??= declare(name, isHandle(result) ? 'void *' : result, types);
      const passed = parameters.flatMap((type, index) => {
        const value = args[index];
        if (type in SIZED) return [value, (value as Uint8Array | null)?.length ?? 0];
        return isHandle(type) ? [addressOf(value)] : [value];
      });
      const answer = call(...passed);
      if (isHandle(result)) return handle(result, answer);
      return typeof answer === 'bigint' ? Number(answer) : answer;
    };
  }

  function lazily(name: string, result: string, parameters: readonly unknown[]): Call {
    let call: Call | undefined;
    return (...args) => {
      call ??= declare(name, result, parameters);
      return call(...args);
    };
  }

  /** A JavaScript function that C may call from now on. */
  function callback(result: string, parameters: readonly string[], run: Call): unknown {
    const type = koffi.pointer(koffi.proto(result, parameters as never));
    const registered = koffi.register(run as never, type);
    kept.push(registered);
    return registered;
  }

  /** A setter of a callback: NULL takes it away. */
  function setter(
    name: string,
    result: string,
    parameters: readonly string[],
    adapt: (run: Call) => Call,
    after: number = 0,
  ): Call {
    const call = lazily(name, 'void', ['void *', 'void *', ...Array<string>(after).fill('void *')]);
    return (ctx, run) => {
      const pointer = run === null ? null : callback(result, parameters, adapt(run as Call));
      call(addressOf(ctx), pointer, ...Array<null>(after).fill(null));
    };
  }

  const SSL = (address: unknown): Pointer | null => handle('SSL', address);
  const SESSION = (address: unknown): Pointer | null => handle('SSL_SESSION', address);
  const P = 'void *';

  /** A function that gives its bytes through `unsigned char **` and a length. */
  function bytesOut(name: string, lengthType: string, extra: readonly string[] = [], result: string = 'void'): Call {
    const call = lazily(name, result, [P, ...extra, outPointer, outNumber(lengthType)]);
    return (object, ...more) => {
      const [data, length] = [[null], [0]];
      call(addressOf(object), ...more, data, length);
      return bytesAt(data[0], length[0]);
    };
  }

  /** As `bytesOut`, but the length is the result. */
  function bytesWithLengthResult(name: string): Call {
    const call = lazily(name, 'size_t', [P, outPointer]);
    return (object) => {
      const data = [null];
      const length = call(addressOf(object), data);
      return bytesAt(data[0], length);
    };
  }

  function counted(name: string, count: 'written' | 'readbytes'): Call {
    const call = lazily(name, 'int', [P, P, 'size_t', outNumber('size_t')]);
    return (ssl, bytes) => {
      const length = [0];
      const ret = call(addressOf(ssl), bytes, (bytes as Uint8Array).length, length);
      return { ret, [count]: ret === 1 ? Number(length[0]) : 0 };
    };
  }

  const pem = (name: string, type: string): Call => {
    const call = lazily(name, P, [P, P, P, P]);
    return (bio) => handle(type, call(addressOf(bio), null, null, null));
  };
  const ctrl: Readonly<Record<string, Call>> = {
    SSL: lazily('SSL_ctrl', 'long', [P, 'int', 'long', P]),
    CTX: lazily('SSL_CTX_ctrl', 'long', [P, 'int', 'long', P]),
    BIO: lazily('BIO_ctrl', 'long', [P, 'int', 'long', P]),
  };
  const cString = (text: unknown): Uint8Array | null => (text === null ? null : Buffer.from(`${text}\0`));
  const callbackCtrl = lazily('SSL_CTX_callback_ctrl', 'long', [P, 'int', P]);
  const pair = lazily('BIO_new_bio_pair', 'int', [outPointer, 'size_t', outPointer, 'size_t']);
  const memBuf = lazily('BIO_new_mem_buf', P, [P, 'int']);
  const sessionId = lazily('SSL_SESSION_get_id', P, [P, outNumber('unsigned int')]);
  const i2d = lazily('i2d_SSL_SESSION', 'int', [P, koffi.inout(koffi.pointer(P))]);
  const d2i = lazily('d2i_SSL_SESSION', P, [P, koffi.inout(koffi.pointer(P)), 'long']);
  const writeEarly = lazily('SSL_write_early_data', 'int', [P, P, 'size_t', outNumber('size_t')]);
  const readEarly = lazily('SSL_read_early_data', 'int', [P, P, 'size_t', outNumber('size_t')]);
  const earlyExporter = lazily('SSL_export_keying_material_early', 'int', [P, P, 'size_t', P, 'size_t', P, 'size_t']);
  const exporter = lazily('SSL_export_keying_material', 'int', [P, P, 'size_t', P, 'size_t', P, 'size_t', 'int']);
  const setVerify: Record<string, Call> = Object.fromEntries(
    ['SSL_set_verify', 'SSL_CTX_set_verify'].map((name) => {
      const call = lazily(name, 'void', [P, 'int', P]);
      const adapt =
        (run: Call): Call =>
        (ok, store) =>
          run(ok, handle('X509_STORE_CTX', store));
      return [
        name,
        (object, mode, run) =>
          call(addressOf(object), mode, run ? callback('int', ['int', P], adapt(run as Call)) : null),
      ];
    }),
  );
  const ticketCallbacks = lazily('SSL_CTX_set_session_ticket_cb', 'int', [P, P, P, P]);
  const evpCallback = lazily('SSL_CTX_set_tlsext_ticket_key_evp_cb', 'int', [P, P]);
  const setMacParams = lazily('EVP_MAC_CTX_set_params', 'int', [P, P]);
  const extensions = lazily('SSL_client_hello_get1_extensions_present', 'int', [P, outPointer, outNumber('size_t')]);

  const special: Record<string, Call> = {
    ...setVerify,
    // A macro, and no more in it than this.
    ERR_GET_REASON: (code) => (code as number) & 0x7f_ffff,
    ERR_GET_LIB: (code) => ((code as number) >>> 23) & 0xff,
    SSL_read_ex: counted('SSL_read_ex', 'readbytes'),
    SSL_peek_ex: counted('SSL_peek_ex', 'readbytes'),
    SSL_write_ex: counted('SSL_write_ex', 'written'),
    PEM_read_bio_X509: pem('PEM_read_bio_X509', 'X509'),
    PEM_read_bio_PrivateKey: pem('PEM_read_bio_PrivateKey', 'EVP_PKEY'),
    BIO_new_mem_buf: (data) => {
      const copy = Buffer.allocUnsafeSlow((data as Uint8Array).length);
      copy.set(data as Uint8Array);
      kept.push(copy);
      return handle('BIO', memBuf(copy, copy.length));
    },
    BIO_new_bio_pair: (size1, size2) => {
      const [bio1, bio2] = [[null], [null]];
      const ret = pair(bio1, size1, bio2, size2);
      return { ret, bio1: handle('BIO', bio1[0]), bio2: handle('BIO', bio2[0]) };
    },
    SSL_set_tlsext_host_name: (ssl, name) => ctrl['SSL']!(addressOf(ssl), 55, 0, cString(name)),
    SSL_set1_groups_list: (ssl, list) => ctrl['SSL']!(addressOf(ssl), 92, 0, cString(list)),
    SSL_CTX_set1_groups_list: (ctx, list) => ctrl['CTX']!(addressOf(ctx), 92, 0, cString(list)),
    SSL_CTX_set_tlsext_ticket_keys: (ctx, keys) =>
      ctrl['CTX']!(addressOf(ctx), 59, (keys as Uint8Array | null)?.length ?? 0, keys),
    SSL_CTX_get_tlsext_ticket_keys: (ctx) => {
      const keys = Buffer.allocUnsafeSlow(80);
      return ctrl['CTX']!(addressOf(ctx), 58, keys.length, keys) === 1 ? Uint8Array.from(keys) : null;
    },
    SSL_get0_alpn_selected: bytesOut('SSL_get0_alpn_selected', 'unsigned int'),
    SSL_SESSION_get0_alpn_selected: bytesOut('SSL_SESSION_get0_alpn_selected', 'size_t'),
    SSL_SESSION_get0_ticket: bytesOut('SSL_SESSION_get0_ticket', 'size_t'),
    SSL_SESSION_get0_ticket_appdata: (session) => {
      const call = lazily('SSL_SESSION_get0_ticket_appdata', 'int', [P, outPointer, outNumber('size_t')]);
      const [data, length] = [[null], [0]];
      if (call(addressOf(session), data, length) !== 1) return null;
      return bytesAt(data[0], length[0]) ?? new Uint8Array(0);
    },
    SSL_SESSION_get_id: (session) => {
      const length = [0];
      const data = sessionId(addressOf(session), length);
      return bytesAt(data, length[0]) ?? new Uint8Array(0);
    },
    SSL_client_hello_get0_ext: (ssl, type) => {
      const call = lazily('SSL_client_hello_get0_ext', 'int', [P, 'unsigned int', outPointer, outNumber('size_t')]);
      const [data, length] = [[null], [0]];
      if (call(addressOf(ssl), type, data, length) !== 1) return null;
      return bytesAt(data[0], length[0]) ?? new Uint8Array(0);
    },
    SSL_client_hello_get0_random: bytesWithLengthResult('SSL_client_hello_get0_random'),
    SSL_client_hello_get0_session_id: bytesWithLengthResult('SSL_client_hello_get0_session_id'),
    SSL_client_hello_get0_ciphers: bytesWithLengthResult('SSL_client_hello_get0_ciphers'),
    SSL_client_hello_get0_compression_methods: bytesWithLengthResult('SSL_client_hello_get0_compression_methods'),
    SSL_client_hello_get1_extensions_present: (ssl) => {
      const [data, length] = [[null], [0]];
      const ret = extensions(addressOf(ssl), data, length);
      const bytes = bytesAt(data[0], Number(length[0]) * 4) ?? new Uint8Array(0);
      return { ret, out: [...new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)] };
    },
    i2d_SSL_SESSION: (session) => {
      const length = Number(i2d(addressOf(session), null));
      if (length <= 0) return null;
      const buffer = Buffer.allocUnsafeSlow(length);
      i2d(addressOf(session), [koffi.address(buffer as never)]);
      return Uint8Array.from(buffer);
    },
    d2i_SSL_SESSION: (bytes) => {
      const buffer = Buffer.allocUnsafeSlow((bytes as Uint8Array).length);
      buffer.set(bytes as Uint8Array);
      return SESSION(d2i(null, [koffi.address(buffer as never)], buffer.length));
    },
    SSL_export_keying_material: (ssl, length, label, context) => {
      const out = Buffer.allocUnsafeSlow(length as number);
      const name = Buffer.from(label as string);
      const used = context as Uint8Array | null;
      const ret = exporter(
        addressOf(ssl),
        out,
        out.length,
        name,
        name.length,
        used,
        used?.length ?? 0,
        used === null ? 0 : 1,
      );
      return { ret, out: ret === 1 ? Uint8Array.from(out) : new Uint8Array(0) };
    },
    SSL_export_keying_material_early: (ssl, length, label, context) => {
      const out = Buffer.allocUnsafeSlow(length as number);
      const name = Buffer.from(label as string);
      const used = context as Uint8Array | null;
      const ret = earlyExporter(addressOf(ssl), out, out.length, name, name.length, used, used?.length ?? 0);
      return { ret, out: ret === 1 ? Uint8Array.from(out) : new Uint8Array(0) };
    },
    SSL_write_early_data: (ssl, data) => {
      const written = [0];
      const ret = writeEarly(addressOf(ssl), data, (data as Uint8Array).length, written);
      return { ret, written: ret === 1 ? Number(written[0]) : 0 };
    },
    SSL_read_early_data: (ssl, into) => {
      const count = [0];
      const ret = readEarly(addressOf(ssl), into, (into as Uint8Array).length, count);
      return { ret, readbytes: ret === 1 ? Number(count[0]) : 0 };
    },
    SSL_CTX_set_allow_early_data_cb: setter(
      'SSL_CTX_set_allow_early_data_cb',
      'int',
      [P, P],
      (run) => (ssl) => run(SSL(ssl)),
      1,
    ),
    SSL_CTX_set_psk_find_session_callback: setter(
      'SSL_CTX_set_psk_find_session_callback',
      'int',
      [P, P, 'size_t', P],
      (run) => (ssl, identity, length, out) => {
        koffi.encode(out as never, 'void *', addressOf(run(SSL(ssl), bytesAt(identity, length) ?? new Uint8Array(0))));
        return 1;
      },
    ),
    SSL_CTX_set_psk_use_session_callback: setter(
      'SSL_CTX_set_psk_use_session_callback',
      'int',
      [P, P, P, P, P],
      (run) => (ssl, md, id, idLength, out) => {
        const answer = run(SSL(ssl), handle('EVP_MD', md)) as { id: Uint8Array; sess: unknown } | null;
        if (answer !== null) {
          const buffer = Buffer.allocUnsafeSlow(answer.id.length);
          buffer.set(answer.id);
          kept.push(buffer);
          koffi.encode(id as never, 'void *', koffi.address(buffer as never));
          koffi.encode(idLength as never, 'size_t', answer.id.length);
        }
        koffi.encode(out as never, 'void *', answer === null ? null : addressOf(answer.sess));
        return 1;
      },
    ),
    SSL_CTX_sess_set_new_cb: setter(
      'SSL_CTX_sess_set_new_cb',
      'int',
      [P, P],
      (run) => (ssl, session) => run(SSL(ssl), SESSION(session)),
    ),
    SSL_CTX_sess_set_remove_cb: setter(
      'SSL_CTX_sess_set_remove_cb',
      'void',
      [P, P],
      (run) => (ctx, session) => run(handle('SSL_CTX', ctx), SESSION(session)),
    ),
    SSL_CTX_sess_set_get_cb: setter(
      'SSL_CTX_sess_set_get_cb',
      P,
      [P, P, 'int', P],
      (run) => (ssl, id, length) => addressOf(run(SSL(ssl), bytesAt(id, length))),
    ),
    SSL_CTX_set_info_callback: setter(
      'SSL_CTX_set_info_callback',
      'void',
      [P, 'int', 'int'],
      (run) => (ssl, where, ret) => run(SSL(ssl), where, ret),
    ),
    SSL_CTX_set_keylog_callback: setter(
      'SSL_CTX_set_keylog_callback',
      'void',
      [P, 'str'],
      (run) => (ssl, line) => run(SSL(ssl), line),
    ),
    SSL_CTX_set_not_resumable_session_callback: setter(
      'SSL_CTX_set_not_resumable_session_callback',
      'int',
      [P, 'int'],
      (run) => (ssl, forwardSecure) => run(SSL(ssl), forwardSecure),
    ),
    SSL_CTX_set_cert_cb: setter('SSL_CTX_set_cert_cb', 'int', [P, P], (run) => (ssl) => run(SSL(ssl)), 1),
    SSL_CTX_set_client_hello_cb: setter(
      'SSL_CTX_set_client_hello_cb',
      'int',
      [P, P, P],
      (run) => (ssl) => run(SSL(ssl)),
      1,
    ),
    SSL_CTX_set_alpn_select_cb: setter(
      'SSL_CTX_set_alpn_select_cb',
      'int',
      [P, P, P, P, 'unsigned int', P],
      (run) => (ssl, out, outLength, offered, length) => {
        const { ret, selected } = run(SSL(ssl), bytesAt(offered, length)) as { ret: number; selected?: Uint8Array };
        if (selected !== undefined) {
          const buffer = Buffer.allocUnsafeSlow(selected.length);
          buffer.set(selected);
          kept.push(buffer);
          koffi.encode(out as never, 'void *', koffi.address(buffer as never));
          koffi.encode(outLength as never, 'uint8_t', selected.length);
        }
        return ret;
      },
      1,
    ),
    SSL_CTX_set_tlsext_servername_callback: (ctx, run) =>
      callbackCtrl(
        addressOf(ctx),
        53,
        run === null ? null : callback('int', [P, P, P], (ssl) => (run as Call)(SSL(ssl))),
      ),
    SSL_CTX_set_session_ticket_cb: (ctx, gen, dec) =>
      ticketCallbacks(
        addressOf(ctx),
        gen === null ? null : callback('int', [P, P], (ssl) => (gen as Call)(SSL(ssl))),
        dec === null
          ? null
          : callback('int', [P, P, P, 'size_t', 'int', P], (ssl, session, name, length, status) =>
              (dec as Call)(SSL(ssl), SESSION(session), bytesAt(name, length) ?? new Uint8Array(0), status),
            ),
        null,
      ),
    SSL_CTX_set_tlsext_ticket_key_evp_cb: (ctx, run) =>
      evpCallback(
        addressOf(ctx),
        run === null
          ? null
          : callback('int', [P, P, P, P, P, 'int'], (ssl, name, iv, cipher, mac, enc) =>
              (run as Call)(
                SSL(ssl),
                view(name, 16),
                view(iv, 16),
                handle('EVP_CIPHER_CTX', cipher),
                handle('EVP_MAC_CTX', mac),
                enc,
              ),
            ),
      ),
    EVP_MAC_CTX_set_params: (mac, parameters) => {
      const { key, digest } = parameters as { key: Uint8Array; digest: string };
      return setMacParams(addressOf(mac), macParameters(key, digest));
    },
  };

  /** OSSL_PARAM { key, type (5: octets, 4: text), data, length, returned length }[], ended by a NULL key. */
  function macParameters(key: Uint8Array, digest: string): Uint8Array {
    const rows: [string, number, Uint8Array, number][] = [
      ['key', 5, key, key.length],
      ['digest', 4, cString(digest)!, 0],
    ];
    const table = Buffer.alloc(40 * (rows.length + 1));
    for (const [index, [name, type, data, length]] of rows.entries()) {
      const [nameBuffer, dataBuffer] = [cString(name)!, data].map((bytes) => {
        const copy = Buffer.allocUnsafeSlow(bytes.length);
        copy.set(bytes);
        kept.push(copy);
        return copy;
      });
      table.writeBigUInt64LE(BigInt(koffi.address(nameBuffer as never)), index * 40);
      table.writeUInt32LE(type, index * 40 + 8);
      table.writeBigUInt64LE(BigInt(koffi.address(dataBuffer as never)), index * 40 + 16);
      table.writeBigUInt64LE(BigInt(length), index * 40 + 24);
    }
    return table;
  }

  const functions: Record<string, Call> = {};
  for (const [name, signature] of Object.entries(FUNCTIONS)) functions[name] = simple(name, signature);
  for (const [name, { kind, command, takes }] of Object.entries(CONTROLS)) {
    functions[name] = (object, value) => {
      const number = takes === 'number' ? value : 0;
      return Number(ctrl[kind]!(addressOf(object), command, number, takes === 'handle' ? addressOf(value) : null));
    };
  }
  Object.assign(functions, special);
  // OPENSSL_VERSION_STRING: 6.
  const version = declare('OpenSSL_version', 'str', ['int'])(6) as string;
  return { api: complete(functions), version };
}

/** Says which function is missing, if one is. */
function complete(functions: Readonly<Record<string, Call>>): Api {
  return new Proxy(functions, {
    get(target, name: string) {
      if (name in target) return target[name];
      throw new Error(`libssl.ts does not know ${name}`);
    },
  }) as unknown as Api;
}
