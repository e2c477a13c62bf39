/** BullMQ: a queue in Redis for each step; a job has the task's id, so that a repeated add has no effect. */
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { dispatch, ENGINE_URL, save, serve, wake } from './job.js';

const connection = new Redis(ENGINE_URL, { maxRetriesPerRequest: null });
const queue = (name) =>
  new Queue(name, { connection, defaultJobOptions: { attempts: 100, backoff: { type: 'fixed', delay: 1_000 } } });
// A job of a killed process is resumed after two seconds (30 s by default), any number of times.
const settings = { connection, concurrency: 20, lockDuration: 2_000, stalledInterval: 1_000, maxStalledCount: 100 };
const worker = (name, work) => new Worker(name, async ({ id, data }) => await work(id, data), settings);

const [dispatches, results, wakes] = ['dispatches', 'results', 'wakes'].map(queue);
const workers = [
  worker('dispatches', dispatch),
  worker('results', async (jobId, callback) => {
    await save(jobId, callback);
    await wakes.add('wake', {}, { jobId });
  }),
  worker('wakes', wake),
];
await Promise.all(workers.map(async (worker) => await worker.waitUntilReady()));
await serve({
  start: async (jobId) => await dispatches.add('dispatch', {}, { jobId }),
  accept: async (jobId, callback) => await results.add('result', callback, { jobId }),
});
