import type { Family } from '../case.ts';
import { basicConstraints, extendedKeyUsages, keyIdentifiers, keyUsages } from './authorities.ts';
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
  ];
}
