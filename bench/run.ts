/**
 * `npm run bench [-- SUITE] [options]`: what is claimed of performance is measured here.
 *
 * | suite | measures |
 * | --- | --- |
 * | none | what the contract promises, beside the engine's floor (promises.ts) |
 * | peers | the same job done by others (peers.ts) |
 * | waiting | ten thousand tasks that wait at once (waiting.ts) |
 * | queue | a million tasks in the limiter's queue (queue.ts) |
 * | large | answers of 16 MB at the same moment (large.ts) |
 * | relay | what the relay adds (relay.ts) |
 * | openclaw | what a chat sees (openclaw.ts) |
 * | ways | how else people have a long job done (ways.ts) |
 * | chart | draws the peers' JSON (chart.ts) |
 */
import { chart } from './chart.ts';
import { cleanUp } from './clean-ups.ts';
import { benchLarge } from './large.ts';
import { benchOpenClaw } from './openclaw.ts';
import { benchPeers } from './peers.ts';
import { benchPromises } from './promises.ts';
import { benchQueue } from './queue.ts';
import { benchRelay } from './relay.ts';
import { benchWaiting } from './waiting.ts';
import { benchWays } from './ways.ts';

const SUITES = {
  peers: benchPeers,
  waiting: benchWaiting,
  queue: benchQueue,
  large: benchLarge,
  relay: benchRelay,
  openclaw: benchOpenClaw,
  ways: benchWays,
  chart,
};

const [first = '', ...rest] = process.argv.slice(2);
const isSuite = (name: string): name is keyof typeof SUITES => Object.hasOwn(SUITES, name);
const stopped = new Promise<never>((_resolve, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => reject(new Error(`stopped by ${signal}`)));
  }
});
try {
  await Promise.race([isSuite(first) ? SUITES[first](rest) : benchPromises(process.argv.slice(2)), stopped]);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
if (!(await cleanUp())) process.exitCode = 1;
// Everything has been undone: a native handle must not keep the process alive.
process.exit();
