/** What is checked of a JSON Schema before anything is paid: that its types exist. Loaded by workflows and by quick commands. */

/** Types of JSON Schema (up to draft 2020-12). */
export const SCHEMA_TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'];

/** Keywords whose value is a schema, or a list of them. */
const SCHEMAS = [
  'items',
  'prefixItems',
  'additionalProperties',
  'allOf',
  'anyOf',
  'oneOf',
  'not',
  'if',
  'then',
  'else',
];

/** Keywords whose value has schemas as members. */
const NAMED_SCHEMAS = ['properties', 'patternProperties', '$defs', 'definitions'];

/** @returns a type that JSON Schema does not have, of a schema or one of its parts; `undefined` if there is none. */
export function wrongTypeIn(schema: unknown): string | undefined {
  const open = [schema];
  while (open.length > 0) {
    const part = open.pop();
    if (typeof part !== 'object' || part === null) continue;
    const words = part as Record<string, unknown>;
    const types = Object.hasOwn(words, 'type') ? [words['type']].flat() : [];
    const wrong = types.find((type) => !SCHEMA_TYPES.includes(type as string));
    if (wrong !== undefined) return typeof wrong === 'string' ? wrong : JSON.stringify(wrong);
    for (const word of SCHEMAS) for (const inner of [words[word]].flat()) open.push(inner);
    for (const word of NAMED_SCHEMAS) for (const inner of Object.values(words[word] ?? {})) open.push(inner);
  }
  return undefined;
}
