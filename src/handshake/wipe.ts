/** Wipes every secret that a handshake state holds, however deep: used when a connection fails or is over. */
export function wipeSecrets(value: unknown, depth = 4): void {
  if (typeof value !== 'object' || value === null || depth === 0) return;
  const wipe = (value as { wipe?: unknown }).wipe;
  if (typeof wipe === 'function') {
    wipe.call(value);
    return;
  }
  if (value instanceof Uint8Array) return;
  for (const part of Object.values(value)) wipeSecrets(part, depth - 1);
}
