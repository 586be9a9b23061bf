import { domainToASCII } from 'node:url';
import { TlsUsageError } from '../errors/index.ts';
import { refuseAsNode } from './as-node.ts';
import { codedError } from './errors.ts';
import { convertALPNProtocols } from './module.ts';
import { checkVersions } from './protocol-options.ts';

/** The longest time that timers of Node take, in milliseconds. */
export const MAX_TIMEOUT = 2_147_483_647;

/** Options of node:tls for OpenSSL's engines. */
const ENGINES: readonly string[] = ['clientCertEngine', 'privateKeyEngine', 'privateKeyIdentifier'];

/** Throws Node's error for options that ask for an engine of OpenSSL, whose key would be missing, and for versions without TLS 1.3. */
export function refuseUnsupported(options: object): void {
  const given = options as Readonly<Record<string, unknown>>;
  for (const name of ENGINES) {
    if (given[name] === undefined || given[name] === null) continue;
    const { privateKeyIdentifier, privateKeyEngine } = given;
    // A library of that name is not to be loaded, but Node may have more to say.
    if (typeof given[name] !== 'string') refuseAsNode({ [name]: given[name] });
    if (privateKeyEngine === undefined) refuseAsNode({ privateKeyIdentifier });
    throw codedError(
      'ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED',
      `Custom engines not supported here, so leave ${name} out: for a key that is elsewhere give key: { schemes, sign }`,
    );
  }
  checkVersions(options);
}

/** Protocol names as an array of strings, or in the wire format that node:tls takes too: each behind its length. */
export function alpnNames(protocols: readonly string[] | Uint8Array | undefined): readonly string[] | undefined {
  if (protocols === undefined) return undefined;
  if (Array.isArray(protocols)) {
    convertALPNProtocols(protocols, {}); // for Node's errors
    return protocols as readonly string[];
  }
  if (!(protocols instanceof Uint8Array))
    throw badAlpn('it must be an array of names, or a Buffer of names each behind its length');
  const names: string[] = [];
  for (let at = 0; at < protocols.length; at += 1 + protocols[at]!) {
    const name = protocols.subarray(at + 1, at + 1 + protocols[at]!);
    if (name.length === 0 || name.length !== protocols[at])
      throw badAlpn(`the Buffer is not a list of names from byte ${at}`);
    names.push(Buffer.from(name).toString('latin1'));
  }
  return names;
}

function badAlpn(why: string): TlsUsageError {
  return new TlsUsageError('option.bad_alpn', `ALPNProtocols: ${why}`);
}

/** A host name as it goes on the wire, or an address as it is. Throws {@link TlsUsageError} `option.bad_servername`. */
export function hostName(name: unknown): string {
  if (typeof name !== 'string')
    throw new TlsUsageError('option.bad_servername', `servername must be a string, not ${typeof name}`);
  if (/^[\x21-\x7e]*$/.test(name) && name.length <= 253) return name;
  const ascii = domainToASCII(name);
  if (ascii !== '' && ascii.length <= 253) return ascii;
  throw new TlsUsageError(
    'option.bad_servername',
    `servername ${JSON.stringify(name.slice(0, 100))} is not a host name`,
  );
}

/** Throws {@link TlsUsageError} `option.out_of_range` unless `value` is a number from `min` to `max`, or left out. */
export function checkRange(option: string, value: number | undefined, min: number, max: number): void {
  if (value === undefined || (typeof value === 'number' && value >= min && value <= max)) return;
  throw new TlsUsageError(
    'option.out_of_range',
    `${option} is ${String(value)}, but must be a number from ${min} to ${max}`,
  );
}
