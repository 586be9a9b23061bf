import type { Family } from '../case.ts';
import { keys, signatureAlgorithms, signatures } from './signatures.ts';
import { timeForms, validity } from './validity.ts';

export function allFamilies(): readonly Family[] {
  return [
    { name: 'validity', cases: validity() },
    { name: 'forms of times', cases: timeForms() },
    { name: 'signatures', cases: signatures() },
    { name: 'signature algorithms', cases: signatureAlgorithms() },
    { name: 'keys', cases: keys() },
  ];
}
