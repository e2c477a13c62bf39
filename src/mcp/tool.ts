/** What the tools have in common. */
import type { CallToolResult, ServerContext } from '@modelcontextprotocol/server';
import type { TaskRequest } from '../shared/task.ts';
import type { NewTask } from '../tasks/tasks.ts';
import type { Door } from './door.ts';
import { failing } from './sentences.ts';
import { inputsOf, OUTPUTS, type AskedArguments } from './shapes.ts';
import { mcpText } from './text/index.ts';

/** How long to wait until Kimi has accepted a task, in milliseconds: as the HTTP API by default. */
export const ACCEPTANCE_MS = 900;

/** @returns what a client sees of each tool. */
export function definitionsIn({ lang }: Door) {
  const say = mcpText(lang);
  const inputs = inputsOf(say);
  return <Name extends keyof typeof inputs>(name: Name) => ({
    description: say.tools[name],
    inputSchema: inputs[name],
    outputSchema: OUTPUTS[name],
  });
}

/** Answers with a sentence whatever happens. */
export function answering<Args extends object>(
  { explain: sentenceFor }: Door,
  work: (args: Args, ctx: ServerContext) => Promise<CallToolResult>,
) {
  return async (args: Args, ctx: ServerContext): Promise<CallToolResult> => {
    try {
      return await work(args, ctx);
    } catch (error) {
      // No client reads the answer to a cancelled request.
      if (ctx.mcpReq.signal.aborted) throw error;
      const { task_id } = args as { task_id?: string };
      return failing(await sentenceFor(error, task_id));
    }
  };
}

/** @returns what is asked, and how. */
export function askedIn(args: AskedArguments): Omit<NewTask, 'prompt'> {
  const { name, model, timeout, system, thinking, schema, tools, batch, budget } = args;
  const request: TaskRequest = {
    ...(system !== undefined && { system }),
    ...(thinking !== undefined && { thinking }),
    ...(schema && { json_schema: schema }),
    ...(tools && { tools }),
    ...(batch && { batch }),
  };
  return {
    ...(name !== undefined && { name }),
    ...(model !== undefined && { model }),
    ...(timeout !== undefined && { timeout_ms: timeout }),
    ...(budget !== undefined && { budget }),
    ...(Object.keys(request).length > 0 && { request }),
  };
}
