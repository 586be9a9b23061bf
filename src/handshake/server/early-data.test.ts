import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EarlyDataDecline } from '../events.ts';
import { type EarlyDataFacts, judgeEarlyData } from './early-data.ts';

const ISSUED = Date.UTC(2026, 0, 1);

const TICKET: NonNullable<EarlyDataFacts['ticket']> = {
  id: new Uint8Array(16),
  cipherSuite: 0x1301,
  issuedAt: ISSUED,
  authenticatedAt: ISSUED,
  lifetimeSeconds: 604_800,
  ageAdd: 1_000,
  serverName: 'example.com',
  alpn: 'h2',
  maxEarlyDataSize: 1,
  client: { chain: [], authorized: false },
  appData: new Uint8Array(0),
};

/** Sent 5 s after the ticket was issued, and received at once. */
const GOOD: EarlyDataFacts = {
  windowMs: 10_000,
  ticket: TICKET,
  identityIndex: 0,
  obfuscatedTicketAge: 6_000,
  cipherSuite: 0x1301,
  alpn: 'h2',
  serverName: 'example.com',
  now: ISSUED + 5_000,
};

const WEEK_MS = 604_800_000;
const { alpn: _alpn, serverName: _name, ...bare } = TICKET;

const TABLE: readonly (readonly [what: string, facts: Partial<EarlyDataFacts>, verdict: number | EarlyDataDecline])[] =
  [
    ['everything fits', {}, ISSUED + 5_000],
    ['off', { windowMs: undefined }, 'off'],
    ['a full handshake', { ticket: undefined }, 'not_resumed'],
    ['the second ticket', { identityIndex: 1 }, 'not_first_identity'],
    ['a ticket without', { ticket: { ...TICKET, maxEarlyDataSize: 0 } }, 'ticket_without_early_data'],
    ['another suite of the same hash', { cipherSuite: 0x1303 }, 'cipher_suite_mismatch'],
    ['another protocol', { alpn: 'http/1.1' }, 'alpn_mismatch'],
    ['no protocol any more', { alpn: undefined }, 'alpn_mismatch'],
    ['a protocol, where there was none', { ticket: bare, serverName: undefined }, 'alpn_mismatch'],
    ['no protocol and no name, twice', { ticket: bare, alpn: undefined, serverName: undefined }, ISSUED + 5_000],
    ['another name', { serverName: 'example.org' }, 'server_name_mismatch'],
    ['no name', { serverName: undefined }, 'server_name_mismatch'],
    ['a name where there was none', { ticket: { ...bare, alpn: 'h2' } }, 'server_name_mismatch'],
    ['the same name in capitals', { serverName: 'EXAMPLE.com' }, ISSUED + 5_000],
    ['as old as the window', { now: ISSUED + 15_000 }, ISSUED + 5_000],
    ['older than the window', { now: ISSUED + 15_001 }, 'ticket_age'],
    ['as far ahead as the window', { now: ISSUED - 5_000 }, ISSUED + 5_000],
    ['further ahead', { now: ISSUED - 5_001 }, 'ticket_age'],
    ['a week later', { obfuscatedTicketAge: 1_000 + WEEK_MS, now: ISSUED + WEEK_MS }, ISSUED + WEEK_MS],
    // rfc9846#section-4.3.11.1: "modulo 2^32"
    [
      'ticket_age_add wraps around',
      { ticket: { ...TICKET, ageAdd: 0xffff_ffff }, obfuscatedTicketAge: 4_999 },
      ISSUED + 5_000,
    ],
    [
      'both at their largest',
      { ticket: { ...TICKET, ageAdd: 0xffff_ffff }, obfuscatedTicketAge: 0xffff_ffff, now: ISSUED },
      ISSUED,
    ],
    ['an age below zero', { obfuscatedTicketAge: 999, now: ISSUED }, 'ticket_age'],
    ['a guard without a sane window', { windowMs: Number.NaN }, 'ticket_age'],
  ];

for (const [what, facts, verdict] of TABLE)
  test(`early data, ${what}: ${typeof verdict === 'string' ? verdict : 'goes on'}`, () =>
    assert.equal(judgeEarlyData({ ...GOOD, ...facts }), verdict));
