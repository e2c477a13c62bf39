/** Metrics of the webhook. It runs no Temporal worker, whose runtime would serve them, so prom-client does. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { collectDefaultMetrics, Counter, Gauge, Histogram, register } from 'prom-client';
import { hostCheck } from '../service/http.ts';
import type { Journal } from './journal.ts';

/** Answers to callbacks, by their code (docs/http-api.md), that are exposed as 0 from the start. */
const ANSWERS = ['signalled', 'duplicate', 'queued', 'bad_signature', 'unknown_task', 'journal_unavailable'];

const callbacks = new Counter({
  name: 'kimi_callbacks_total',
  help: 'Answers of the webhook, by code',
  labelNames: ['outcome'],
});
for (const outcome of [...ANSWERS, 'internal_error']) callbacks.inc({ outcome }, 0);

const acceptSeconds = new Histogram({
  name: 'kimi_callback_accept_seconds',
  help: 'Time from the headers of an accepted callback to its answer',
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
});

const deadLetters = new Counter({
  name: 'kimi_dead_letters_total',
  help: 'Accepted callbacks that no task accepts, by reason',
  labelNames: ['reason'],
});
for (const reason of ['unknown_task', 'task_closed', 'refused', 'damaged']) deadLetters.inc({ reason }, 0);

/** Counts an answer: `signalled`, `bad_signature`, … */
export function countAnswer(outcome: string): void {
  callbacks.inc({ outcome });
}

/** @param ms how long accepting a callback took, in milliseconds. */
export function noteAccepted(ms: number): void {
  acceptSeconds.observe(ms / 1_000);
}

export function countDeadLetter(reason: string): void {
  deadLetters.inc({ reason });
}

/**
 * Serves `/metrics`: the webhook's, the journal's, and prom-client's defaults for Node processes.
 *
 * @param listensOn the address that it will listen on
 * @returns the server, which does not listen yet.
 */
export function createMetricsServer(journal: Journal, listensOn: string): Server {
  collectDefaultMetrics();
  const journalGauges: [name: string, help: string, value: () => number][] = [
    ['kimi_journal_entries', 'Callbacks waiting for the engine', () => journal.size.entries],
    ['kimi_journal_bytes', 'Size of the waiting callbacks on the disk', () => journal.size.bytes],
    ['kimi_journal_max_bytes', 'Size limit (KIMI_JOURNAL_MAX_BYTES)', () => journal.maxBytes],
    [
      'kimi_journal_oldest_seconds',
      'Age of the oldest waiting callback; 0 if there is none',
      () => oldestSeconds(journal),
    ],
  ];
  for (const [name, help, value] of journalGauges) {
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

/** An unreadable journal must not hide the other metrics. */
function unlessUnreadable(value: () => number): number {
  try {
    return value();
  } catch {
    return NaN;
  }
}
