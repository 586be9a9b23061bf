import type { Family } from '../case.ts';
import { timeForms, validity } from './validity.ts';

export function allFamilies(): readonly Family[] {
  return [
    { name: 'validity', cases: validity() },
    { name: 'forms of times', cases: timeForms() },
  ];
}
