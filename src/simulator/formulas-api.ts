import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Request, Response, Router } from 'express';
import * as z from 'zod';
import { invalid, refusalWith, Refusal } from './errors.ts';
import type { Counts } from './events.ts';

/**
 * Functions by formula, one each. Moonshot's `excel` was seen to have several, nested under `_plugin`, and the code runner to be answered
 * with 404.
 */
const FUNCTIONS: Record<string, { name: string; argument: string }> = {
  'moonshot/web-search:latest': { name: 'web_search', argument: 'query' },
  'moonshot/fetch:latest': { name: 'fetch', argument: 'url' },
  'moonshot/code-runner:latest': { name: 'code_runner', argument: 'code' },
  'moonshot/excel:latest': { name: 'read_file', argument: 'file_path' },
};

const count = z.coerce.number().int().nonnegative();

/**
 * Directives for a call: `[[call: key=value key=value]]` in its arguments; the simulated model puts the first line of the prompt there.
 *
 * | key | value | effect |
 * | --- | --- | --- |
 * | `delay` | ms | how long the tool takes |
 * | `status` | 400–599 | the call is refused with this status |
 * | `break` | `cut` | the tool is run and paid for, and the connection is closed without a response |
 * | `fail` | `1` | the tool fails |
 * | `times` | n | only the first n calls of a function with these arguments are so |
 */
const directives = z.object({
  delay: count.default(0),
  status: z.coerce.number().int().min(400).max(599).optional(),
  break: z.literal('cut').optional(),
  fail: z.literal('1').optional(),
  times: count.default(Infinity),
});

const call = z.object({ name: z.string(), arguments: z.string() });

/** Adds Moonshot's Formula API: search returns a block that only Kimi can read, the others text. */
export function addFormulas(api: Router, counts: Counts): void {
  /** How often a directive has applied, by function and arguments. */
  const applied = new Map<string, number>();

  api.get('/formulas/:owner/:name/tools', (request, response) => {
    const { name, argument } = functionOf(request);
    const parameters = { type: 'object', required: [argument], properties: { [argument]: { type: 'string' } } };
    const description = '（模擬的工具 simulated tool）';
    response.json({ object: 'list', tools: [{ type: 'function', function: { name, description, parameters } }] });
  });

  api.post('/formulas/:owner/:name/fibers', async (request: Request, response: Response) => {
    const { name, argument } = functionOf(request);
    const parsed = call.safeParse(request.body);
    if (!parsed.success || parsed.data.name !== name)
      throw invalid(`Invalid request: ${name} needs name and arguments`);
    const { arguments: args } = parsed.data;
    const key = `${name} ${args}`;
    const times = (applied.get(key) ?? 0) + 1;
    applied.set(key, times);
    const directed = directivesIn(args);
    const isDirected = times <= directed.times;
    if (isDirected && directed.status) throw refusalWith(directed.status);
    const isFailed = isDirected && directed.fail !== undefined;
    counts.fibers.push({ name, arguments: args, billed: !isFailed });
    if (isDirected) await pause(directed.delay);
    if (isDirected && directed.break) {
      request.socket.destroy();
      return;
    }
    const head = { id: `fiber-${randomBytes(8).toString('hex')}`, object: 'fiber' };
    if (isFailed) response.json({ ...head, status: 'failed', context: { error: 'simulated' } });
    else response.json({ ...head, status: 'succeeded', context: returned(argument, args) });
  });
}

function functionOf({ params: { owner, name } }: Request): { name: string; argument: string } {
  const found = FUNCTIONS[`${String(owner)}/${String(name)}`];
  if (!found)
    throw new Refusal(404, 'resource_not_found_error', `Not found the formula ${String(owner)}/${String(name)}`);
  return found;
}

function returned(argument: string, args: string): object {
  if (argument === 'query')
    return { encrypted_output: `----MOONSHOT ENCRYPTED BEGIN----${Buffer.from(args).toString('base64')}` };
  if (argument === 'url') return { output: `（模擬的網頁 simulated page）https://example.com/simulated ${args}` };
  return { output: `（模擬的結果 simulated result）${args}` };
}

function directivesIn(args: string): z.infer<typeof directives> {
  const line = /\[\[call:(?<pairs>[^\]]*)\]\]/.exec(args)?.groups?.['pairs'] ?? '';
  const pairs = line
    .trim()
    .split(/\s+/)
    .map((pair) => pair.split('=', 2) as [string, string]);
  const parsed = directives.safeParse(Object.fromEntries(pairs));
  if (!parsed.success)
    throw invalid(`Invalid request: ${parsed.error.issues.map(({ message }) => message).join('; ')}`);
  return parsed.data;
}
