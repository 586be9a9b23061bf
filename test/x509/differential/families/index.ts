import type { Family } from '../case.ts';
import { basicConstraints, extendedKeyUsages, keyIdentifiers, keyUsages } from './authorities.ts';
import { encodings } from './encodings.ts';
import { criticalExtensions, duplicates, names, serials, versions } from './fields.ts';
import { hosts } from './hosts.ts';
import { lists } from './lists.ts';
import { dnsConstraints, otherConstraints } from './name-constraints.ts';
import { alternatives, shapes } from './paths.ts';
import { keys, signatureAlgorithms, signatures } from './signatures.ts';
import { timeForms, validity } from './validity.ts';

export function allFamilies(): readonly Family[] {
  return [
    { name: 'validity', cases: validity() },
    { name: 'forms of times', cases: timeForms() },
    { name: 'signatures', cases: signatures() },
    { name: 'signature algorithms', cases: signatureAlgorithms() },
    { name: 'keys', cases: keys() },
    { name: 'basicConstraints', cases: basicConstraints() },
    { name: 'key usage', cases: keyUsages() },
    { name: 'extended key usage', cases: extendedKeyUsages() },
    { name: 'key identifiers', cases: keyIdentifiers() },
    { name: 'name constraints: DNS', cases: dnsConstraints() },
    { name: 'name constraints: others', cases: otherConstraints() },
    { name: 'hosts and addresses', cases: hosts() },
    { name: 'critical extensions', cases: criticalExtensions() },
    { name: 'extensions twice', cases: duplicates() },
    { name: 'versions and fields', cases: versions() },
    { name: 'serial numbers', cases: serials() },
    { name: 'names', cases: names() },
    { name: 'shapes of chains', cases: shapes() },
    { name: 'alternative paths', cases: alternatives() },
    { name: 'revocation lists', cases: lists() },
    { name: 'DER', cases: encodings() },
  ];
}
