/** A command in a process of its own. `up` in the foreground starts one, whose stack it supervises meanwhile. */
import { main } from './cli/main.ts';
import { mayBeTerminal, writeNow } from './cli/output/write-now.ts';

/** Whether the help needed the stream of standard output; `undefined` if no help was printed. */
let needsStream: boolean | undefined;

void start();

async function start(): Promise<void> {
  await main(process.argv, mayBeTerminal() ? undefined : printNow);
  if (needsStream === false) process.exit();
  // Exits after the last output: the engine's client would retry an abandoned call on a closed connection and throw.
  process.stdout.write('', () => setImmediate(() => process.exit()));
}

function printNow(help: string): void {
  const rest = needsStream ? Buffer.from(help) : writeNow(help);
  needsStream = rest.length > 0;
  if (needsStream) process.stdout.write(rest);
}
