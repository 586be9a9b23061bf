import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Metrics, type Server, type TicketHandle, type TLSSocket, type TlsOptions } from '../node/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { RedisReplayGuard, RedisTicketStore } from '../stores/redis/index.ts';
import {
  MemoryTicketStore,
  RecordingGuard,
  type ReplayGuard,
  rfc9149,
  StoreSealer,
  type TicketKeyRing,
} from '../tickets/index.ts';
import { CliError, ExitCode, integer, reason, usageError } from './options.ts';
import { connectRedis } from './redis.ts';
import { address, type Report, timeOfDay } from './report.ts';
import { openTicketKeys, TICKET_KEYS_HELP } from './ticket-keys.ts';

export const SERVE_TICKETS_HELP: string = `${TICKET_KEYS_HELP}  --ticket-store S      memory, or redis://HOST:PORT: keep what tickets stand for here; not with --ticket-keys, whose
                        tickets carry it themselves
  --ticket-request-max N  clients that say how many tickets they want get them, up to N (RFC 9149)
  --early-data N        accept up to N bytes of early data (0-RTT), and answer GET in it; repeats are known to this process, or
                        to all servers with the same Redis in --ticket-store or --ticket-keys
  --metrics PORT        counters for Prometheus on http://127.0.0.1:PORT/metrics; 0: any port
`;

export const SERVE_TICKETS_OPTIONS = {
  'ticket-keys': 'string',
  'ticket-store': 'string',
  'ticket-request-max': 'string',
  'early-data': 'string',
  metrics: 'string',
} as const;

export type ServeTicketsValues = { readonly [K in keyof typeof SERVE_TICKETS_OPTIONS]?: string };

/** What the options about tickets come to. */
export interface ServeTickets {
  readonly options: Pick<TlsOptions, 'ticketKeyRing' | 'tickets' | 'earlyData'>;
  /** Whether tickets come from a store over the network, so that a page that is answered at once can show none. */
  readonly areRemote: boolean;
  close(): Promise<void>;
}

/** Longer than a store may take. */
const TICKETS_MS = 500;

const isRedis = (source: string | undefined): source is string => /^rediss?:/.test(source ?? '');

