import { defineConfig, mergeConfig } from 'vitest/config';
import config from '../../vitest.config.ts';

/** `npm run e2e:litellm` and `npm run e2e:llama` use the tests' engine and world. */
export default mergeConfig(
  { ...config, test: { ...config.test, include: [] } },
  defineConfig({ test: { include: ['test/e2e/providers/*.test.ts'] } }),
);
