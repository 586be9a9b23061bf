import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import type { Credential } from '../../src/crypto/index.ts';
import { createSigner } from '../../src/providers/node/index.ts';
import { createSelfSigned } from '../../src/x509/index.ts';

export type KeyKind = 'p256' | 'p384' | 'p521' | 'rsa2048' | 'rsa-pss' | 'ed25519' | 'ed448';

const EC_CURVES: Partial<Record<KeyKind, string>> = { p256: 'P-256', p384: 'P-384', p521: 'P-521' };
const keys = new Map<KeyKind, { publicKey: KeyObject; privateKey: KeyObject }>();

/** One key pair of each kind for the whole test process: RSA keys are slow to make. */
export function keyPair(kind: KeyKind): { publicKey: KeyObject; privateKey: KeyObject } {
  let pair = keys.get(kind);
  if (pair === undefined) {
    pair = generate(kind);
    keys.set(kind, pair);
  }
  return pair;
}

function generate(kind: KeyKind): { publicKey: KeyObject; privateKey: KeyObject } {
  const namedCurve = EC_CURVES[kind];
  if (namedCurve !== undefined) return generateKeyPairSync('ec', { namedCurve });
  if (kind === 'rsa2048') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  if (kind === 'rsa-pss') return generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
  return kind === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ed448');
}

export interface TestIdentity {
  readonly credential: Credential;
  /** DER; also the trust anchor. */
  readonly certificate: Uint8Array;
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** The time around which certificates made here are valid, whatever clock a test uses: 2026-01-01. */
export const TEST_NOW: number = Date.UTC(2026, 0, 1);

/** A self-signed certificate with its key, valid from 2020 to 2049. */
export async function makeIdentity(
  kind: KeyKind = 'p256',
  names: readonly string[] = ['localhost', '127.0.0.1', '::1'],
): Promise<TestIdentity> {
  const { publicKey, privateKey } = keyPair(kind);
  const signer = createSigner(privateKey);
  const certificate = await createSelfSigned({
    subjectPublicKeyInfo: publicKey.export({ type: 'spki', format: 'der' }),
    signer,
    names: [...names],
    notBefore: Date.UTC(2020, 0, 1),
    notAfter: Date.UTC(2049, 0, 1),
    serial: randomBytes(16),
  });
  const base64 = Buffer.from(certificate).toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return {
    credential: { chain: [certificate], signer, names: names.map((name) => name.toLowerCase()) },
    certificate,
    certificatePem: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}
