/** Samples of each process, the engine's workflows, and the disks. Linux only. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import type { Scene, Stage } from '../chaos/stage.ts';
import { journalFolder, readConfig } from '../../src/config/index.ts';
import { TASK_ID } from '../../src/shared/task-id.ts';
import { countDeadLetters, deadLettersFolder } from '../../src/webhook/dead-letters.ts';
import { limiterView } from '../../src/limiter/client.ts';

/** Resources of a process. */
export interface ProcessSample {
  pid: number;
  /** Resident memory, in MB. */
  memory: number;
  /** Open file descriptors. */
  descriptors: number;
  threads: number;
}

/** One set of measurements; values of unavailable services are absent. */
export interface Sample {
  /** Milliseconds since the start of the stage. */
  at: number;
  /** Load average of the last minute. */
  load: number;
  processes: Record<string, ProcessSample>;
  values: Partial<Record<Measure, number>>;
}

/** Measures other than those of processes, and their units. */
export const MEASURES = {
  'finished tasks': '',
  'pending files': '',
  'other files beside the results': '',
  'results in the inbox': '',
  'payload files': '',
  payloads: 'MB',
  'files of streams': '',
  'dead letters': '',
  'journal: entries': '',
  'journal: what they take': 'MB',
  'journal: its file': 'MB',
  'open workflows': '',
  'longest history: events': '',
  'longest history: size': 'KB',
  'the limiter’s history: events': '',
  'the limiter’s history: size': 'KB',
  'slots the limiter holds': '',
  'closed workflows kept for 2 min': '',
  'the engine’s database': 'MB',
  'its write-ahead log': 'MB',
  logs: 'MB',
} as const;

export type Measure = keyof typeof MEASURES;

/** An agent that is measured: its folders, webhook and workflows. */
export type Site = Pick<Scene, 'client' | 'env' | 'webhookUrls'>;

/** Timeout of the engine and of a webhook, in milliseconds. */
const ANSWER_MS = 4_000;

const OPEN = 'ExecutionStatus = "Running"';
const CLOSED = 'ExecutionStatus != "Running"';

const MB = 1024 * 1024;
const KB = 1024;

/**
 * @param stage its limiter and processes are measured
 * @param sites its agents; the second has the short retention of closed workflows
 * @param asksEngine whether to query the engine, which costs one call per open workflow
 */
export async function takeSample(stage: Stage, sites: [Site, Site], asksEngine: boolean): Promise<Sample> {
  const at = stage.clock();
  const folders = await Promise.all(sites.map(measureFolders));
  const journals = await Promise.all(sites.map(measureJournal));
  const engine = asksEngine ? await measureEngine(stage, sites).catch(() => ({})) : {};
  const [{ env }] = sites;
  const database = join(readConfig(env).KIMI_HOME, 'temporal.db');
  return {
    at,
    load: loadavg()[0] ?? NaN,
    processes: await measureProcesses(stage),
    values: {
      ...summed([...folders, ...journals]),
      ...engine,
      'the engine’s database': (await sizeOf(database)) / MB,
      'its write-ahead log': (await sizeOf(`${database}-wal`)) / MB,
      logs: (await under(stage.logs)).bytes / MB,
    },
  };
}

async function measureProcesses({ processes }: Stage): Promise<Sample['processes']> {
  const found: Sample['processes'] = {};
  for (const [name, { pid }] of processes) {
    const sample = pid === undefined ? undefined : await measureProcess(pid).catch(() => undefined);
    if (sample) found[name] = sample;
  }
  return found;
}

/** @throws where it has ended. */
export async function measureProcess(pid: number): Promise<ProcessSample> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  // A zombie has no resident memory.
  if (!(field('VmRSS') > 0)) throw new Error(`process ${pid} has ended`);
  const descriptors = (await readdir(`/proc/${pid}/fd`)).length;
  return { pid, memory: field('VmRSS') / KB, descriptors, threads: field('Threads') };
}

