import { join } from 'node:path';
import { shellPath, tildePath } from '../service/files.ts';
import { damageOf, DATABASE } from '../stack/engine-database.ts';
import type { CliText } from './text/index.ts';

/** @returns a command that moves a database out of the way, and keeps it. */
export function setAside(home: string): string {
  const aside = join(home, `damaged-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}`);
  return `mkdir ${shellPath(aside)} && mv ${shellPath(join(home, DATABASE))}* ${shellPath(aside)}`;
}

/** @returns what is wrong with the engine's database, and what to do; `undefined` where nothing was found. */
export function damageSentence(home: string, say: CliText): string | undefined {
  const damage = damageOf(home);
  return damage && say.damage(tildePath(join(home, DATABASE)), damage, setAside(home));
}
