import type { Scenario } from '../scenario.ts';
import { alpnScenarios } from './alpn.ts';
import { argumentShapes } from './arguments.ts';
import { authorization } from './authorization.ts';
import { contexts } from './contexts.ts';
import { failures } from './failures.ts';
import { information } from './information.ts';
import { lifecycle } from './lifecycle.ts';
import { module } from './module.ts';
import { pskAndOcsp } from './psk-ocsp.ts';
import { sessions } from './sessions.ts';
import { sni } from './sni.ts';
import { streams } from './streams.ts';

export const SCENARIOS: readonly Scenario[] = [
  ...module,
  ...argumentShapes,
  ...contexts,
  ...alpnScenarios,
  ...sni,
  ...authorization,
  ...sessions,
  ...information,
  ...lifecycle,
  ...streams,
  ...failures,
  ...pskAndOcsp,
];
