/**
 * `npm run configuration-docs`: writes the description of each variable in src/config/reference/index.ts into docs/configuration.md and its Chinese
 * version, between the two markers, and into .env.example. Run it after changing a variable.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { documentedVariables, type DocumentedVariable } from '../src/config/reference/index.ts';
import { PACKAGE_ROOT } from '../src/service/files.ts';
import type { Lang } from '../src/shared/task.ts';

const BEGIN = '<!-- variables: written by npm run configuration-docs -->';
const END = '<!-- end of variables -->';

const HEADINGS: Record<Lang, string[]> = {
  en: ['Variable', 'Default', 'Meaning'],
  'zh-TW': ['變數', '預設值', '說明'],
};

/** Widest comment line of .env.example, in characters. */
const WIDTH = 120;

const ENV_EXAMPLE_HEADER = `# Copy to .env beside package.json, or into KIMI_HOME. Variables of the environment win over this file.
# Each line #NAME=… shows a default or an example: remove the # to set the variable. Secrets are left empty.
# A secret may be in a file of its own: KIMI_API_KEY_FILE=/run/secrets/kimi_api_key in place of KIMI_API_KEY.`;

/** The generated files, by path, and their text. */
export function generatedFiles(): [file: string, text: string][] {
  return [
    inPackage('docs/configuration.md', (text) => withTables(text, 'en')),
    inPackage('docs/configuration.zh-TW.md', (text) => withTables(text, 'zh-TW')),
    inPackage('.env.example', envExample),
  ];
}

function inPackage(path: string, generate: (text: string) => string): [string, string] {
  const file = join(PACKAGE_ROOT, path);
  return [file, generate(readFileSync(file, 'utf8'))];
}

/** @returns a page with the current tables between its markers. */
function withTables(page: string, lang: Lang): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the page needs the lines ${BEGIN} and ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${tables(lang)}\n\n${page.slice(end)}`;
}

function tables(lang: Lang): string {
  return documentedVariables(lang)
    .map(({ title, variables }) => `### ${title}\n\n${table(lang, variables)}`)
    .join('\n\n');
}

function table(lang: Lang, variables: DocumentedVariable[]): string {
  const rows = variables.map((variable) => [`\`${variable.name}\``, variable.default, linked(variable.description)]);
  return [HEADINGS[lang], ['---', '---', '---'], ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Other pages of docs/ as links. */
function linked(description: string): string {
  return description.replaceAll(/docs\/(?<page>[\w.-]+\.md)/g, '[$<page>]($<page>)');
}

function envExample(): string {
  const groups = documentedVariables('en').map(({ title, variables }) => {
    const rule = '-'.repeat(WIDTH - title.length - 7);
    return [`# --- ${title} ${rule}`, ...variables.map(envVariable)].join('\n');
  });
  return `${[ENV_EXAMPLE_HEADER, ...groups].join('\n\n')}\n`;
}

function envVariable({ name, default: byDefault, value, example, description, isSecret }: DocumentedVariable): string {
  const depends = value === undefined && byDefault !== '' ? ` Default: ${byDefault}.` : '';
  const command = isSecret ? /\$\((?<command>.*)\)/.exec(example)?.groups?.['command'] : undefined;
  return [
    ...wrapped(description + depends),
    ...(command === undefined ? [] : [`# Make one with: ${command}`]),
    `#${name}=${isSecret ? '' : (value ?? example)}`,
  ].join('\n');
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`# ${word}`);
  }
  return lines;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [file, text] of generatedFiles()) writeFileSync(file, text);
}
