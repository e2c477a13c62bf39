import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { readConfig, type Config } from '../../config/index.ts';
import { withVariables } from '../../config/env-file.ts';
import { PACKAGE_ROOT, tildePath } from '../../service/files.ts';
import { ConfigFiles } from '../openclaw/config-files.ts';
import { locateOpenClaw, PROFILE_NAME, type Location } from '../openclaw/location.ts';
import { askWhichPlugin, restartGateway } from '../openclaw/plugin-check.ts';
import {
  addKimiDispatch,
  readGateway,
  removeKimiDispatch,
  undoneText,
  type GatewayFacts,
} from '../openclaw/settings.ts';
import { langOf } from '../../config/early.ts';
import { sayCause } from '../../text/system-errors.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { isAgreed } from '../ask.ts';
import { CliError } from '../exit.ts';
import { cliText, type CliText } from '../text/index.ts';
import type { REPLIES } from './choices.ts';
import { agreed, BACKUP, read, readFileUtf8, reasonOf, show, writeOwn, type Change } from './changes.ts';
import { SettingsError } from './json5.ts';

export interface OpenClawOptions {
  reply: (typeof REPLIES)[number];
  profile?: string;
  start?: boolean;
  yes?: boolean;
  undo?: boolean;
}

/** The variables that the set-up writes. */
const VARIABLES = ['OPENCLAW_WAKE_URL', 'OPENCLAW_WAKE_TOKEN', 'KIMI_REPLY'];

const PLUGIN = join(PACKAGE_ROOT, 'openclaw', 'plugin');

export async function setUpOpenClaw(options: OpenClawOptions): Promise<Exit> {
  const { profile, yes = false, undo = false } = options;
  const config = readConfig();
  const say = cliText(config.KIMI_LANG);
  if (profile !== undefined && !PROFILE_NAME.test(profile)) throw new CliError(EXIT.usage, say.setup.wrongProfile);
  const location = locateOpenClaw(profile);
  const env = { file: join(config.KIMI_HOME, '.env'), now: read(join(config.KIMI_HOME, '.env'), say) };

  try {
    const files = new ConfigFiles(location.file, (file) =>
      file === location.file ? gatewayConfig(file, say) : readFileUtf8(file),
    );
    const facts = readGateway(files, location);
    const changes = undo
      ? undone(location, { files, env, facts }, say)
      : wanted({ files, env, facts, results: newResultsFolder(location, config) }, options, say);
    const real = changes.filter(({ now = '', next }) => now !== next);
    if (real.length === 0) {
      console.log(say.setup.nothing);
      return EXIT.ok;
    }
    for (const change of real) show(change);
    if (!yes && !(await agreed(say))) return EXIT.ok;
    await write(changes, location.file, undo);
    if (undo) {
      console.log(say.setup.undone(profile));
      return EXIT.ok;
    }
    console.log(say.setup.done(tildePath(location.file + BACKUP), profile));
    if (facts.heartbeat !== '0m') console.log(`\n${say.setup.heartbeat(profile)}`);
    if (keepsResults(location, config))
      console.log(`\n${say.setup.results(tildePath(config.KIMI_RESULTS_DIR), tildePath(resultsFolder(location)))}`);
    const { certificate } = facts;
    if (certificate !== undefined) console.log(`\n${say.setup.certificate(tildePath(certificate))}`);
    await verify(profile, yes, say);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    throw new CliError(EXIT.config, say.setup.notJson(tildePath(location.file), reasonOf(error, say)));
  }
}

type FileNow = Omit<Change, 'next'>;

interface Given {
  files: ConfigFiles;
  env: FileNow;
  facts: GatewayFacts;
  /** `KIMI_RESULTS_DIR`, where it is not the default. */
  results: string | undefined;
}

function wanted({ files, env, facts, results }: Given, options: OpenClawOptions, say: CliText): Change[] {
  const { reply, start } = options;
  if (facts.blocked) throw new CliError(EXIT.config, say.setup.blocked[facts.blocked](options.profile));
  const hooksToken = facts.hooksToken === 'none' ? randomBytes(32).toString('hex') : undefined;
  const given = parseEnv(env.now ?? '');
  const written = typeof facts.hooksToken === 'object' ? facts.hooksToken.value : hooksToken;
  const token = written ?? given['OPENCLAW_WAKE_TOKEN'] ?? process.env['OPENCLAW_WAKE_TOKEN'];
  if (token === undefined) throw new CliError(EXIT.config, say.setup.hiddenToken);
  const before = files.texts;
  addKimiDispatch(files, { plugin: PLUGIN, hooksToken, hooks: reply === 'hooks', start });
  const values = {
    OPENCLAW_WAKE_URL: facts.wakeUrl,
    OPENCLAW_WAKE_TOKEN: token,
    KIMI_REPLY: reply,
    ...(results !== undefined && { KIMI_RESULTS_DIR: results }),
    ...(facts.certificate !== undefined &&
      !process.env['NODE_EXTRA_CA_CERTS'] && { NODE_EXTRA_CA_CERTS: facts.certificate }),
  };
  return [
    ...[...files.texts].map(([file, next]) => ({ file, now: before.get(file), next })),
    { ...env, next: withVariables(env.now ?? '', values) },
  ];
}

