/** Events of a task, read from a stream of server-sent events. */
import { createParser } from 'eventsource-parser';
import type { Task } from './types.ts';

/** How far an answer is. `tail`: its last characters. */
export type Progress = NonNullable<Task['progress']>;

/** Text of the answer, which belongs at `offset`, in UTF-16 units: behind the text before it, or in place of it if that was replaced. */
interface Text {
  offset: number;
  text: string;
}

/** `state`: the task, first as it is and then whenever it changes. `end`: the task with its outcome; nothing follows. */
export type TaskEvent =
  | { type: 'state' | 'end'; task: Task }
  | { type: 'progress'; progress: Progress }
  | ({ type: 'text' } & Text);

/** Yields the events of a body, each with its id. */
export async function* eventsOf(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ id: string | undefined; event: TaskEvent }, void> {
  const read: { id: string | undefined; event: TaskEvent }[] = [];
  const parser = createParser({
    onEvent: ({ id, event: type, data }) => {
      if (type === 'progress') read.push({ id, event: { type, progress: JSON.parse(data) as Progress } });
      if (type === 'text') read.push({ id, event: { type, ...(JSON.parse(data) as Text) } });
      if (type === 'state' || type === 'end') read.push({ id, event: { type, task: JSON.parse(data) as Task } });
    },
  });
  const decoder = new TextDecoder();
  for await (const bytes of body) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    yield* read.splice(0);
  }
}
