/** A stack with a relay in front of the simulated Kimi, that is killed whole and started again at the same addresses. */
import { createToken } from '../../src/api/tokens.ts';
import { ResultStore } from '../../src/results/store.ts';
import { runningStack } from '../../src/stack/state.ts';
import { homeBesideKimi } from './beside-kimi.ts';
import { launch, resultsOf } from './cli.ts';
import { freePort } from './engine.ts';
import { until } from './resources.ts';

export async function killableStack() {
  const port = await freePort(2);
  const { env, home, counts } = await homeBesideKimi({
    KIMI_CALLBACKS: 'relay',
    KIMI_API_PORT: String(port),
    KIMI_MAX_CONCURRENT_TASKS: '0',
    WEBHOOK_PORT: String(port + 1),
  });
  return {
    counts,
    env,
    results: new ResultStore(resultsOf(env)),
    /** Of a client of OpenAI's API. */
    baseURL: `http://127.0.0.1:${port}/openai/v1`,
    apiKey: (await createToken(home, 'app', ['submit', 'read'])) ?? '',
    start: async (): Promise<void> => {
      const { child } = launch(['up'], env);
      await until(async () => ((await runningStack(home))?.pid === child.pid ? true : undefined));
    },
    /** kill -9 of everything, engine included. */
    kill: async (): Promise<void> => {
      const stack = await runningStack(home);
      const pids = [stack?.pid, ...(stack?.children.map(({ pid }) => pid) ?? [])].filter((pid) => pid !== undefined);
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      await until(async () => ((await runningStack(home)) ? undefined : true));
    },
  };
}
