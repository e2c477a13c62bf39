/**
 * `npm run bench -- ways`: other ways to run a long job on the real gateway (e2e/openclaw), beside Kimi Dispatch. For each way: number
 * and size of the requests to the agent's model, how long the chat is blocked while Kimi works, and whether the answer survives
 * a kill of the gateway. The model is a stand-in that makes only the necessary calls, so the tokens are a lower bound. Takes
 * about a quarter of an hour.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { HOOKS_TOKEN } from '../test/e2e/openclaw/gateway.ts';
import type { ModelRequest, Saying } from '../test/e2e/openclaw/model.ts';
import { openStage, OWNER, type TelegramStage } from '../test/e2e/openclaw/stage.ts';
import { until } from '../test/support/until.ts';
import { readConfig } from '../src/config/index.ts';
import { findTemporalCli } from '../src/stack/temporal-cli.ts';

/** Duration of the job at Kimi, in milliseconds. */
const JOB_MS = 10_000;

/** Fewest polls of a polling agent (docs/benchmarks.md). */
const POLLS = 15;

/** Timeout for the notification once Kimi has answered and the gateway runs, in milliseconds. */
const PATIENCE_MS = 30_000;

/** How long a second wake or a repeat may follow the answer, in milliseconds. */
const AFTERMATH_MS = 5_000;

/** After this time the gateway moves a tool to the background, in milliseconds. */
const WITHOUT_END = 600_000;

/** Text that only answers of the simulated Kimi contain. */
const ANSWER = '這是模擬的 Kimi';

/** One job, and the commands for it. */
interface Job {
  /** Text in the prompt and in the notification. */
  mark: string;
  prompt: string;
  /** Command that asks Kimi, waits, and prints the answer. */
  command: string;
  /** The same as a process that outlives the gateway, writes the answer to a file and wakes the agent. */
  script: string;
}

/** The next action of the agent's model after a number of tool calls; `undefined`: none. */
type NextSaying = (job: Job, tools: number, texts: string[]) => Saying | undefined;

const exec = (parameters: object): Saying => ({ tool: 'exec', arguments: { ...parameters } });

