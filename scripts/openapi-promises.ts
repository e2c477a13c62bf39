/**
 * What clients of the HTTP API rely on, as lines that can be compared: an operation, its parameters and answers, the codes of its problems, and
 * the members and values of its schemas. `npm run openapi-baseline` writes those of today to test/fixtures: at a release, and only then.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openApiDocument } from '../src/api/document.ts';
import { PACKAGE_ROOT } from '../src/service/files.ts';

export const BASELINE = join(PACKAGE_ROOT, 'test/fixtures/api-promises.txt');

interface Schema {
  $ref?: string;
  type?: string;
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  oneOf?: Schema[];
  anyOf?: Schema[];
}

type Content = Record<string, { schema: Schema }>;

interface Described {
  parameters?: { name: string; in: string; required?: boolean; schema?: Schema; content?: Content }[];
  requestBody?: { required?: boolean; content: Content };
  responses: Record<string, { description: string; content?: Content }>;
}

interface Document {
  paths: Record<string, Record<string, Described>>;
  components: { schemas: Record<string, Schema> };
}

/** @returns the lines, sorted. `needs` is what a client has to send, `always` what it receives each time; all others say what there is. */
export function promisesOf(document: Document): string[] {
  const lines = new Set<string>();
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const name = `${method.toUpperCase()} ${path}`;
      lines.add(`has ${name}`);
      for (const { name: parameter, in: place, required } of operation.parameters ?? []) {
        lines.add(`has ${name} ${place} ${parameter}`);
        if (required) lines.add(`needs ${name} ${place} ${parameter}`);
      }
      if (operation.requestBody) addContent(lines, `${name} body`, operation.requestBody.content, 'needs', document);
      for (const [status, { description, content = {} }] of Object.entries(operation.responses)) {
        lines.add(`has ${name} ${status}`);
        const [, codes = ''] = /^`code`: (.*)$/.exec(description) ?? [];
        for (const code of codes.split(', ').filter((word) => word !== '')) lines.add(`has ${name} ${status} ${code}`);
        addContent(lines, `${name} ${status}`, content, 'always', document);
      }
    }
  }
  return [...lines].toSorted();
}

function addContent(
  lines: Set<string>,
  name: string,
  content: Content,
  word: 'needs' | 'always',
  document: Document,
): void {
  for (const [type, { schema }] of Object.entries(content)) {
    lines.add(`has ${name} ${type} ${schema.$ref ?? ''}`.trim());
    addSchema(lines, '', schema, word, document);
  }
}

function addSchema(
  lines: Set<string>,
  path: string,
  schema: Schema,
  word: 'needs' | 'always',
  document: Document,
): void {
  const { $ref, type, properties = {}, required = [], items, oneOf = [], anyOf = [] } = schema;
  const name = $ref?.split('/').at(-1);
  if (name !== undefined) {
    const first = `has ${name} in ${word === 'needs' ? 'requests' : 'answers'}`;
    if (lines.has(first)) return;
    lines.add(first);
    addSchema(lines, name, document.components.schemas[name] ?? {}, word, document);
    return;
  }
  if (type !== undefined) lines.add(`has ${path} ${type}`);
  for (const value of [...(schema.enum ?? []), ...(schema.const === undefined ? [] : [schema.const])])
    lines.add(`has ${path} ${JSON.stringify(value)}`);
  // A member is there each time if it is in each alternative: only those without alternatives are noted.
  for (const each of [...oneOf, ...anyOf]) addSchema(lines, path, { ...each, required: [] }, word, document);
  if (items) addSchema(lines, `${path}[]`, items, word, document);
  for (const [member, its] of Object.entries(properties)) {
    lines.add(`has ${path}.${member}`);
    if (required.includes(member)) lines.add(`${word} ${path}.${member}`);
    addSchema(lines, `${path}.${member}`, its, word, document);
  }
}

/** @returns the promises that are broken: what is there no more, and what clients have to send that they did not. */
export function broken(before: readonly string[], now: readonly string[]): string[] {
  const gone = before.filter((line) => !line.startsWith('needs ') && !now.includes(line));
  // A new operation, or a new member, may need what it wants.
  const isOld = (line: string): boolean => {
    const [, what = ''] = /^needs (.*)$/.exec(line) ?? [];
    const owner = what.includes(' ') ? what.split(' ').slice(0, 2).join(' ') : what.slice(0, what.lastIndexOf('.'));
    return before.some((each) => each === `has ${owner}` || each.startsWith(`has ${owner} `));
  };
  const wanted = now.filter((line) => line.startsWith('needs ') && !before.includes(line) && isOld(line));
  return [...gone, ...wanted];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  writeFileSync(BASELINE, `${promisesOf(openApiDocument() as Document).join('\n')}\n`);
