import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import writeFileAtomic from 'write-file-atomic';
import { EXIT, type Exit } from '../../service/exit.ts';
import { foreignEnvironment } from '../../service/foreign-program.ts';
import { tildePath } from '../../service/files.ts';
import { inFlightSection, tasksInFlight, type InFlight } from '../../report/in-flight.ts';
import { makeReport, type Report } from '../../report/make.ts';
import { pageOf } from '../../report/page.ts';
import { openContext, withClient, type Context } from '../context.ts';
import { CliError } from '../exit.ts';
import { command, printing, since as sinceOption } from '../options.ts';
import type { CliText } from '../text/index.ts';

/** Timeout for the list of tasks in flight, in milliseconds. */
const LIST_TIMEOUT_MS = 5_000;

interface ReportOptions {
  since: number;
  output: string;
  open?: true;
}

export function reportCommand(say: CliText): Command {
  return command('report', say, say.help.report, [
    'kimi-dispatch report --open',
    'kimi-dispatch report --since 1y -o year.html',
  ])
    .addOption(sinceOption(say))
    .option('-o, --output <FILE>', say.help.output, 'report.html')
    .option('--open', say.help.open)
    .action(printing(report));
}

/** Reads the results folder, and the engine if it answers. */
async function report({ since: sinceMs, output, open }: ReportOptions): Promise<Exit> {
  const context = await openContext();
  const { config, say, stack, results } = context;
  if (open && output === '-') throw new CliError(EXIT.usage, say.report.toStdout);
  const lang = config.KIMI_LANG;
  const links = {
    ...(stack?.ui_url && { webUi: `${stack.ui_url}/namespaces/${stack.namespace}/workflows` }),
    results: results.folder,
  };
  const until = Date.now();
  const since = until - sinceMs;
  const [fromResults, inFlight] = await Promise.all([
    makeReport({ folder: results.folder, keys: config.KIMI_PAYLOAD_KEYS, since, until, lang, links }).catch(
      (error: NodeJS.ErrnoException): Report => {
        throw new CliError(EXIT.config, say.report.notReadable(tildePath(results.folder), error.code ?? error.message));
      },
    ),
    inFlightOf(context),
  ]);
  const sections = [inFlightSection(inFlight, lang, links, until), ...fromResults.sections];
  const page = pageOf({ lang, since, until, sections, live: false });
  if (fromResults.damaged > 0) console.error(say.usageTable.damaged(fromResults.damaged));
  if (output === '-') {
    process.stdout.write(process.stdout.isTTY ? page : Buffer.from(page));
    return EXIT.ok;
  }
  const file = resolve(output);
  await writeFileAtomic(file, page).catch((error: NodeJS.ErrnoException) => {
    throw new CliError(EXIT.config, say.report.notWritable(tildePath(file), error.code ?? error.message));
  });
  console.log(say.report.written(tildePath(file), fromResults.tasks));
  if (open) await openInBrowser(file, say);
  return EXIT.ok;
}

/** @returns `undefined` if the engine does not answer. */
async function inFlightOf(context: Context): Promise<InFlight | undefined> {
  try {
    return await withClient(context, async (client) => await tasksInFlight(client, context.taskQueue, LIST_TIMEOUT_MS));
  } catch {
    // The results are enough: the engine may be down, have other payload keys, or lack the search attributes.
    return undefined;
  }
}

/** Opens the file with the system's default program, which outlives this process. */
async function openInBrowser(file: string, say: CliText): Promise<void> {
  const opener = process.platform === 'darwin' ? 'open' : 'xdg-open';
  const child = spawn(opener, [file], { detached: true, stdio: 'ignore', env: foreignEnvironment() });
  try {
    await once(child, 'spawn');
    child.unref();
  } catch {
    console.error(say.report.notOpened(tildePath(file), opener));
  }
}
