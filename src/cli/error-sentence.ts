/** Sentences for the errors of configuration, stack and engine. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { langOf } from '../config/early.ts';
import type { ConfigError } from '../config/problems.ts';
import { EXIT, ServiceError, type Exit } from '../service/exit.ts';
import { tildePath } from '../service/files.ts';
import { PortsUnusable } from '../service/ports.ts';
import { DATABASE, DatabaseUnusable } from '../stack/engine-database.ts';
import { NoTemporalCli } from '../stack/temporal-cli.ts';
import { EngineLost, EngineUnreachable, sayCredentials } from '../temporal/engine-unreachable.ts';
import { EngineAway, NothingRuns } from './context.ts';
import { setAside } from './engine-damage.ts';
import { sentenceOfOurs } from './problem-sentence.ts';
import { cliText, type CliText } from './text/index.ts';

/**
 * @param task that the command is about
 * @returns the exit status and the sentence of an error that is not of commands and tasks
 */
export function sentenceFor(error: unknown, say: CliText, task?: string): { exit: Exit; message: string } {
  const lang = langOf();
  // Of the parts that were loaded with this module.
  const ours = sentenceOfOurs(error, say);
  if (ours) return ours;
  // The part of the command line that is loaded first has a class of its own.
  if ((error as Error).name === 'ConfigError') {
    const { problems } = error as ConfigError;
    // A language that does not exist is explained in both.
    const isLang = problems.some(({ subject }) => subject === 'KIMI_LANG');
    const texts = isLang ? [cliText('zh-TW'), cliText('en')] : [say];
    return { exit: EXIT.config, message: texts.map(({ config }) => config(problems)).join('\n') };
  }
  // The engine's client wraps errors of the payload codec.
  for (let cause: unknown = error; cause instanceof Error; { cause } = cause) {
    if (cause instanceof PortsUnusable) return { exit: EXIT.config, message: say.ports(cause.ports) };
    if (cause instanceof ServiceError) return { exit: EXIT.config, message: asSentence(cause.sentence(lang)) };
  }
  if (error instanceof NoTemporalCli) return { exit: EXIT.config, message: say.noTemporalCli(error.lines(lang)) };
  if (error instanceof DatabaseUnusable) return { exit: EXIT.config, message: databaseSentence(error, say) };
  if (error instanceof EngineUnreachable) {
    const isOpen = error instanceof NothingRuns && error.isOpen(task);
    if (isOpen && task !== undefined) return { exit: EXIT.engine, message: say.unfinishedHere(task, error.up) };
    const sentence = engineSentence(error, say);
    return { exit: EXIT.engine, message: task === undefined ? sentence : say.ofTask(task, sentence) };
  }
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return { exit: EXIT.config, message: say.noSpace };
  if (code !== undefined && path !== undefined) return { exit: EXIT.config, message: say.notUsable(path, code) };
  if (process.env['KIMI_LOG_LEVEL'] === 'debug') console.error(error);
  return { exit: EXIT.unexpected, message: say.unexpected((error as Error).message) };
}

/** @returns a text with a capital at its beginning, if that is a word: logs have it after a colon. Names of services and files stay. */
function asSentence(text: string): string {
  return text.replace(/^[a-z](?=[a-z]* [a-z])/, (letter) => letter.toUpperCase());
}

function databaseSentence({ home, problem }: DatabaseUnusable, say: CliText): string {
  if (problem === 'disk_full') return say.diskFull(tildePath(home));
  return say.database(tildePath(join(home, DATABASE)), problem, setAside(home));
}

function engineSentence(error: EngineUnreachable, say: CliText): string {
  const { address, why } = error;
  if (error instanceof NothingRuns) {
    const home = tildePath(error.home);
    // Where there are no results either, no stack has run.
    const isRemoved = !existsSync(error.home) && existsSync(error.results.folder);
    return say.nothingRuns(home, error.up) + (isRemoved ? say.noHome(home) : '');
  }
  if (error instanceof EngineLost) return say.engineGone(address);
  if (error instanceof EngineAway) return say.engineAway(address);
  return why === undefined ? say.noEngine(address) : say.engineRefuses(address, sayCredentials(why, langOf()));
}
