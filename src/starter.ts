/** A command in a process of its own. `up` in the foreground starts one, whose stack it supervises meanwhile. */
import { main } from './cli/main.ts';

void start();

async function start(): Promise<void> {
  await main(process.argv);
  // Exits after the last output: the engine's client would retry an abandoned call on a closed connection and throw.
  process.stdout.write('', () => setImmediate(() => process.exit()));
}
