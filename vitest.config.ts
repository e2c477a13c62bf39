import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take longest, which start first: otherwise one of them runs alone at the end. Those that start stacks alternate with others:
 * all stacks of a machine share fifteen ports (src/stack/ui-proxy.ts), two for each.
 */
const LONGEST = [
  'cli/cli',
  'workflows/crash',
  'relay/relay',
  'cli/everyday',
  'webhook/journal',
  'cli/continue',
  'relay/documents',
  'autostart/service',
  'relay/batches',
  'relay/tools',
  'stack/services-killed',
  'relay/fallback',
  'stack/down',
  'workflows/task',
  'docs/commands',
  'limiter/limiter',
  'stack/hang',
  'relay/map-batches',
  'service/services',
  'mcp/mcp',
  'limiter/budget',
  'cli/attach',
  'temporal/engine-tls',
  'workflows/sleep',
  'workflows/map',
  'stack/map-killed',
  'relay/relay-crash',
  'service/metrics',
  'openai/killed',
  'service/environment',
];

const rank = ({ moduleId }: TestSpecification): number => {
  const found = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
  return found === -1 ? LONGEST.length : found;
};

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- not that of an array
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  // As in scripts/build.ts, for commands that run in the process of a test.
  define: { KIMI_DISPATCH_VERSION: '"0.0.0"' },
  test: {
    include: ['test/!(e2e)/**/*.test.ts'],
    // Also on a machine whose CI variable asks for colours: commands in the process of a test print what one without a terminal does.
    env: { NO_COLOR: '1' },
    globalSetup: 'test/support/engine.ts',
    // A worker holds a native runtime, and commands change the environment: processes, not threads. Each runs one file after the other, as
    // a new one takes a second of a core to load the modules.
    pool: 'forks',
    isolate: false,
    // For two cores: a file uses a third of one, as most tests wait for a process, a timer or the engine.
    maxWorkers: 5,
    sequence: { sequencer: LongestFirst },
    // A limit for what hangs, not a promise: every wait in a test is for an event.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 180_000 } },
  },
});
