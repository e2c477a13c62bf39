/** What is needed before the configuration is read. Loaded by every command: it must stay small. */
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import envPaths from 'env-paths';
import type { Lang } from '../shared/task.ts';

/** Folders of the operating system for this user. */
export const USER_PATHS = envPaths('kimi-dispatch', { suffix: '' });

/** The language of messages before the configuration is read. */
export function langOf(env: NodeJS.ProcessEnv = process.env): Lang {
  return env['KIMI_LANG'] === 'en' ? 'en' : 'zh-TW';
}

/** @returns an absolute path; `~` is the home directory. */
export function folderOf(path: string): string {
  return resolve(path.replace(/^~(?=\/|$)/, homedir()));
}

/** @returns whether folders can be made there: in /proc and /sys, Node's recursive mkdir does not return. */
export function mayHoldFolders(path: string): boolean {
  return !/^\/(?:proc|sys)(?:\/|$)/.test(path);
}

/** @returns `KIMI_HOME`. */
export function homeFolder(env: NodeJS.ProcessEnv = process.env): string {
  const named = env['KIMI_HOME']?.trim();
  return named ? folderOf(named) : USER_PATHS.data;
}