const WAYS: { name: string; asks?: (job: Job) => string; next: NextSaying }[] = [
  {
    name: 'a synchronous call',
    next: ({ command }, tools) => (tools === 0 ? exec({ command, yieldMs: WITHOUT_END }) : undefined),
  },
  {
    name: `exec in background, ${POLLS} polls`,
    next: ({ command }, tools, texts) => {
      if (tools === 0) return exec({ command, background: true });
      const sessionId = texts.map((text) => /still running \(session ([\w-]+)/.exec(text)?.[1]).find((id) => id) ?? '';
      if (tools > 2 * POLLS) return undefined;
      return { tool: 'process', arguments: { action: 'poll', sessionId, timeout: JOB_MS / POLLS } };
    },
  },
  {
    name: 'exec in background, woken at its end',
    next: ({ command }, tools) => (tools === 0 ? exec({ command, background: true }) : undefined),
  },
  {
    name: 'a sub-agent',
    next: ({ command }, tools, texts) => {
      if (tools > 0) return undefined;
      const isChild = texts.some((text) => text.includes('| session=agent:main:subagent:'));
      if (isChild) return exec({ command, yieldMs: WITHOUT_END });
      return { tool: 'sessions_spawn', arguments: { task: `do ${command}` } };
    },
  },
  {
    name: 'a script that ends with a hook',
    next: ({ script, mark }, tools, texts) => {
      if (tools === 0) return exec({ command: script });
      return texts.some((text) => text.includes(`done: ${mark}`)) ? exec({ command: `cat ${mark}.txt` }) : undefined;
    },
  },
  {
    name: 'Kimi Dispatch, the agent’s tool',
    next: ({ prompt }, tools) => (tools === 0 ? { tool: 'kimi_dispatch', arguments: { prompt } } : undefined),
  },
  { name: 'Kimi Dispatch, the prefix', asks: ({ prompt }) => `Kimi：${prompt}`, next: () => undefined },
];

interface Row {
  name: string;
  requests: number;
  tokens: number;
  silentMs: number;
  afterKill: string;
}

/** `npm run bench -- ways sub-agent` runs only the ways whose name contains the word. */
export async function benchWays([only = '']: string[]): Promise<void> {
  const { TEMPORAL_CLI_PATH: path, KIMI_CACHE: cache } = readConfig();
  const temporalCli = await findTemporalCli({ path, cache, onStep: (step) => console.error(step) });
  console.log(
    `${'way'.padEnd(40)}${'model requests'.padEnd(16)}${'tokens'.padEnd(10)}${'silent'.padEnd(10)}gateway killed`,
  );
  for (const way of WAYS.filter(({ name }) => name.includes(only))) {
    const stage = await openStage(temporalCli);
    try {
      const { name, requests, tokens, silentMs, afterKill } = await tryOut(stage, way);
      const silent = `${(silentMs / 1000).toFixed(1)} s`;
      console.log(
        `${name.padEnd(40)}${String(requests).padEnd(16)}${String(tokens).padEnd(10)}${silent.padEnd(10)}${afterKill}`,
      );
    } finally {
      await stage.close();
    }
  }
}

async function tryOut(stage: TelegramStage, way: (typeof WAYS)[number]): Promise<Row> {
  // The first turns of a gateway include compilation.
  stage.telegram.say(OWNER, 'hello');
  await stage.next(OWNER, /^ok$/);

  const cost = stage.model.requests.length;
  await ask(stage, way, 'undisturbed');
  await notified(stage, 'undisturbed');
  await pause(AFTERMATH_MS);
  const requests = stage.model.requests.slice(cost);

  await ask(stage, way, 'disturbed');
  const asked = performance.now();
  stage.telegram.say(OWNER, 'are you there?');
  const { at } = await stage.next(OWNER, /I am here/);
  await notified(stage, 'disturbed');
  await pause(AFTERMATH_MS);

  const paid = (await stage.kimi()).requests;
  await ask(stage, way, 'killed');
  await stage.gateway.stop('SIGKILL');
  await stage.gateway.start();
  await pause(JOB_MS);
  const isNotified = await notified(stage, 'killed');
  await pause(AFTERMATH_MS);
  const times = (await stage.kimi()).requests - paid;
  return {
    name: way.name,
    requests: requests.length,
    tokens: requests.reduce((sum, { tokens }) => sum + tokens, 0),
    silentMs: at - asked,
    afterKill: `${isNotified ? 'notified' : 'never notified'}, paid ${times === 1 ? 'once' : `${times} times`}`,
  };
}

/** Sends the job as the user. Returns when Kimi has started it. */
async function ask(stage: TelegramStage, { asks, next }: (typeof WAYS)[number], mark: string): Promise<void> {
  const job = jobFor(stage, mark);
  stage.model.brain = (request) => say(request, job, next);
  const before = (await stage.kimi()).requests;
  stage.telegram.say(OWNER, asks ? asks(job) : `do ${job.prompt}`);
  await until(async () => (await stage.kimi()).requests > before);
}

function jobFor({ stack, gateway }: TelegramStage, mark: string): Job {
  const prompt = `${mark} [[simulate: delay=${JOB_MS} size=100]]`;
  const messages = [{ role: 'user', content: prompt }];
  const command = post(`${stack.simulator_url}/v1/chat/completions`, 'sk-simulated', { model: 'kimi-k2.6', messages });
  const wake = post(`${gateway.url}/hooks/wake`, HOOKS_TOKEN, { text: `done: ${mark}`, mode: 'now' });
  const steps = `${command} > ${mark}.txt\n${wake}`;
  return {
    mark,
    prompt,
    command,
    script: `cat > ${mark}.sh <<'END'\n${steps}\nEND\nsetsid sh ${mark}.sh > ${mark}.log 2>&1 &`,
  };
}

function post(url: string, token: string, body: object): string {
  const headers = `-H 'authorization: Bearer ${token}' -H 'content-type: application/json'`;
  return `curl -sS ${url} ${headers} -d '${JSON.stringify(body)}'`;
}

/** The stand-in model: reports the answer once it sees it, otherwise makes the next call of the way. */
function say({ messages }: ModelRequest, job: Job, next: NextSaying): Saying {
  const said = messages.map(({ role, content }) => ({
    role,
    text: typeof content === 'string' ? content : JSON.stringify(content),
  }));
  const own = said.filter(({ text }) => !text.includes('BEGIN_OPENCLAW_INTERNAL_CONTEXT'));
  const turn = own.findLastIndex(({ role, text }) => role === 'user' && text.includes(`${job.mark} [[`));
  const since = own.slice(turn);
  const texts = [...since, ...said.slice(-1)].map(({ text }) => text);
  const isAsked = since.at(-1)?.text.includes('are you there?');
  const isNotified = since.some(({ role, text }) => role === 'assistant' && text.includes(telling(job.mark)));
  const isThere = texts.some((text) => text.includes(ANSWER) || text.includes(telling(job.mark)));
  const words = [isAsked && 'I am here.', isThere && !isNotified && telling(job.mark)].filter((word) => word);
  if (words.length > 0) return words.join(' ');
  if (isNotified) return 'NO_REPLY';
  return next(job, since.filter(({ role }) => role === 'tool').length, texts) ?? 'It is under way.';
}

function telling(mark: string): string {
  return `Kimi has done ${mark}.`;
}

/** @returns whether the user was notified within {@link PATIENCE_MS}. */
async function notified({ telegram }: TelegramStage, mark: string): Promise<boolean> {
  const giveUpAt = Date.now() + JOB_MS + PATIENCE_MS;
  return await until(() => {
    const isNotified = telegram.shown.some(
      ({ text }) => text.includes(telling(mark)) || text.includes(`任務：${mark}`),
    );
    return isNotified || (Date.now() > giveUpAt && 'never');
  }).then((word) => word === true);
}
