import { defineConfig, mergeConfig } from 'vitest/config';
import config from '../../vitest.config.ts';

/** `npm run e2e:openclaw` uses the tests' engine setup, for the path of its binary. One gateway at a time. */
export default mergeConfig(
  { ...config, test: { ...config.test, include: [] } },
  defineConfig({
    test: {
      include: ['test/e2e/openclaw/*.test.ts'],
      maxWorkers: 1,
      isolate: true,
      // A limit for what hangs: every wait in a test is for an event. On a busy machine a gateway starts in two minutes or more.
      testTimeout: 900_000,
      hookTimeout: 900_000,
    },
  }),
);
