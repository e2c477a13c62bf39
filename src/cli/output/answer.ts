import { withoutControls } from './terminal.ts';

/** A pipe or a file gets the exact bytes of the answer; a terminal gets it without control sequences. */
export async function printAnswer(answer: string, raw = false): Promise<void> {
  const { stdout } = process;
  if (stdout.isTTY && raw) stdout.write(withoutControls(answer));
  else if (stdout.isTTY) stdout.write(`${(await import('./markdown.ts')).renderMarkdown(answer)}\n`);
  else stdout.write(Buffer.from(raw ? answer : `${answer.replace(/\n$/, '')}\n`));
}
