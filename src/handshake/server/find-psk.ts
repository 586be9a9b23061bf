import { copyOf, equalConstantTime } from '../../bytes/index.ts';
import type { HashName } from '../../crypto/index.ts';
import { decodeImportedIdentity, ProtocolVersion } from '../../wire/index.ts';
import { ask, type Next } from '../context.ts';
import { checkPsk, type ExternalPsk, importedPsk, plainPsk, type ReadyPsk, TARGET_KDFS } from '../external-psk.ts';
import { answerOr, outcomeOf } from '../outcome.ts';
import type { ServerContext, ServerState } from './states.ts';

const NO_CONTEXT = new Uint8Array(0);

/**
 * The external PSK of an identity. One that reads as an ImportedIdentity for TLS 1.3 is looked up by the external identity in it, then
 * as it is. A PSK is used either imported or not: its `import` says which, and the context must be the same on both sides.
 *
 * `then` gets the key in a copy of its own, for it to wipe. A lookup that fails or is slow makes the identity unknown.
 *
 * @spec https://www.rfc-editor.org/rfc/rfc9258#section-5
 */
export function findExternalPsk(
  wireIdentity: Uint8Array,
  cx: ServerContext,
  then: (psk: ReadyPsk | 'psk_lookup_failed' | undefined) => Next<ServerState>,
): Next<ServerState> {
  const { crypto } = cx.config;
  if (cx.config.findPsk === undefined) return then(undefined);
  const asItIs = (): Next<ServerState> =>
    lookUp(wireIdentity, undefined, cx, (psk) => {
      if (psk === 'psk_lookup_failed') return then(psk);
      return then(
        psk === undefined || psk.import !== undefined ? undefined : plainPsk({ ...psk, identity: wireIdentity }),
      );
    });
  const imported = decodeImportedIdentity(wireIdentity);
  const hash = imported && hashOf(imported.targetKdf);
  if (imported === undefined || hash === undefined || imported.targetProtocol !== ProtocolVersion.tls13)
    return asItIs();
  const { externalIdentity, context } = imported;
  return lookUp(externalIdentity, hash, cx, (psk) => {
    if (psk === 'psk_lookup_failed') return then(psk);
    if (psk?.import === undefined || !equalConstantTime(psk.import.context ?? NO_CONTEXT, context)) return asItIs();
    return then(importedPsk({ ...psk, identity: externalIdentity }, hash, crypto));
  });
}

function hashOf(targetKdf: number): HashName | undefined {
  return (Object.keys(TARGET_KDFS) as HashName[]).find((hash) => TARGET_KDFS[hash] === targetKdf);
}

/** Throws {@link TlsUsageError} when what the application gives is no usable PSK. */
function lookUp(
  identity: Uint8Array,
  targetHash: HashName | undefined,
  { config }: ServerContext,
  then: (psk: ExternalPsk | 'psk_lookup_failed' | undefined) => Next<ServerState>,
): Next<ServerState> {
  const { clock, findPsk, tickets } = config;
  const found = outcomeOf(() => findPsk?.(copyOf(identity), targetHash), { clock, deadlineMs: tickets.deadlineMs });
  return ask('findPsk', found, (outcome) => {
    // Databases say null.
    const psk = answerOr(outcome, 'psk_lookup_failed' as const, 'psk_lookup_failed' as const) ?? undefined;
    if (psk !== undefined && psk !== 'psk_lookup_failed') checkPsk('the PSK that findPsk found', psk);
    return then(psk);
  });
}
