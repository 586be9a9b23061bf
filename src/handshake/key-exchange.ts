import { InvalidPublicValue, type MaybePromise } from '../crypto/index.ts';
import { peerFault } from '../errors/index.ts';
import { ask, isPromise, type Next } from './context.ts';

/** Runs a key exchange; an invalid public value of the peer becomes its fault. `then` and `holds` as in {@link ask}. */
export function exchangeKeys<S, T>(run: () => MaybePromise<T>, then: (result: T) => Next<S>, holds?: unknown): Next<S> {
  let result: MaybePromise<T>;
  try {
    result = run();
  } catch (error) {
    throw blame(error);
  }
  if (isPromise(result)) {
    result = result.catch((error: unknown) => {
      throw blame(error);
    });
  }
  return ask('deriveSharedSecret', result, then, holds);
}

function blame(error: unknown): unknown {
  return error instanceof InvalidPublicValue ? peerFault('handshake.bad_key_share', error.message, error) : error;
}
