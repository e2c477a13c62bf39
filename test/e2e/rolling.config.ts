import { defineConfig, mergeConfig } from 'vitest/config';
import config from '../../vitest.config.ts';

/** `npm run e2e:rolling` uses the tests' engine and world. */
export default mergeConfig(
  { ...config, test: { ...config.test, include: [] } },
  defineConfig({
    test: {
      include: ['test/e2e/rolling/*.test.ts'],
      // It may install and build the last release first.
      testTimeout: 600_000,
      disableConsoleIntercept: true,
    },
  }),
);
