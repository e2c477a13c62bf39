import { compile } from 'json-schema-to-typescript';

const BANNER = '/** The shapes of the API, made from docs/openapi.json by `npm run openapi`. */';

/** Comments and a type that only say how the generator was called. */
const OF_THE_GENERATOR = [
  /^ *\* This interface was referenced by `Root`'s JSON-Schema\n *\* via the `definition` "\w+"\.\n/gm,
  /^\/\*\*\n \*\/\n/gm,
  /^export interface Root \{\n.*\n\}\n/gm,
];

/** @returns TypeScript's types of the document's schemas: src/sdk/types.ts. */
export async function apiTypes(document: object): Promise<string> {
  const { components } = document as { components: { schemas: object } };
  // A reference with a description of its own would become a type of its own.
  const schemas = JSON.stringify(components.schemas, (_key, value: { $ref?: string } | null) => {
    if (typeof value?.$ref !== 'string') return value;
    const { $ref, ...rest } = value;
    const reference = { $ref: $ref.replace('#/components/schemas/', '#/$defs/') };
    return Object.keys(rest).length === 0 ? reference : { ...rest, allOf: [reference] };
  });
  const text = await compile({ $defs: JSON.parse(schemas) as object }, 'Root', {
    additionalProperties: false,
    bannerComment: BANNER,
    style: { singleQuote: true, printWidth: 120 },
    unreachableDefinitions: true,
  });
  return OF_THE_GENERATOR.reduce((left, part) => left.replaceAll(part, ''), text);
}
