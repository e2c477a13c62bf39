/** A command in a process of its own. `up` in the foreground starts one, whose stack it supervises meanwhile. */
import { main } from './cli/main.ts';
import { isOpen } from './cli/output/terminal.ts';
import { mayBeTerminal, writeNow } from './cli/output/write-now.ts';

void start();

async function start(): Promise<void> {
  await main(process.argv, mayBeTerminal() ? undefined : printNow);
  // Exits after the last output: the engine's client would retry an abandoned call on a closed connection and throw.
  if (isOpen('stdout')) process.stdout.write('', () => setImmediate(() => process.exit()));
  else process.exit();
}

function printNow(text: string): void {
  const rest = writeNow(text);
  if (rest.length > 0) process.stdout.write(rest);
}
