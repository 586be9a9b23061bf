/**
 * A shim for BoringSSL's test runner: one process for each test, told by flags what to do. See README.md beside it.
 */
import { TlsAlertError, TlsPeerAlertError, TlsUsageError } from '../../src/index.ts';
import { Memory } from './configs.ts';
import { Exchange } from './exchange.ts';
import { parseFlags, Unimplemented } from './flags.ts';

const UNIMPLEMENTED = 89;

/** The one line about a failure that the runner's `ErrorMap` (config.json) is held against. */
function describe(error: unknown): string {
  if (error instanceof TlsPeerAlertError) return `[${error.code}.${error.alert}] ${error.message}`;
  if (error instanceof TlsAlertError || error instanceof TlsUsageError) return `[${error.code}] ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('-is-handshaker-supported')) {
    console.log('No');
    return 0;
  }
  try {
    const phases = parseFlags(args);
    const memory = new Memory();
    const count = 1 + (phases.initial.number('resume-count') ?? 0);
    let ticket: Awaited<ReturnType<Exchange['run']>>;
    for (let i = 0; i < count; i++) {
      ticket = await new Exchange(phases, i, memory).run(ticket);
      memory.skew += 1_000 * (phases.initial.number('resumption-delay') ?? 0);
    }
    return 0;
  } catch (error) {
    console.error(error instanceof Unimplemented ? `not implemented: ${error.message}` : describe(error));
    return error instanceof Unimplemented ? UNIMPLEMENTED : 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
