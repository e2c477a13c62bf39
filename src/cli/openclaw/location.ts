/**
 * Where OpenClaw keeps its configuration and its state, and the environment that it reads them with, as the gateway itself
 * decides it (openclaw 2026.9.6: src/config/paths.ts, src/cli/profile.ts, src/infra/dotenv.ts).
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseEnv } from 'node:util';

export interface Location {
  /** The configuration file. It may be missing. */
  file: string;
  /** The folder of sessions, credentials and workspaces. */
  stateDir: string;
  /** Whether `stateDir` is the one without any variable or profile: `~/.openclaw`. */
  isDefault: boolean;
  /** The environment of the gateway, with its `.env` files. */
  env: NodeJS.ProcessEnv;
  /** Resolves a path of the configuration: `~` is OpenClaw's home. */
  pathOf: (path: string) => string;
}

const CONFIG_FILES = ['openclaw.json', 'clawdbot.json'];

/** Names that `openclaw --profile` takes. */
export const PROFILE_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/i;

/** @param profile as of `openclaw --profile`, which selects folders; `OPENCLAW_PROFILE` alone does not */
export function locateOpenClaw(profile: string | undefined, given: NodeJS.ProcessEnv = process.env): Location {
  const named = (name: string): string | undefined => given[name]?.trim() || undefined;
  const osHome = named('HOME') ?? homedir();
  const home = resolve((named('OPENCLAW_HOME') ?? osHome).replace(/^~(?=$|\/)/, osHome));
  const pathOf = (path: string): string => resolve(path.trim().replace(/^~(?=$|\/)/, home));
  const env = profile === undefined ? { ...given } : ofProfile(profile, given, home, pathOf);

  const selected = env['OPENCLAW_STATE_DIR']?.trim();
  const [usual, former] = [join(home, '.openclaw'), join(home, '.clawdbot')];
  const stateDir = selected ? pathOf(selected) : !existsSync(usual) && existsSync(former) ? former : usual;
  const override = env['OPENCLAW_CONFIG_PATH']?.trim();
  const folders = selected ? [stateDir] : [stateDir, usual, former];
  const found = folders
    .flatMap((folder) => CONFIG_FILES.map((name) => join(folder, name)))
    .find((file) => existsSync(file));
  const file = override ? pathOf(override) : (found ?? join(stateDir, 'openclaw.json'));

  const envFolder = selected ? stateDir : override ? dirname(file) : usual;
  const gatewayEnv = stateDir === usual ? variablesOf(join(home, '.config/openclaw/gateway.env')) : {};
  return {
    file,
    stateDir,
    isDefault: stateDir === join(homedir(), '.openclaw'),
    env: { ...gatewayEnv, ...variablesOf(join(envFolder, '.env')), ...env },
    pathOf,
  };
}

/** The environment under `--profile`. A folder that the variables of another profile selected is replaced. */
function ofProfile(
  profile: string,
  given: NodeJS.ProcessEnv,
  home: string,
  pathOf: (path: string) => string,
): NodeJS.ProcessEnv {
  const folderOf = (name: string): string => join(home, /^default$/i.test(name) ? '.openclaw' : `.openclaw-${name}`);
  const inherited = folderOf(given['OPENCLAW_PROFILE']?.trim() || 'default');
  const [state, config] = [given['OPENCLAW_STATE_DIR']?.trim() ?? '', given['OPENCLAW_CONFIG_PATH']?.trim() ?? ''];
  const isOwn = (path: string, ofInherited: string): boolean =>
    path !== '' && (folderOf(profile) === inherited || pathOf(path) !== ofInherited);
  const keepsState = isOwn(state, inherited);
  const stateDir = keepsState ? state : folderOf(profile);
  const keepsConfig = isOwn(config, join(inherited, 'openclaw.json')) || (config !== '' && keepsState);
  return {
    ...given,
    OPENCLAW_PROFILE: profile,
    OPENCLAW_STATE_DIR: stateDir,
    OPENCLAW_CONFIG_PATH: keepsConfig ? config : join(pathOf(stateDir), 'openclaw.json'),
    ...(profile === 'dev' && { OPENCLAW_GATEWAY_PORT: given['OPENCLAW_GATEWAY_PORT']?.trim() || '19001' }),
  };
}

/** The gateway's default port. */
const DEFAULT_PORT = 18_789;

/** @param configured `gateway.port` */
export function gatewayPort(configured: unknown, env: NodeJS.ProcessEnv): number {
  const fromEnv = /^(?:\[[^\]]+\]:|[^:]+:)?(\d+)$/.exec(env['OPENCLAW_GATEWAY_PORT']?.trim() ?? '')?.[1];
  if (fromEnv !== undefined && Number(fromEnv) > 0 && Number(fromEnv) <= 65_535) return Number(fromEnv);
  if (typeof configured === 'number' && Number.isFinite(configured) && configured > 0) return configured;
  const profile = env['OPENCLAW_PROFILE']?.trim() ?? '';
  if (!PROFILE_NAME.test(profile) || /^default$/i.test(profile)) return DEFAULT_PORT;
  // FNV-1a, in the gateway's range for profiles.
  let hash = 2_166_136_261;
  for (const byte of Buffer.from(profile)) hash = Math.imul(hash ^ byte, 16_777_619) >>> 0;
  return 20_000 + (hash % 40_000);
}

const VARIABLE = /\$?\$\{([A-Z_][A-Z0-9_]*)\}/g;

/** @returns a string of the configuration with its `${VARIABLES}`; `undefined` if one of them is not set. */
export function substituted(text: string, env: NodeJS.ProcessEnv): string | undefined {
  let isComplete = true;
  const value = text.replaceAll(VARIABLE, (reference, name: string) => {
    if (reference.startsWith('$$')) return reference.slice(1);
    if (!env[name]) isComplete = false;
    return env[name] ?? '';
  });
  return isComplete ? value : undefined;
}

function variablesOf(file: string): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}
