import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseEnv } from 'node:util';
import { Argument, Option, type Command } from 'commander';
import { structuredPatch } from 'diff';
import pico from 'picocolors';
import writeFileAtomic from 'write-file-atomic';
import { readConfig } from '../../config/index.ts';
import { withVariables } from '../../config/env-file.ts';
import { PACKAGE_ROOT, tildePath } from '../../service/files.ts';
import { OpenClawConfigError } from '../openclaw/json5.ts';
import { readGateway, withKimiDispatch, withoutKimiDispatch, type GatewayFacts } from '../openclaw/settings.ts';
import { langOf } from '../../config/early.ts';
import { sayCause } from '../../text/system-errors.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { isAgreed } from '../ask.ts';
import { CliError } from '../exit.ts';
import { command, ending } from '../options.ts';
import { cliText, type CliText } from '../text/index.ts';

const REPLIES = ['deliver', 'agent', 'hooks'] as const;

interface SetupOptions {
  reply: (typeof REPLIES)[number];
  start?: boolean;
  yes?: boolean;
  undo?: boolean;
}

/** A file with its current text, its text before the first set-up, and its new text. */
interface Change {
  file: string;
  /** `undefined` if the file is missing. */
  now: string | undefined;
  next: string;
}

/** The backup beside a file, from before the first set-up. */
const BACKUP = '.before-kimi-dispatch';

/** The variables that the set-up writes. */
const VARIABLES = ['OPENCLAW_WAKE_URL', 'OPENCLAW_WAKE_TOKEN', 'KIMI_REPLY'];

export function setupCommand(say: CliText): Command {
  return command('setup', say, say.help.setup, [
    'kimi-dispatch setup openclaw',
    'kimi-dispatch setup openclaw --reply agent --yes',
    'kimi-dispatch setup openclaw --undo',
  ])
    .addArgument(new Argument('<GATEWAY>', say.help.setupGateway).choices(['openclaw']))
    .addOption(new Option('--reply <HOW>', say.help.reply).choices(REPLIES).default('deliver'))
    .option('--start', say.help.setupStart)
    .option('--no-start', say.help.setupNoStart)
    .option('-y, --yes', say.help.yes)
    .option('--undo', say.help.undo)
    .action(ending(setup));
}

async function setup(_gateway: string, { reply, start, yes = false, undo = false }: SetupOptions): Promise<Exit> {
  const config = readConfig();
  const say = cliText(config.KIMI_LANG);
  const gatewayFile = process.env['OPENCLAW_CONFIG_PATH']?.trim() || join(homedir(), '.openclaw', 'openclaw.json');
  const envFile = join(config.KIMI_HOME, '.env');
  const gatewayText = await read(gatewayFile, say);
  if (gatewayText === undefined) throw new CliError(EXIT.config, say.setup.noGateway(tildePath(gatewayFile)));

  try {
    const facts = readGateway(gatewayText);
    const changes = undo
      ? await undone({ file: gatewayFile, now: gatewayText }, envFile, say)
      : wanted(
          { file: gatewayFile, now: gatewayText },
          { file: envFile, now: await read(envFile, say) },
          facts,
          { reply, start },
          say,
        );
    const real = changes.filter(({ now = '', next }) => now !== next);
    if (real.length === 0) {
      console.log(say.setup.nothing);
      return EXIT.ok;
    }
    for (const change of real) show(change);
    if (!yes && !(await agreed(say))) {
      console.log(say.setup.left);
      return EXIT.ok;
    }
    const isFirst = (await read(gatewayFile + BACKUP, say)) === undefined;
    for (const change of real) {
      if (isFirst && change.now !== undefined) await writeOwn(change.file + BACKUP, change.now);
      await writeOwn(change.file, change.next);
    }
    if (undo) for (const { file } of changes) await rm(file + BACKUP, { force: true });
    console.log(undo ? say.setup.undone : say.setup.done(tildePath(gatewayFile + BACKUP)));
    if (!undo && facts.heartbeat !== '0m') console.log(`\n${say.setup.heartbeat}`);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof OpenClawConfigError)) throw error;
    const { wrong, message } = error;
    const why = wrong ? say.setup.wrong[wrong.kind](wrong.path) : sayCause(message, langOf());
    throw new CliError(EXIT.config, say.setup.notJson(tildePath(gatewayFile), why));
  }
}