/** Opens what keys and tickets come from. A {@link CliError} says which option is wrong, or what cannot be reached. */
export async function openTickets(
  values: ServeTicketsValues,
  lifetimeSeconds: number | undefined,
  report: Report,
): Promise<ServeTickets> {
  const { 'ticket-keys': source, 'ticket-store': store } = values;
  const maxTickets = integer('ticket-request-max', values['ticket-request-max'], 1, 255);
  const maxSize = integer('early-data', values['early-data'], 1, 0xffff_ffff);
  if (source !== undefined && store !== undefined) {
    throw usageError('--ticket-keys and --ticket-store exclude each other: with a store there are no keys');
  }
  if (store !== undefined && store !== 'memory' && !(isRedis(store) && URL.canParse(store))) {
    throw usageError(`--ticket-store must be memory or redis://HOST:PORT, not ${store}`);
  }
  const toClose: (() => void | Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const one of toClose.splice(0).reverse()) await one();
  };
  const warn = (message: string): void =>
    report.event('warning', { message }, `${report.style('dim', timeOfDay())} ${report.style('yellow', message)}`);
  try {
    const keys =
      source === undefined
        ? undefined
        : await openTicketKeys(source, {
            ...(lifetimeSeconds !== undefined && { lifetimeSeconds }),
            onChange: ({ type, key: { id, state } }) =>
              report.event(
                'ticket_key',
                { change: type, id, state },
                `${report.style('dim', timeOfDay())} ticket key ${id} ${type}`,
              ),
            onError: warn,
          });
    if (keys !== undefined) toClose.push(() => keys.close());
    const shared = isRedis(store) ? store : maxSize !== undefined && isRedis(source) ? source : undefined;
    const redis = shared === undefined ? undefined : await connectRedis(shared);
    if (redis !== undefined) toClose.push(() => redis.close());
    const link = redis && { client: redis.client, crypto: nodeCrypto };
    const sealer = store === undefined ? undefined : new StoreSealer({ crypto: nodeCrypto, store: storeOf(link) });
    if (maxSize !== undefined && link === undefined && source !== undefined) {
      warn('early data: servers that share the keys but not Redis each take the same early data once');
    }
    return {
      options: {
        ticketKeyRing: keys?.ring,
        tickets: {
          ...(sealer !== undefined && { sealer }),
          ...(maxTickets !== undefined && { policy: rfc9149({ max: maxTickets }) }),
        },
        earlyData:
          maxSize === undefined
            ? undefined
            : { maxSize, guard: guardOf(link, source !== undefined, warn), deliver: 'stream' },
      },
      areRemote: isRedis(store),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

type Link = Pick<ConstructorParameters<typeof RedisTicketStore>[0], 'client' | 'crypto'> | undefined;

function storeOf(link: Link): MemoryTicketStore | RedisTicketStore {
  return link === undefined ? new MemoryTicketStore() : new RedisTicketStore(link);
}

function guardOf(link: Link, keysOfOthers: boolean, warn: (message: string) => void): ReplayGuard {
  if (link !== undefined) return new RedisReplayGuard({ ...link, onUnavailable: ({ message }) => warn(message) });
  // Of tickets that only this process can open, nobody has taken early data before.
  return new RecordingGuard({ startedAt: keysOfOthers ? Date.now() : 0 });
}

/** Resolves when all tickets of the handshake were sent, or will not be soon. */
export function ticketsSent(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      const isPlanned = (ticket: TicketHandle): boolean => ticket.state(Date.now()) === 'planned';
      if (socket.destroyed || !(socket.secureConnecting || socket.tickets.some(isPlanned))) done();
    };
    const timer = setTimeout(() => done(), TICKETS_MS);
    const events = ['ticketIssued', 'ticketDeclined', 'close'] as const;
    const done = (): void => {
      clearTimeout(timer);
      for (const event of events) socket.off(event, look);
      resolve();
    };
    for (const event of events) socket.on(event, look);
    look();
  });
}

/** What became of early data, one line for each offer. */
export function reportEarlyData(server: Server, report: Report): void {
  server.on('earlyDataStatus', ({ accepted, reason: why }, socket: TLSSocket) => {
    const peer = address(socket.remoteAddress, socket.remotePort);
    const how = accepted ? report.style('green', 'accepted') : `${report.style('yellow', 'rejected')}: ${why}`;
    const line = `${report.style('dim', timeOfDay())} ${peer} early data ${how}`;
    report.event('early_data', { peer, accepted, reason: why ?? null }, line);
  });
}

/** Serves the counters on 127.0.0.1, with the keys of `ring`. */
export async function serveMetrics(
  port: number,
  ring: TicketKeyRing | undefined,
  report: Report,
): Promise<{ readonly close: () => void }> {
  const metrics = new Metrics().start();
  if (ring !== undefined) metrics.watchKeys(ring);
  const http = createHttpServer((request, response) => {
    const found = request.url === '/metrics';
    response.writeHead(found ? 200 : 404, {
      'content-type': `text/plain; ${found ? 'version=0.0.4; ' : ''}charset=utf-8`,
    });
    response.end(found ? metrics.prometheus() : 'there is /metrics\n');
  });
  await new Promise<void>((resolve, reject) => {
    http.once('error', (error: NodeJS.ErrnoException) => {
      const message = `--metrics: cannot listen on ${address('127.0.0.1', port)}: ${reason(error)}`;
      reject(new CliError(ExitCode.cannotConnect, message, error));
    });
    http.listen({ host: '127.0.0.1', port }, resolve);
  });
  const { port: actual } = http.address() as AddressInfo;
  report.event('metrics', { port: actual }, `metrics: http://127.0.0.1:${actual}/metrics`);
  return {
    close() {
      metrics.stop();
      http.close();
      http.closeAllConnections();
    },
  };
}
