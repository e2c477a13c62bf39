/**
 * `npm run bench -- openclaw`: latency that a chat user sees on the real gateway (e2e/openclaw), and the requests of the
 * agent's model; beside the same job done by polling.
 */
import { watch } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { openStage, OWNER, type TelegramStage } from '../test/e2e/openclaw/stage.ts';
import { until } from '../test/support/until.ts';
import { readConfig } from '../src/config/index.ts';
import { findTemporalCli } from '../src/stack/temporal-cli.ts';
import { summarise, table, type Figure } from './stats.ts';

const ROUNDS = 20;

/** Rounds that are discarded: the first turns of a gateway include compilation. */
const WARM_UP_ROUNDS = 3;

/** Pause between two messages of a chat, so that neither gateway nor channel throttles the second. Milliseconds. */
const SETTLE_MS = 1_500;

/** Fewest polls of a polling agent (docs/benchmarks.md). */
const POLLS = 15;

/** A job whose notification is one message. The polling agent asks for the same. */
const JOB = '[[simulate: delay=1000 size=100]]';

export async function benchOpenClaw(): Promise<void> {
  const { TEMPORAL_CLI_PATH: path, KIMI_CACHE: cache } = readConfig();
  const temporalCli = await findTemporalCli({ path, cache, onStep: (step) => console.error(step) });
  const stage = await openStage(temporalCli);
  // When each file first appeared: the acknowledgement rewrites it.
  const saved = new Map<string, number>();
  const watcher = watch(stage.results.folder, (_event, name) => {
    if (name !== null && !saved.has(name)) saved.set(name, performance.now());
  });
  try {
    const dispatched = {
      name: 'message → dispatched shown',
      unit: 'ms' as const,
      samples: [] as number[],
      floor: [] as number[],
    };
    const replied: Figure = { name: 'result saved → reply shown', unit: 'ms', samples: [] };
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      const floor = await askGateway(stage);
      await pause(SETTLE_MS);
      const { shown, reply } = await dispatchByPrefix(stage, saved, `round${round + WARM_UP_ROUNDS}`);
      if (round >= 0) {
        dispatched.samples.push(shown);
        dispatched.floor.push(floor);
        replied.samples.push(reply);
      }
      await pause(SETTLE_MS);
    }
    const asked = stage.model.requests.length;
    const polled = await doByPolling(stage);

    console.log(table([dispatched, replied].map(summarise)));
    console.log(`\n${'one task'.padEnd(30)}model requests  tokens sent to the agent’s model (estimated: bytes / 4)`);
    console.log(`${'with the prefix'.padEnd(30)}${String(asked / (ROUNDS + WARM_UP_ROUNDS)).padEnd(16)}0`);
    console.log(`${`polling, ${POLLS} times`.padEnd(30)}${String(polled.requests).padEnd(16)}${polled.tokens}`);
    if (asked > 0) process.exitCode = 1;
  } finally {
    watcher.close();
    await stage.close();
  }
}

/** The floor: a command that the gateway itself answers. @returns milliseconds. */
async function askGateway(stage: TelegramStage): Promise<number> {
  const said = performance.now();
  stage.telegram.say(OWNER, '/whoami');
  return (await stage.next(OWNER, /[^]/)).at - said;
}

/** @returns milliseconds from the message to the two lines, and from the saved result to the reply. */
async function dispatchByPrefix(
  stage: TelegramStage,
  saved: Map<string, number>,
  name: string,
): Promise<{ shown: number; reply: number }> {
  const said = performance.now();
  stage.telegram.say(OWNER, `Kimi：${name} ${JOB}`);
  const lines = await stage.next(OWNER, new RegExp(`已派發：${name}-`));
  const reply = await stage.next(OWNER, new RegExp(`任務完成[^]*${name}-`));
  const [task] = await stage.tasks();
  return { shown: lines.at - said, reply: reply.at - (saved.get(`${task?.task_id}.json`) ?? NaN) };
}

/** The agent dispatches with its tool and polls the state, as the original design describes. */
async function doByPolling(stage: TelegramStage): Promise<{ requests: number; tokens: number }> {
  const before = stage.model.requests.length;
  stage.model.script.push(
    { tool: 'kimi_dispatch', arguments: { prompt: `polled ${JOB}`, name: 'polled' } },
    ...Array.from({ length: POLLS }, () => ({ tool: 'kimi_status', arguments: {} })),
    { tool: 'kimi_result', arguments: {} },
    'done by polling',
  );
  stage.telegram.say(OWNER, 'have it done, and wait for it');
  await stage.next(OWNER, /^done by polling$/);
  await until(() => stage.model.script.length === 0);
  const requests = stage.model.requests.slice(before);
  return { requests: requests.length, tokens: requests.reduce((sum, { tokens }) => sum + tokens, 0) };
}
