/** Answers as resources. */
import { ProtocolError, ProtocolErrorCode, ResourceTemplate, type McpServer } from '@modelcontextprotocol/server';
import { outcomeText } from '../notify/message.ts';
import { OUTCOMES } from '../shared/task.ts';
import { parseTaskId } from '../shared/task-id.ts';
import { Problem } from '../tasks/problem.ts';
import { stateOf, textFor } from '../text/index.ts';
import { resultToSend, type Door } from './door.ts';
import { mcpText } from './text/index.ts';

const SCHEME = 'kimi-dispatch://results/';

/** Number of the newest tasks that are listed. */
const LISTED = 50;

const MIME = 'text/markdown';

export function addResources(server: McpServer, door: Door): void {
  const text = textFor(door.lang);
  const { resource: say } = mcpText(door.lang);
  const list = async () => {
    const { tasks } = await heard(door, async () => await (await door.open()).list({ status: [...OUTCOMES] }, LISTED));
    return {
      resources: tasks.map((task) => ({
        uri: SCHEME + task.task_id,
        name: task.task_name,
        description: stateOf(task, text),
        mimeType: MIME,
      })),
    };
  };
  server.registerResource(
    'result',
    new ResourceTemplate(`${SCHEME}{task_id}`, { list }),
    { title: say.name, description: say.description, mimeType: MIME },
    async (uri, { task_id: word }) => {
      const id = parseTaskId(String(word))?.task_id ?? String(word);
      const saved = await heard(door, async () => await resultToSend(door, await door.open(), id), id);
      return { contents: [{ uri: uri.href, mimeType: MIME, text: saved.output ?? outcomeText(saved, text) }] };
    },
  );
}

/** @throws {ProtocolError} with a sentence */
async function heard<T>(door: Door, work: () => Promise<T>, task_id?: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isKnown = error instanceof Problem;
    const code = isKnown ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
    throw new ProtocolError(code, await door.explain(error, task_id));
  }
}
