/** The requests of a batch, a JSON in each line of its file, as rows of a map. */
import { setImmediate as turn } from 'node:timers/promises';
import * as z from 'zod';
import { present } from '../api/operation.ts';
import { MAX_ROWS } from '../shared/map.ts';
import { decodeText } from '../documents/text.ts';
import type { Row } from '../tasks/rows.ts';
import type { CallerTasks, NewTask } from '../tasks/tasks.ts';
import type { Endpoint } from './batch-object.ts';
import { chatIn } from './chat.ts';
import { inOpenAiForm, invalidValue, OpenAiError, unsupported } from './errors.ts';
import { readPart } from './parameters.ts';
import { responseIn } from './responses.ts';

/** The prompt of the map: the column `prompt` of each row. */
export const PROMPT = '{{prompt}}';

const lineOfFile = z.strictObject({
  custom_id: z.string().min(1).max(512),
  method: z.literal('POST', 'has to be POST'),
  url: z.string(),
  body: z.looseObject({}),
});

/** Number of lines that are read before other work of the process gets a turn: 10,000 lines took 0.7 s, and 3 s on a busy machine. */
const TURN = 50;

/** Reads the requests of a file. If one is wrong, or not supported in a batch, the whole file is refused and nothing is paid. */
export class BatchLines {
  /** The model of all requests; known once they were read. */
  model: string | undefined;
  private readonly ids = new Set<string>();

  constructor(
    private readonly tasks: CallerTasks,
    private readonly endpoint: Endpoint,
  ) {}

  /** @throws {OpenAiError} that names the line */
  async *rows(content: Buffer): AsyncGenerator<Row> {
    const text = decodeText(content)?.text;
    if (text === undefined) throw invalidValue('input_file_id', 'the file is no text');
    let line = 0;
    let count = 0;
    for (const json of text.split('\n')) {
      line += 1;
      if (json.trim() === '') continue;
      count += 1;
      if (count > MAX_ROWS) throw invalidValue('input_file_id', `the file has more than ${MAX_ROWS} requests`);
      if (count % TURN === 0) await turn();
      yield await this.rowOf(json, line).catch((error: unknown) => {
        throw atLine(line, error);
      });
    }
    if (count === 0) throw invalidValue('input_file_id', 'the file has no requests');
  }

  private async rowOf(json: string, line: number): Promise<Row> {
    const { custom_id, url, body } = readPart(lineOfFile, parsed(json), '');
    if (url !== this.endpoint) throw invalidValue('url', `is not the endpoint of the batch, ${this.endpoint}`);
    if (this.ids.has(custom_id)) throw invalidValue('custom_id', `${custom_id} is that of an earlier line`);
    this.ids.add(custom_id);
    const { model, prompt, files, continue: continues, ...task } = await this.taskOf(body);
    if (model === undefined) throw invalidValue('body.model', 'is missing');
    this.model ??= model;
    if (model !== this.model)
      throw invalidValue('body.model', `a batch has one model, and the first line has ${this.model}`);
    if (continues !== undefined) throw unsupported('body.previous_response_id', 'it is not supported in a batch');
    if (files || task.conversation?.some((turn) => turn.files))
      throw unsupported('body', 'files are not supported in a batch');
    const { request, conversation, metadata = {} } = task;
    return { line, values: { custom_id, prompt }, asked: present({ request, conversation, metadata }) };
  }

  private async taskOf(body: object): Promise<NewTask> {
    const asked =
      this.endpoint === '/v1/responses' ? await responseIn(body, this.tasks) : await chatIn(body, this.tasks);
    if (asked.stream) throw unsupported('body.stream', 'a batch has no streams');
    if ('background' in asked && asked.background)
      throw unsupported('body.background', 'a batch is in the background itself');
    return asked.task;
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw invalidValue('body', 'the line is not JSON');
  }
}

/** @returns an expected error with the line that it is about; any other one as it is. */
export function atLine(line: number, error: unknown): unknown {
  const known = inOpenAiForm(error);
  return known ? new OpenAiError(known.status, `Line ${line}: ${known.message}`, known.kind) : error;
}
