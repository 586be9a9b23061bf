import { readdirSync } from 'node:fs';
import type { Attack } from './attack.ts';

let all: Promise<readonly Attack[]> | undefined;

/** Those of all files in `attacks`, each of which exports an `attack` or several `attacks`. */
export function allAttacks(): Promise<readonly Attack[]> {
  all ??= load();
  return all;
}

async function load(): Promise<readonly Attack[]> {
  const folder = new URL('attacks/', import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  const modules = await Promise.all(
    files
      .sort()
      .map(
        (name): Promise<{ readonly attack?: Attack; readonly attacks?: readonly Attack[] }> =>
          import(new URL(name, folder).href),
      ),
  );
  return modules.flatMap(({ attack, attacks = [] }) => (attack === undefined ? attacks : [attack, ...attacks]));
}

export async function findAttack(name: string): Promise<Attack> {
  const found = (await allAttacks()).find((attack) => attack.name === name);
  if (found === undefined) throw new Error(`there is no attack with the name ${name}`);
  return found;
}
