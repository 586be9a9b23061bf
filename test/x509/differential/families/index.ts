import type { Family } from '../case.ts';
import { basicConstraints, extendedKeyUsages, keyIdentifiers, keyUsages } from './authorities.ts';
import { encodings } from './encodings.ts';
import { criticalExtensions, duplicates, names, serials, versions } from './fields.ts';
import { hosts } from './hosts.ts';
import { lists } from './lists.ts';
import { dnsConstraints, otherConstraints } from './name-constraints.ts';
import { pairs } from './pairs.ts';
import { alternatives, shapes } from './paths.ts';
import { keys, signatureAlgorithms, signatures } from './signatures.ts';
import { timeForms, validity } from './validity.ts';

export function allFamilies(): readonly Family[] {
  const independent: readonly Family[] = [
    { name: 'validity', cases: validity() },
    { name: 'forms of times', cases: timeForms() },
    { name: 'signatures', cases: signatures() },
    { name: 'signature algorithms', cases: signatureAlgorithms() },
    { name: 'keys', cases: keys() },
    { name: 'basicConstraints', cases: basicConstraints() },
    { name: 'key usage', cases: keyUsages() },
    { name: 'extended key usage', cases: extendedKeyUsages() },
    { name: 'critical extensions', cases: criticalExtensions() },
    { name: 'extensions twice', cases: duplicates() },
    { name: 'versions and fields', cases: versions() },
    { name: 'serial numbers', cases: serials() },
    { name: 'DER', cases: encodings() },
  ];
  // These are about two certificates at once, so that a second change could mend what the first one broke.
  const connected: readonly Family[] = [
    { name: 'key identifiers', cases: keyIdentifiers() },
    { name: 'name constraints: DNS', cases: dnsConstraints() },
    { name: 'name constraints: others', cases: otherConstraints() },
    { name: 'hosts and addresses', cases: hosts() },
    { name: 'names', cases: names() },
    { name: 'shapes of chains', cases: shapes() },
    { name: 'alternative paths', cases: alternatives() },
    { name: 'revocation lists', cases: lists() },
  ];
  return [...independent, ...connected, { name: 'two changes at once', cases: pairs(independent) }];
}
