/**
 * What the webhook counts and measures. It has no runtime of the engine's SDK to serve it: prom-client does. Counted whether or
 * not anybody asks.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { collectDefaultMetrics, Counter, Gauge, Histogram, register } from 'prom-client';
import { hostCheck } from '../service/http.ts';
import type { Journal } from './journal.ts';

/** What callbacks were answered, by the words of the answers (README, "HTTP API"): those that can be seen to rise from 0. */
const ANSWERS = ['signalled', 'duplicate', 'queued', 'bad_signature', 'unknown_task', 'journal_unavailable'];

const callbacks = new Counter({
  name: 'kimi_callbacks_total',
  help: 'What the webhook answered, by the word of the answer',
  labelNames: ['outcome'],
});
for (const outcome of [...ANSWERS, 'internal_error']) callbacks.inc({ outcome }, 0);

const acceptSeconds = new Histogram({
  name: 'kimi_callback_accept_seconds',
  help: 'From the headers of a callback that was accepted to its answer',
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
});

const deadLetters = new Counter({
  name: 'kimi_dead_letters_total',
  help: 'Callbacks that were accepted and that nothing takes, by the reason',
  labelNames: ['reason'],
});
for (const reason of ['unknown_task', 'task_closed', 'refused', 'damaged']) deadLetters.inc({ reason }, 0);

/** Counts an answer: `signalled`, `bad_signature`, … */
export function countAnswer(outcome: string): void {
  callbacks.inc({ outcome });
}

/** Notes how long accepting a callback took, in milliseconds. */
export function noteAccepted(ms: number): void {
  acceptSeconds.observe(ms / 1_000);
}

export function countDeadLetter(reason: string): void {
  deadLetters.inc({ reason });
}

/**
 * Serves `/metrics`: ours, what waits in the journal, and what prom-client says of every Node process.
 *
 * @param listensOn the address that it will listen on
 * @returns the server. The caller listens.
 */
export function createMetricsServer(journal: Journal, listensOn: string): Server {
  collectDefaultMetrics();
  const ofJournal: [name: string, help: string, value: () => number][] = [
    ['kimi_journal_entries', 'Callbacks that wait for the engine', () => journal.size.entries],
    ['kimi_journal_bytes', 'What they take of the disk', () => journal.size.bytes],
    ['kimi_journal_max_bytes', 'What they may take (KIMI_JOURNAL_MAX_BYTES)', () => journal.maxBytes],
    ['kimi_journal_oldest_seconds', 'How long the oldest has waited; 0 where none waits', () => oldestSeconds(journal)],
  ];
  for (const [name, help, value] of ofJournal) {
    const collect = function (this: Gauge): void {
      this.set(unlessUnreadable(value));
    };
    register.registerMetric(new Gauge({ name, help, collect, registers: [] }));
  }
  return createServer(hostCheck(listensOn, (request, response) => void answer(request, response)));
}

async function answer({ url }: IncomingMessage, response: ServerResponse): Promise<void> {
  if (url === '/metrics') response.setHeader('content-type', register.contentType).end(await register.metrics());
  else response.writeHead(404).end();
}

function oldestSeconds(journal: Journal): number {
  const { oldest } = journal;
  return oldest === undefined ? 0 : Math.max(0, Date.now() - oldest) / 1_000;
}

/** A journal that cannot be read is no reason to say nothing of the rest. */
function unlessUnreadable(value: () => number): number {
  try {
    return value();
  } catch {
    return NaN;
  }
}
