/** What our verifier says of a case, and what `openssl verify` does. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { PeerVerdict } from '../../src/peer-auth/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { ipBytes } from '../../src/x509/name-match.ts';
import { peer } from '../support/peers.ts';
import type { ChainCase } from './chains.ts';
import { NOW, pem } from './forge.ts';

function nameOf({ role = 'server', serverName = 'www.example.com' }: ChainCase): string | undefined {
  return role === 'server' ? serverName : undefined;
}

export function judge(one: ChainCase): PeerVerdict {
  const { allowPartialChain, crls, anchors, chain, role = 'server', now = NOW } = one;
  const verifier = createVerifier({
    crypto: nodeCrypto,
    anchors,
    ...(allowPartialChain !== undefined && { allowPartialChain }),
    ...(crls && { crls }),
  });
  const serverName = nameOf(one);
  const verdict = verifier.verify({ chain, role, now, ...(serverName === undefined ? {} : { serverName }) });
  assert.ok(!(verdict instanceof Promise), 'with a synchronous provider the verdict is synchronous');
  return verdict;
}

/** As strict as it can be, with every certificate after the first as untrusted. `path` is the beginning of names for its files. */
export async function opensslAccepts(one: ChainCase, path: string): Promise<boolean> {
  const [leaf, ...rest] = one.chain;
  const { crls = [], now = NOW } = one;
  writeFileSync(`${path}-leaf.pem`, pem(leaf!));
  writeFileSync(`${path}-rest.pem`, rest.map((der) => pem(der)).join(''));
  writeFileSync(`${path}-anchors.pem`, one.anchors.map((der) => pem(der)).join(''));
  writeFileSync(`${path}-crls.pem`, crls.map((der) => pem(der, 'X509 CRL')).join(''));
  const name = nameOf(one);
  const nameArgs = name === undefined ? [] : [ipBytes(name) === undefined ? '-verify_hostname' : '-verify_ip', name];
  const args = ['verify', '-x509_strict', '-auth_level', '2', '-no-CAfile', '-no-CApath', '-no-CAstore'];
  args.push('-purpose', one.role === 'client' ? 'sslclient' : 'sslserver', '-attime', String(now / 1000), ...nameArgs);
  if (one.anchors.length > 0) args.push('-CAfile', `${path}-anchors.pem`);
  if (rest.length > 0) args.push('-untrusted', `${path}-rest.pem`);
  if (crls.length > 0) args.push('-crl_check_all', '-CRLfile', `${path}-crls.pem`);
  if (one.allowPartialChain) args.push('-partial_chain');
  args.push(`${path}-leaf.pem`);
  return new Promise((resolve) => {
    execFile(peer('openssl')!.path, args, { timeout: 20_000 }, (error) => resolve(error === null));
  });
}
