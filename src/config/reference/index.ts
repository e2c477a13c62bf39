/**
 * What docs/configuration.md and .env.example say of each variable: `scripts/configuration-docs.ts` writes them. Loaded by no
 * process.
 */
import { isAbsolute } from 'node:path';
import type { Lang } from '../../shared/task.ts';
import { VARIABLE_ENTRIES, VARIABLES, type VariableName } from '../variables.ts';
import { GROUPS, type Entry } from './entry.ts';
import { OF_SERVICES } from './services.ts';
import { OF_TASKS } from './tasks.ts';

const ENTRIES: Record<VariableName, Entry> = { ...OF_TASKS, ...OF_SERVICES };

export interface DocumentedVariable {
  name: string;
  /** Markdown; empty if there is none. */
  default: string;
  /** The default as it is set; absent if it depends on something. */
  value?: string;
  example: string;
  description: string;
  isSecret: boolean;
}

/** @returns the groups of variables in a language, in the order of the documentation. */
export function documentedVariables(lang: Lang): { title: string; variables: DocumentedVariable[] }[] {
  return Object.entries(GROUPS).map(([group, title]) => ({
    title: title[lang],
    variables: VARIABLE_ENTRIES.map(([name]) => name as VariableName)
      .filter((name) => ENTRIES[name].group === group)
      .map((name) => documented(name, lang)),
  }));
}

function documented(name: VariableName, lang: Lang): DocumentedVariable {
  const { example, secret }: (typeof VARIABLE_ENTRIES)[number][1] = VARIABLES[name];
  const entry = ENTRIES[name];
  const value = entry.default ? undefined : defaultOf(name);
  return {
    name,
    default: entry.default?.[lang] ?? (value === undefined ? '' : `\`${value}\``),
    ...(value !== undefined && { value }),
    example,
    description: entry[lang],
    isSecret: secret === true,
  };
}

/** @returns the default in the table of variables; of a folder, as its example writes it: the absolute path differs by machine. */
function defaultOf(name: VariableName): string | undefined {
  const { schema, example } = VARIABLES[name];
  const value: unknown = schema.safeParse(undefined).data;
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return isAbsolute(value) ? example : value;
  return undefined;
}