type FileNow = Omit<Change, 'next'>;

function wanted(
  gateway: FileNow & { now: string },
  env: FileNow,
  facts: GatewayFacts,
  { reply, start }: Pick<SetupOptions, 'reply' | 'start'>,
  say: CliText,
): Change[] {
  const hooks = reply === 'hooks';
  const hooksToken = facts.hooksToken ?? randomBytes(32).toString('hex');
  const given = parseEnv(env.now ?? '');
  const token = readable(hooksToken) ?? given['OPENCLAW_WAKE_TOKEN'] ?? process.env['OPENCLAW_WAKE_TOKEN'];
  if (token === undefined) throw new CliError(EXIT.config, say.setup.hiddenToken);
  const values = {
    OPENCLAW_WAKE_URL: `http://127.0.0.1:${facts.port}${facts.hooksPath}/wake`,
    OPENCLAW_WAKE_TOKEN: token,
    KIMI_REPLY: reply,
  };
  const plugin = join(PACKAGE_ROOT, 'openclaw', 'plugin');
  return [
    { ...gateway, next: withKimiDispatch(gateway.now, { plugin, hooksToken, hooks, start }) },
    { ...env, next: withVariables(env.now ?? '', values) },
  ];
}

/** @returns the token; `undefined` if the configuration only refers to it. */
function readable(token: unknown): string | undefined {
  return typeof token === 'string' && !token.includes('${') ? token : undefined;
}

async function undone(gateway: FileNow & { now: string }, envFile: string, say: CliText): Promise<Change[]> {
  const before = await read(gateway.file + BACKUP, say);
  if (before === undefined) throw new CliError(EXIT.config, say.setup.noBackup(tildePath(gateway.file + BACKUP)));
  const [envNow, envBefore] = [await read(envFile, say), await read(envFile + BACKUP, say)];
  const given = parseEnv(envBefore ?? '');
  const values = Object.fromEntries(VARIABLES.map((name) => [name, given[name]]));
  return [
    { ...gateway, next: withoutKimiDispatch(gateway.now, before) },
    { file: envFile, now: envNow, next: withVariables(envNow ?? '', values) },
  ];
}

async function read(file: string, say: CliText): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new CliError(EXIT.config, say.setup.unreadable(tildePath(file), String(code)));
  }
}

/** Prints the changes, with secrets masked. */
function show({ file, now = '', next }: Change): void {
  console.log(pico.bold(tildePath(file)));
  const { hunks } = structuredPatch(file, file, masked(now), masked(next), undefined, undefined, { context: 1 });
  for (const { lines } of hunks) {
    for (const line of lines) {
      console.log(line.startsWith('+') ? pico.green(line) : line.startsWith('-') ? pico.red(line) : pico.dim(line));
    }
  }
  // Masked, an old and a new token look the same.
  if (hunks.length === 0) console.log(pico.green('+ …'));
  console.log('');
}

/** Names of secrets, as JSON5 may write them, with their strings. */
const SECRET =
  /((?:"[^"\n]*(?:token|secret|key|password)[^"\n]*"|'[^'\n]*(?:token|secret|key|password)[^'\n]*'|[\w$]*(?:token|secret|key|password)[\w$]*)\s*:\s*)(?:"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*')/gi;

/** Masks the values of secrets, in JSON5 and in `.env`. */
function masked(text: string): string {
  return text
    .replaceAll(SECRET, '$1"…"')
    .replaceAll(/^(\s*(?:export\s+)?\w*(?:TOKEN|SECRET|KEY|PASSWORD)\w*\s*=).*$/gim, '$1…');
}

async function agreed(say: CliText): Promise<boolean> {
  if (!process.stdin.isTTY) throw new CliError(EXIT.usage, say.setup.nobodyToAsk);
  return await isAgreed(say.setup.question);
}

/** Writes a file with mode 0600, since it holds a token. An empty one is removed. */
async function writeOwn(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  if (text === '') await rm(file, { force: true });
  else await writeFileAtomic(file, text, { mode: 0o600 });
}
