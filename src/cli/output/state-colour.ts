import pico from 'picocolors';
import type { TaskState } from '../../shared/task.ts';

const COLOURS: Partial<Record<TaskState, (text: string) => string>> = {
  done: pico.green,
  failed: pico.red,
  timed_out: pico.red,
  cancelled: pico.dim,
};

/** @returns what colours a state: on a terminal only, while picocolors also does it in CI. */
export function colourOf(state: TaskState): (text: string) => string {
  return (process.stdout.isTTY && COLOURS[state]) || ((text) => text);
}
