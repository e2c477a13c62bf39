import { closest } from '../shared/closest.ts';
import { envFiles } from './env-file.ts';
import { SECRET_FILES } from './secrets.ts';
import { VARIABLES } from './variables.ts';

/** An unknown variable with a name close to a known one. */
export interface MisspeltVariable {
  name: string;
  likely: string;
  /** The `.env` file that sets it; `undefined` for the environment. */
  file: string | undefined;
}

const PREFIXES = ['KIMI_', 'WEBHOOK_', 'OPENCLAW_'];

/**
 * Finds misspelt names in an environment that the `.env` files were added to. Other tools have variables with the same
 * prefixes: only near misses count.
 */
export function misspeltVariables(env: NodeJS.ProcessEnv = process.env): MisspeltVariable[] {
  const known = [...Object.keys(VARIABLES), ...SECRET_FILES];
  const files = envFiles(env);
  return Object.keys(env).flatMap((name) => {
    const likely = known.includes(name) ? undefined : likelyVariable(name.toUpperCase(), known);
    if (likely === undefined) return [];
    return [{ name, likely, file: files.find(({ variables }) => name in variables)?.file }];
  });
}

/** Compares names without their prefix: `KIMI_HOST` and `KIMI_HOME` are as different as `HOST` and `HOME`. */
function likelyVariable(name: string, known: string[]): string | undefined {
  const prefix = PREFIXES.find((start) => name.startsWith(start));
  const of = (start: string): string[] => known.filter((one) => one.startsWith(start));
  if (prefix === undefined) return closest(name, PREFIXES.flatMap(of));
  const rest = closest(
    name.slice(prefix.length),
    of(prefix).map((one) => one.slice(prefix.length)),
  );
  return rest && prefix + rest;
}
