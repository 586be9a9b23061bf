import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createSigner } from '../providers/node/index.ts';
import { createSelfSigned } from '../x509/index.ts';

const DAY_MS = 86_400_000;

/** A new P-256 key and a certificate for this machine's loopback names, valid for 30 days, as PEM. Nothing is written to disk. */
export async function throwAway(): Promise<{ readonly cert: string; readonly key: string }> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = Date.now();
  const certificate = await createSelfSigned({
    subjectPublicKeyInfo: publicKey.export({ type: 'spki', format: 'der' }),
    signer: createSigner(privateKey),
    names: ['localhost', '127.0.0.1', '::1'],
    notBefore: now - DAY_MS, // clocks differ
    notAfter: now + 30 * DAY_MS,
    serial: randomBytes(16),
  });
  return { cert: pem('CERTIFICATE', certificate), key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
}

function pem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;
}
