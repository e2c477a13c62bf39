/**
 * `npm run bench -- ways`: how people have a long job done today, on the real gateway (e2e/openclaw), beside Kimi Dispatch. For each
 * way: how often the agent's model is asked and with how much, how long the chat is silent while Kimi works, and what
 * becomes of the answer where the gateway is killed meanwhile. The model is a stand-in that does what the way takes and no
 * more, so the tokens are the least there can be. About a quarter of an hour.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { HOOKS_TOKEN } from '../test/e2e/openclaw/gateway.ts';
import type { ModelRequest, Saying } from '../test/e2e/openclaw/model.ts';
import { openStage, OWNER, type Stage } from '../test/e2e/openclaw/stage.ts';
import { until } from '../test/e2e/openclaw/until.ts';
import { readConfig } from '../src/config/index.ts';
import { findTemporalCli } from '../src/stack/temporal-cli.ts';

/** How long Kimi takes. Milliseconds. */
const JOB_MS = 10_000;

/** The fewest that the contract (section 7) says of an agent that polls. */
const POLLS = 15;

/** How long news is waited for, once Kimi has answered and the gateway runs. Milliseconds. */
const PATIENCE_MS = 30_000;

/** What comes after the answer (a second wake, a repeat) comes within this time. Milliseconds. */
const AFTERMATH_MS = 5_000;

/** A tool may take so long before the gateway puts it into the background. Milliseconds. */
const WITHOUT_END = 600_000;

/** What stands in every answer of the simulated Kimi, and nowhere else. */
const ANSWER = '這是模擬的 Kimi';

/** One job, and what can be done about it. */
interface Job {
  /** Stands in the job and in what the user is told. */
  mark: string;
  prompt: string;
  /** Asks Kimi, waits, and prints the answer. */
  command: string;
  /** The same, past the end of the gateway, which is told to wake the agent when the answer is in a file. */
  script: string;
}

/** What the agent's model says next, after so many tools since the job was asked for. `undefined`: it has nothing to do. */
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

/** `npm run bench -- ways sub-agent` tries out the ways whose name holds the word. */
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

async function tryOut(stage: Stage, way: (typeof WAYS)[number]): Promise<Row> {
  // A gateway's first turns are compiled while they run.
  stage.telegram.say(OWNER, 'hello');
  await stage.next(OWNER, /^ok$/);

  const cost = stage.model.requests.length;
  await ask(stage, way, 'undisturbed');
  await told(stage, 'undisturbed');
  await pause(AFTERMATH_MS);
  const requests = stage.model.requests.slice(cost);

  await ask(stage, way, 'disturbed');
  const asked = performance.now();
  stage.telegram.say(OWNER, 'are you there?');
  const { at } = await stage.next(OWNER, /I am here/);
  await told(stage, 'disturbed');
  await pause(AFTERMATH_MS);

  const paid = (await stage.kimi()).requests;
  await ask(stage, way, 'killed');
  await stage.gateway.stop('SIGKILL');
  await stage.gateway.start();
  await pause(JOB_MS);
  const isTold = await told(stage, 'killed');
  await pause(AFTERMATH_MS);
  const times = (await stage.kimi()).requests - paid;
  return {
    name: way.name,
    requests: requests.length,
    tokens: requests.reduce((sum, { tokens }) => sum + tokens, 0),
    silentMs: at - asked,
    afterKill: `${isTold ? 'told' : 'never told'}, paid ${times === 1 ? 'once' : `${times} times`}`,
  };
}

/** The user asks for a job. @returns when Kimi has begun with it. */
async function ask(stage: Stage, { asks, next }: (typeof WAYS)[number], mark: string): Promise<void> {
  const job = jobFor(stage, mark);
  stage.model.brain = (request) => say(request, job, next);
  const before = (await stage.kimi()).requests;
  stage.telegram.say(OWNER, asks ? asks(job) : `do ${job.prompt}`);
  await until(async () => (await stage.kimi()).requests > before);
}

function jobFor({ stack, gateway }: Stage, mark: string): Job {
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

/** The model sees the answer and tells it once, is asked whether it is there and says so, and else does what the way takes. */
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
  const isTold = since.some(({ role, text }) => role === 'assistant' && text.includes(telling(job.mark)));
  const isThere = texts.some((text) => text.includes(ANSWER) || text.includes(telling(job.mark)));
  const words = [isAsked && 'I am here.', isThere && !isTold && telling(job.mark)].filter((word) => word);
  if (words.length > 0) return words.join(' ');
  if (isTold) return 'NO_REPLY';
  return next(job, since.filter(({ role }) => role === 'tool').length, texts) ?? 'It is under way.';
}

function telling(mark: string): string {
  return `Kimi has done ${mark}.`;
}

/** @returns whether the user was told within {@link PATIENCE_MS}. */
async function told({ telegram }: Stage, mark: string): Promise<boolean> {
  const giveUpAt = Date.now() + JOB_MS + PATIENCE_MS;
  return await until(() => {
    const isTold = telegram.shown.some(({ text }) => text.includes(telling(mark)) || text.includes(`任務：${mark}`));
    return isTold || (Date.now() > giveUpAt && 'never');
  }).then((word) => word === true);
}
