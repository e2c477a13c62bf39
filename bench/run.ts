/**
 * `npm run bench [-- SUITE] [options]`: measures every performance claim.
 *
 * | suite | measures |
 * | --- | --- |
 * | none | the targets of docs/benchmarks.md, beside the floor (targets.ts) |
 * | compare | this build beside another build, Temporal alone and peers (compare.ts) |
 * | waiting | ten thousand concurrently waiting tasks (waiting.ts) |
 * | queue | a million tasks in the limiter's queue (queue.ts) |
 * | large | concurrent answers of 16 MB (large.ts) |
 * | relay | latency added by the relay (relay.ts) |
 * | openclaw | latency seen by a chat (openclaw.ts) |
 * | ways | other ways to run a long job (ways.ts) |
 * | chart | draws the JSON of `compare` (chart.ts) |
 */
import { chart } from './chart.ts';
import { cleanUp } from './clean-ups.ts';
import { benchCompare } from './compare.ts';
import { benchLarge } from './large.ts';
import { benchOpenClaw } from './openclaw.ts';
import { benchTargets } from './targets.ts';
import { benchQueue } from './queue.ts';
import { benchRelay } from './relay.ts';
import { benchWaiting } from './waiting.ts';
import { benchWays } from './ways.ts';

const SUITES = {
  compare: benchCompare,
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
  await Promise.race([isSuite(first) ? SUITES[first](rest) : benchTargets(process.argv.slice(2)), stopped]);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
if (!(await cleanUp())) process.exitCode = 1;
// A native handle must not keep the process alive.
process.exit();