type Values = Sample['values'];

async function measureFolders({ env }: Site): Promise<Values> {
  const { KIMI_HOME: home, KIMI_RESULTS_DIR: results, KIMI_PAYLOAD_DIR: payloadDir } = readConfig(env);
  const names = await readdir(results);
  const finished = names.filter((name) => TASK_ID.test(name.replace(/\.json$/, '')));
  const pending = names.filter((name) => name.startsWith('pending-'));
  // Expected files: the newest result, the inbox, the maps that retry others, the lock of a writer, and the ballast of a full disk.
  const known = new Set([...finished, ...pending, 'latest.json', '.unacknowledged', '.retries', '.lock', '.ballast']);
  const payloads = await under(payloadDir ?? join(home, 'payloads'));
  return {
    'finished tasks': finished.length,
    'pending files': pending.length,
    'other files beside the results': names.filter((name) => !known.has(name)).length,
    'results in the inbox': (await under(join(results, '.unacknowledged'))).files,
    'payload files': payloads.files,
    payloads: payloads.bytes / MB,
    'files of streams': (await under(join(home, 'streams'))).files,
    'dead letters': await countDeadLetters(deadLettersFolder(home)),
  };
}

async function measureJournal({ env, webhookUrls: [url] }: Site): Promise<Values> {
  const file = { 'journal: its file': (await under(journalFolder(readConfig(env)))).bytes / MB };
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const { journal } = (await response.json()) as { journal?: { entries: number; bytes: number } };
    return journal
      ? { ...file, 'journal: entries': journal.entries, 'journal: what they take': journal.bytes / MB }
      : file;
  } catch {
    return file;
  }
}

/** @throws if the engine does not answer */
async function measureEngine({ client, limiter }: Stage, sites: [Site, Site]): Promise<Values> {
  const [main, forgetful] = sites;
  const histories = (await Promise.all(sites.map(openHistories))).flat();
  const its = histories.find(({ workflowId }) => workflowId === limiter);
  const view = await asked(main, async () => await limiterView(client, limiter));
  const closed = await asked(forgetful, async () => await forgetful.client.workflow.count(CLOSED));
  return {
    'open workflows': histories.length,
    'longest history: events': Math.max(0, ...histories.map(({ events }) => events)),
    'longest history: size': Math.max(0, ...histories.map(({ bytes }) => bytes)) / KB,
    ...(its && { 'the limiter’s history: events': its.events, 'the limiter’s history: size': its.bytes / KB }),
    ...(view && { 'slots the limiter holds': view.in_flight.length }),
    'closed workflows kept for 2 min': closed.count,
  };
}

async function asked<T>({ client }: Site, question: () => Promise<T>): Promise<T> {
  return await client.connection.withDeadline(Date.now() + ANSWER_MS, question);
}

interface History {
  workflowId: string;
  events: number;
  bytes: number;
}

async function openHistories(site: Site): Promise<History[]> {
  const { workflow } = site.client;
  return await asked(site, async () => {
    const found: History[] = [];
    for await (const { workflowId } of workflow.list({ query: OPEN })) {
      const { historyLength, historySize = 0 } = await workflow.getHandle(workflowId).describe();
      found.push({ workflowId, events: historyLength, bytes: historySize });
    }
    return found;
  });
}

/** @returns number and size of the files below a folder; 0 if it does not exist. */
async function under(folder: string): Promise<{ files: number; bytes: number }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map(async ({ parentPath, name }) => await sizeOf(join(parentPath, name))));
  return { files: files.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** @returns bytes; 0 if the file does not exist. */
async function sizeOf(file: string): Promise<number> {
  return await stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

function summed(parts: Values[]): Values {
  const sum: Values = {};
  for (const part of parts) {
    for (const [name, value] of Object.entries(part) as [Measure, number][]) sum[name] = (sum[name] ?? 0) + value;
  }
  return sum;
}
