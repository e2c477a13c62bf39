/**
 * kill -9 of the services, which are one process, amid callbacks and streams: nothing that was accepted is lost, and nothing is paid for
 * or shown twice.
 */
import { expect, it } from 'vitest';
import type { ResultFile } from '../../src/shared/result.ts';
import { ResultStore } from '../../src/results/store.ts';
import { answerTo } from '../../src/simulator/answers.ts';
import { runningStack } from '../../src/stack/state.ts';
import { isRight } from '../chaos/relayed.ts';
import { call } from '../support/api.ts';
import { homeBesideKimiAndGateway } from '../support/beside-kimi.ts';
import { resultsOf, up } from '../support/cli.ts';
import { until } from '../support/resources.ts';

const TASKS = 24;

/** How often the services are killed. */
const KILLS = 2;

/** Answers come one after the other for some seconds. */
const DIRECTIVES = {
  native: (n: number) => `delay=${1_500 + n * 200}`,
  relay: (n: number) => `chunks=${10 + 2 * n} chunk-delay=100`,
};

it.each(['native', 'relay'] as const)('callbacks of the kind %s', { timeout: 600_000 }, async (callbacks) => {
  const { gateway, events, counts, env, home } = await homeBesideKimiAndGateway({
    KIMI_CALLBACKS: callbacks,
    KIMI_ON_INTERRUPT: 'retry',
    KIMI_RELAY_STREAMS: String(TASKS),
    KIMI_MAX_CONCURRENT_TASKS: '0',
  });
  const socket = (await up(env)).state.api_socket ?? '';
  const results = new ResultStore(resultsOf(env));
  const services = async (): Promise<number | undefined> => (await runningStack(home))?.children[1]?.pid;
  const isPaidOnce = (task: { task_id: string; task_name: string; prompt: string }, result?: ResultFile): boolean =>
    callbacks === 'relay'
      ? isRight(counts, task, result)
      : events.filter(({ task_id, what }) => task_id === task.task_id && what === 'taken').length === 1;
  const tasks = await Promise.all(
    Array.from({ length: TASKS }, async (_, n) => {
      const task_name = `task-${n}`;
      const prompt = `${task_name} [[simulate: mark=${task_name} ${DIRECTIVES[callbacks](n)}]]`;
      const { status, body } = await call(socket, 'POST', '/v1/tasks', { body: { prompt, name: task_name } });
      expect(status, JSON.stringify(body)).toBe(201);
      return { task_id: (body as { task_id: string }).task_id, task_name, prompt };
    }),
  );
  const saved = async (): Promise<number> => {
    const all = await Promise.all(tasks.map(async ({ task_id }) => await results.read(task_id)));
    return all.filter((result) => result?.acknowledged).length;
  };
  for (let kill = 1; kill <= KILLS; kill += 1) {
    // Some are done, others are being answered, saved or woken.
    const done = (kill * TASKS) / (KILLS + 2);
    await until(async () => (await saved()) >= done);
    const pid = await services();
    expect(process.kill(pid as number, 'SIGKILL')).toBe(true);
    await until(async () => ![pid, undefined].includes(await services()));
  }
  await until(async () => (await saved()) === TASKS);

  for (const task of tasks) {
    const result = await results.read(task.task_id);
    const said = `${task.task_name}: ${JSON.stringify(result?.error)}`;
    expect(result?.output ?? result?.partial_output, said).toBe(answerTo(task.prompt));
    expect(result?.status === 'done' && isPaidOnce(task, result), said).toBe(true);
    const shown = gateway.wakes.filter((wake) => wake.shown && wake.key.startsWith(task.task_id));
    expect(shown.map(({ key }) => key)).toEqual([task.task_id]);
  }
});
