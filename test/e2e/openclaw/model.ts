/** A stand-in for a model behind OpenAI's chat completions, streamed. It counts its requests. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ModelRequest {
  messages: { role: string; content: unknown }[];
  tools?: { function: { name: string } }[];
  /** Estimated, a token for four bytes of the request. */
  tokens: number;
}

/** The next output of the model: text, or a tool call. */
export type Saying = string | { tool: string; arguments: Record<string, unknown> };

export interface Model {
  url: string;
  requests: ModelRequest[];
  /** Used one by one; then it returns the text of its brain, or `ok`. */
  script: Saying[];
  brain?: (request: ModelRequest) => Saying;
  stop(): void;
}

export async function serveModel(): Promise<Model> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const { messages = [], tools } = JSON.parse(body.toString() || '{}') as Partial<ModelRequest>;
      const asked = { messages, ...(tools && { tools }), tokens: Math.ceil(body.length / 4) };
      model.requests.push(asked);
      const saying = model.script.shift() ?? model.brain?.(asked) ?? 'ok';
      const delta =
        typeof saying === 'string'
          ? { role: 'assistant', content: saying }
          : {
              role: 'assistant',
              tool_calls: [
                {
                  index: 0,
                  id: `call_${model.requests.length}`,
                  type: 'function',
                  function: { name: saying.tool, arguments: JSON.stringify(saying.arguments) },
                },
              ],
            };
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk({ index: 0, delta, finish_reason: null }));
      const finish_reason = typeof saying === 'string' ? 'stop' : 'tool_calls';
      response.write(
        chunk(
          { index: 0, delta: {}, finish_reason },
          { usage: { prompt_tokens: 10, completion_tokens: 1, total_tokens: 11 } },
        ),
      );
      response.end('data: [DONE]\n\n');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const model: Model = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    script: [],
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return model;
}

function chunk(choice: object, more = {}): string {
  const event = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'stub', choices: [choice], ...more };
  return `data: ${JSON.stringify(event)}\n\n`;
}
