/** Each scenario is run twice: with node:tls, and with ours. What a program sees must be the same, or differ as documented. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as nodeTls from 'node:tls';
import * as ours from '../../../src/node/index.ts';
import { type Log, type Scenario, type Tls, World, within } from './scenario.ts';
import { SCENARIOS } from './scenarios/index.ts';

const RELEASE = Number(process.versions.node.split('.')[0]);
const modules: Readonly<Record<'node' | 'ours', Tls>> = {
  node: nodeTls as unknown as Tls,
  ours: ours as unknown as Tls,
};
type Name = keyof typeof modules;

async function logOf(scenario: Scenario, client: Name, server: Name): Promise<Log> {
  const world = new World(modules[client], modules[server]);
  try {
    await within('the scenario', Promise.resolve(scenario.run(world)));
  } catch (error) {
    world.c('FAILED', error);
    if (process.env['COMPAT_TRACE']) console.error(scenario.name, client, server, error);
  }
  await world.end();
  return world.log;
}

/** The lines, or those of them that `differs` says to differ. */
function pick(log: Log, lines: RegExp | undefined, differing: boolean): Log {
  const of = (side: readonly string[]): readonly string[] =>
    side.filter((line) => (lines?.test(line) ?? false) === differing);
  return { client: of(log.client), server: of(log.server) };
}

test('the scenarios have names of their own, and at least 80 of them there are', () => {
  assert.equal(new Set(SCENARIOS.map(({ name }) => name)).size, SCENARIOS.length);
  assert.ok(SCENARIOS.length >= 80, `${SCENARIOS.length}`);
});

for (const scenario of SCENARIOS) {
  const { name, releases } = scenario;
  const old = releases !== undefined && RELEASE < releases.from ? `Node ${RELEASE}: ${releases.reason}` : false;
  test(name, { skip: old }, async () => {
    const differs = scenario.differs?.in?.(RELEASE) === false ? undefined : scenario.differs;
    const node = await logOf(scenario, 'node', 'node');
    assert.ok(!node.client.some((line) => line.startsWith('FAILED')), `node:tls: ${JSON.stringify(node, null, 1)}`);
    const log = await logOf(scenario, 'ours', 'ours');
    assert.deepEqual(pick(log, differs?.lines, false), pick(node, differs?.lines, false), 'ours, and then node:tls');
    if (differs !== undefined) {
      assert.ok(
        [...log.client, ...log.server].some((line) => differs.ours.test(line)),
        JSON.stringify(log, null, 1),
      );
      assert.notDeepEqual(
        pick(log, differs.lines, true),
        pick(node, differs.lines, true),
        'they do not differ any more',
      );
      return;
    }
    if (!scenario.across) return;
    for (const [client, server] of [
      ['node', 'ours'],
      ['ours', 'node'],
    ] as const) {
      const mixed = await logOf(scenario, client, server);
      assert.deepEqual(mixed, node, `client: ${client}, server: ${server}; and then node:tls alone`);
    }
  });
}