function undone(location: Location, { files, env, facts }: Omit<Given, 'results'>, say: CliText): Change[] {
  const main = location.file;
  if (!existsSync(main + BACKUP)) throw new CliError(EXIT.config, say.setup.noBackup(tildePath(main + BACKUP)));
  const now = files.texts;
  const before = new ConfigFiles(main, (file) => readFileUtf8(existsSync(file + BACKUP) ? file + BACKUP : file));
  removeKimiDispatch(files, before);
  const given = parseEnv(read(env.file + BACKUP, say) ?? '');
  // Results that are there would be out of sight.
  const names = hasEntries(resultsFolder(location)) ? [...VARIABLES] : [...VARIABLES, 'KIMI_RESULTS_DIR'];
  if (facts.certificate !== undefined && parseEnv(env.now ?? '')['NODE_EXTRA_CA_CERTS'] === facts.certificate) {
    names.push('NODE_EXTRA_CA_CERTS');
  }
  const values = Object.fromEntries(names.map((name) => [name, given[name]]));
  const changed = [...files.texts].map(([file]) => {
    const backup = read(file + BACKUP, say);
    const next = backup === undefined ? files.texts.get(file) : undoneText(file, files, before, backup);
    return { file, now: now.get(file), next: next ?? '' };
  });
  return [...changed, { ...env, next: withVariables(env.now ?? '', values) }];
}

/** The results folder within OpenClaw's state folder. */
function resultsFolder({ stateDir }: Location): string {
  return join(stateDir, 'workspace/kimi-dispatch/results');
}

/**
 * OpenClaw's doctor warns of `~/.openclaw` where its state is elsewhere, so results go there, too. They are named in `.env`: of the
 * processes that need the folder, only some have OpenClaw's variables.
 */
function newResultsFolder(location: Location, config: Config): string | undefined {
  const isMoved = !location.isDefault && !config.isSet('KIMI_RESULTS_DIR') && !hasEntries(config.KIMI_RESULTS_DIR);
  return isMoved ? resultsFolder(location) : undefined;
}

/** Whether results stay in the default folder although OpenClaw's state is elsewhere. */
function keepsResults(location: Location, config: Config): boolean {
  return !location.isDefault && !config.isSet('KIMI_RESULTS_DIR') && hasEntries(config.KIMI_RESULTS_DIR);
}

function hasEntries(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).length > 0;
}

/** Offers the restart, and asks OpenClaw which plugin it loads. @throws {CliError} if it is not this one */
async function verify(profile: string | undefined, yes: boolean, say: CliText): Promise<void> {
  const isAsked = !yes && process.stdin.isTTY;
  if (isAsked && (await isAgreed(say.setup.restart(profile))) && !(await restartGateway(profile))) {
    console.error(say.setup.notRestarted(profile));
  }
  console.log(`\n${say.setup.asking}`);
  const loaded = await askWhichPlugin(PLUGIN, profile);
  if (loaded?.state === 'ours') console.log(say.setup.loaded);
  else if (loaded?.state === 'other') {
    throw new CliError(EXIT.config, say.setup.loadedOther(tildePath(loaded.folder), tildePath(PLUGIN)));
  } else if (loaded?.state === 'none') throw new CliError(EXIT.config, say.setup.notLoaded(loaded.why));
  else console.log(say.setup.notAsked(loaded && sayCause(loaded.why, langOf()), profile));
}

/** Writes the files, after a copy of each from before the first set-up. */
async function write(changes: Change[], main: string, undo: boolean): Promise<void> {
  const isFirst = !existsSync(main + BACKUP);
  for (const { file, now, next } of changes) {
    const isKept = existsSync(file + BACKUP) || (!isFirst && file.endsWith('.env'));
    // Without the main file's backup there would be nothing to undo.
    const isChanged = (now ?? '') !== next;
    if (!undo && !isKept && now !== undefined && (isChanged || file === main)) await writeOwn(file + BACKUP, now);
    if (isChanged) await writeOwn(file, next);
  }
  if (undo) for (const { file } of changes) await rm(file + BACKUP, { force: true });
}

/** @throws {CliError} if there is none, or it cannot be read */
function gatewayConfig(file: string, say: CliText): string {
  const text = read(file, say);
  if (text === undefined) throw new CliError(EXIT.config, say.setup.noGateway(tildePath(file)));
  return text;
}
