import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import type { KeySnapshot, ServerTicketKeys } from './server-ticket-keys.ts';

/**
 * Ticket keys of servers in node:cluster, without configuration.
 *
 * Node passes what `_getServerData` of the first worker gives to `_setServerData` of every worker that listens at the same place, now or after
 * a respawn: the master secrets, from which all derive the same keys, also later ones. What a program sets afterwards goes to the others through the
 * primary, as far as that has loaded this module, as it does where the program is one file. (PM2's has not: there a worker has what it set alone.)
 *
 * Messages bear the `cmd: 'NODE_…'` that keeps them from `message` listeners of the program:
 *
 *   worker -> primary    { cmd, group }                     what is the latest?
 *                        { cmd, group, snapshot, revoke }
 *   primary -> worker    { cmd, group, snapshot, revoke }
 *
 * Keys are in hexadecimal, as in Node: they are in strings and in the kernel for a moment, only ever between processes of one program.
 */
const CMD = 'NODE_TESSERA_TICKET_KEYS';

interface KeysMessage {
  readonly cmd: typeof CMD;
  /** Servers that share their keys: those that listen at one place. */
  readonly group: string;
  readonly snapshot?: KeySnapshot;
  /** Tickets under other keys are to be refused. */
  readonly revoke?: boolean;
}

/** What node:cluster carries from the first worker to all. `ticketKeys` alone is what Node itself sends. */
export interface ServerData {
  readonly ticketKeys?: string;
  readonly tessera?: { readonly group: string; readonly snapshot: KeySnapshot };
}

/** `{}` where the program keeps the keys: it shares them itself. */
export function serverData(keys: ServerTicketKeys): ServerData {
  if (keys.master === undefined) return {};
  const snapshot = keys.snapshot();
  return { ticketKeys: snapshot.keys[0]!, tessera: { group: randomUUID(), snapshot } };
}

/** The keys of one server among the processes of a program. */
export class ClusterMember {
  readonly #keys: ServerTicketKeys;
  readonly #group: string;

  private constructor(keys: ServerTicketKeys, group: string) {
    this.#keys = keys;
    this.#group = group;
    if (members.size === 0) process.on('internalMessage', onMessage);
    members.set(group, (members.get(group) ?? new Set()).add(keys));
    post({ cmd: CMD, group });
  }

  /** Takes over the keys of the first worker, and follows what is set later. `undefined` when there is nothing to follow. */
  static join(keys: ServerTicketKeys, data: ServerData | null | undefined): ClusterMember | undefined {
    if (keys.isOfProgram || !data?.ticketKeys) return undefined;
    keys.follow(data.tessera?.snapshot ?? { keys: [data.ticketKeys] });
    return data.tessera && new ClusterMember(keys, data.tessera.group);
  }

  /** Tells the others what was set here. */
  publish(revoke: boolean): void {
    post({ cmd: CMD, group: this.#group, snapshot: this.#keys.snapshot(), revoke });
  }

  leave(): void {
    const here = members.get(this.#group);
    here?.delete(this.#keys);
    if (here?.size === 0) members.delete(this.#group);
    if (members.size === 0) process.off('internalMessage', onMessage);
  }
}

/** The servers of this process in each group. */
const members = new Map<string, Set<ServerTicketKeys>>();

function onMessage(message: KeysMessage | undefined): void {
  if (message?.cmd !== CMD || message.snapshot === undefined) return;
  for (const keys of members.get(message.group) ?? []) keys.follow(message.snapshot, message.revoke);
}

function post(message: KeysMessage): void {
  // The callback takes the error of a channel that closes.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

/** A group ends when none of its workers listens any more, which the primary does not hear of. */
const MAX_GROUPS = 1_000;

/** Primary: what was set last in each group, latest last. */
const latest = new Map<string, KeysMessage>();

if (cluster.isPrimary) {
  cluster.on('fork', (worker) => worker.process.on('internalMessage', onWorkerMessage.bind(undefined, worker)));
}

function onWorkerMessage(from: Worker, message: KeysMessage | undefined): void {
  if (message?.cmd !== CMD) return;
  if (message.snapshot === undefined) {
    const known = latest.get(message.group);
    if (known !== undefined) send(from, known);
    return;
  }
  latest.delete(message.group);
  latest.set(message.group, message);
  if (latest.size > MAX_GROUPS) latest.delete(latest.keys().next().value!);
  // To the sender too: of several that set keys at one time, all end with those that came here last.
  for (const worker of Object.values(cluster.workers ?? {})) if (worker !== undefined) send(worker, message);
}

function send(worker: Worker, message: KeysMessage): void {
  if (worker.isConnected()) worker.process.send(message, undefined, undefined, () => {});
}
