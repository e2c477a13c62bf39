/** The OpenAPI document, made from the table of operations and their schemas. */
import * as z from 'zod';
import type { Operation } from './operation.ts';
import { OPERATIONS } from './operations.ts';
import { scheduleParams } from './schedule-schemas.ts';
import type { ProblemCode } from '../tasks/problem.ts';
import { PROBLEMS } from './problems.ts';
import { components } from './schema-parts.ts';
import { idempotencyKey, taskParams } from './schemas.ts';

/** Problems of every operation. */
const OF_EVERY = ['invalid_request', 'unauthorized', 'not_allowed', 'rate_limited', 'starting', 'internal_error'];

/** Problems of a body. */
const OF_A_BODY = ['body_too_large', 'unsupported_encoding'];

/** Statuses of problems that are not of tasks. */
const STATUSES: Record<string, number> = {
  invalid_request: 400,
  invalid_json: 400,
  unauthorized: 401,
  body_too_large: 413,
  not_json: 415,
  not_a_file: 415,
  unsupported_encoding: 415,
  rate_limited: 429,
  starting: 503,
  engine_unreachable: 503,
  unusable_files: 500,
  internal_error: 500,
};

/** @returns the document, in OpenAPI 3.1. */
export function openApiDocument(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) (paths[operation.path] ??= {})[operation.method] = described(operation);
  return {
    openapi: '3.1.1',
    info: {
      title: 'Kimi Dispatch',
      version: '1',
      description:
        'HTTP over the socket api.sock in KIMI_HOME, for its owner only; with KIMI_API_PORT also over TCP, for programs with a token (kimi-dispatch token).',
    },
    security: [{}, { token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'Over TCP only.' } },
      schemas: schemasOf(),
    },
  };
}

function schemasOf(): Record<string, object> {
  const { schemas } = z.toJSONSchema(components, { uri: referenceTo, io: 'input' });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _schema, $id: _id, ...schema }]) => [name, schema]),
  );
}

function referenceTo(id: string): string {
  return `#/components/schemas/${id}`;
}

function described({
  id,
  summary,
  path,
  query,
  body,
  isUpload,
  isStream,
  hasKey,
  answers,
  problems,
}: Operation): object {
  const parameters = [
    ...(path.includes('{task_id}') ? parametersOf(taskParams, 'path') : []),
    ...(path.includes('{name}') ? parametersOf(scheduleParams, 'path') : []),
    ...(query ? parametersOf(query, 'query') : []),
    ...(hasKey ? [keyParameter()] : []),
    ...(isStream ? [EVENT_PARAMETER] : []),
  ];
  return {
    operationId: id,
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        required: !body.safeParse({}).success,
        content: { 'application/json': { schema: reference(body) } },
      },
    }),
    ...(isUpload && {
      requestBody: {
        required: true,
        content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, schema]) => [
          status,
          answer(schema, isStream ? 'text/event-stream' : 'application/json'),
        ]),
      ),
      ...(isStream && { 204: { description: 'The client has the end: it need not come back.' } }),
      ...problemAnswers([
        ...problems,
        ...(body ? ['invalid_json', 'not_json', ...OF_A_BODY] : []),
        ...(isUpload ? ['not_a_file', ...OF_A_BODY] : []),
        ...OF_EVERY,
      ]),
    },
  };
}

function reference(schema: z.ZodType): object {
  return { $ref: referenceTo(components.get(schema)?.id ?? '') };
}

function answer(schema: z.ZodType, type: string): object {
  return {
    description: components.get(schema)?.description ?? '',
    content: { [type]: { schema: reference(schema) } },
  };
}

function statusOf(code: string): number {
  return STATUSES[code] ?? PROBLEMS[code as ProblemCode][0];
}

/** One answer for each status, with the codes that it may have. */
function problemAnswers(codes: string[]): Record<string, object> {
  return Object.fromEntries(
    [...new Set(codes.map(statusOf))].map((status) => [
      status,
      {
        description: `\`code\`: ${codes.filter((code) => statusOf(code) === status).join(', ')}`,
        content: { 'application/problem+json': { schema: { $ref: referenceTo('Problem') } } },
      },
    ]),
  );
}

function parametersOf(schema: z.ZodObject, place: 'path' | 'query'): object[] {
  return Object.entries(schema.shape).map(([name, member]) => {
    const { description, ...its } = jsonSchemaOf(member as z.ZodType);
    const isRequired = place === 'path' || !(member as z.ZodType).safeParse(undefined).success;
    return {
      name,
      in: place,
      ...(isRequired && { required: true }),
      ...(description !== undefined && { description }),
      ...formOf(name, its),
    };
  });
}

/** A chat is JSON; a list is separated by commas. */
function formOf(name: string, schema: z.core.JSONSchema.BaseSchema): object {
  if (name === 'route') return { content: { 'application/json': { schema: { $ref: referenceTo('Route') } } } };
  return { ...(schema.type === 'array' && { style: 'form', explode: false }), schema };
}

function jsonSchemaOf(schema: z.ZodType): z.core.JSONSchema.BaseSchema {
  const { $schema: _schema, $defs: _defs, ...rest } = z.toJSONSchema(schema, { io: 'output' });
  return rest;
}

const EVENT_PARAMETER = {
  name: 'Last-Event-ID',
  in: 'header',
  description: 'Id of the last event that the client has.',
  schema: { type: 'string' },
};

function keyParameter(): object {
  return {
    name: 'Idempotency-Key',
    in: 'header',
    description:
      'Starts one task only, however often it is used. A UUID of version 7 gives the task its time; any other word is as good.',
    schema: jsonSchemaOf(idempotencyKey),
  };
}
