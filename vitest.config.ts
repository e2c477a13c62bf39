import { defineConfig } from 'vitest/config';

export default defineConfig({
  // As in scripts/build.ts, for commands that run in the process of a test.
  define: { KIMI_DISPATCH_VERSION: '"0.0.0"' },
  test: {
    include: ['test/!(e2e)/**/*.test.ts'],
    // Also on a machine whose CI variable asks for colours: commands in the process of a test print what one without a terminal does.
    env: { NO_COLOR: '1' },
    globalSetup: 'test/support/engine.ts',
    // A worker holds a native runtime: one process a file.
    pool: 'forks',
    // More than two cores need: most tests wait for a process, a timer or the engine.
    maxWorkers: 4,
    // A limit for what hangs, not a promise: every wait in a test is for an event.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 180_000 } },
  },
});
