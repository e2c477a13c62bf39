import cliTruncate from 'cli-truncate';
import pico from 'picocolors';
import { clock, field } from '../../shared/format.ts';
import type { TaskView } from '../../shared/task.ts';
import type { StartStep } from '../../stack/stack.ts';
import { explain, type Text } from '../../text/index.ts';
import type { Found } from '../../tasks/tasks.ts';
import { lastLine, sayRetrying } from './retrying.ts';
import { fields } from './terminal.ts';
import type { CliText } from '../text/index.ts';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 80;

/** As bytes: the guard of the stream removes it from text. */
const ERASE_LINE = Buffer.from('\r\u001B[K');

/** Shows the progress of a task on standard error: one updated line on a terminal, a line for each step elsewhere. */
export class Progress {
  private frame = 0;
  private shown = '';
  private line: () => string = () => '';
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly say: CliText,
    private readonly text: Text,
    private readonly out: NodeJS.WriteStream = process.stderr,
  ) {}

  /** Shows a step of starting the stack. A download draws its own bar, so its line stays. */
  step(step: StartStep): void {
    const sentence = this.say.steps[step];
    if (step === 'sdk' || step === 'wheel') {
      this.end();
      this.out.write(`${sentence}\n`);
    } else this.show(() => sentence);
  }

  /** Shows a task. */
  update(found: Found): void {
    const tail = found.progress && field(lastLine(found.progress));
    const { view, live, retrying, progress } = fields(found);
    const parts = [
      () => pico.bold(this.cut(view.task_name)),
      () =>
        view.map
          ? [this.text.rows(view.map), ...(progress ? [this.text.stream(progress)] : [])].join(' · ')
          : progress
            ? this.text.stream(progress)
            : live
              ? this.text.step[view.step]
              : this.say.noWorker,
      () => this.elapsed(view),
      () => (retrying ? pico.yellow(sayRetrying(retrying, this.say, this.text)) : ''),
      () => (tail ? pico.dim(tail) : ''),
      () => (view.wake_error ? pico.red(explain(view.wake_error, this.text)) : ''),
    ];
    const key = JSON.stringify([view.step, progress?.phase, progress?.rounds?.round, live, retrying?.attempt]);
    this.show(
      () =>
        parts
          .map((part) => part())
          .filter((part) => part !== '')
          .join('  '),
      key,
    );
  }

  /** Clears the updated line. */
  end(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    if (this.out.isTTY) this.out.write(ERASE_LINE);
  }

  private show(line: () => string, key = line()): void {
    this.line = line;
    if (this.out.isTTY) {
      this.timer ??= setInterval(() => this.draw(), FRAME_MS);
    } else if (key !== this.shown) {
      this.out.write(`${line()}\n`);
    }
    this.shown = key;
  }

  private draw(): void {
    this.frame = (this.frame + 1) % FRAMES.length;
    const line = `${pico.cyan(FRAMES[this.frame] ?? '')} ${this.line()}`;
    this.out.write(ERASE_LINE);
    this.out.write(cliTruncate(line, (this.out.columns || 80) - 1));
  }

  /** Shortens a long name to leave room for the state. */
  private cut(name: string): string {
    return this.out.isTTY ? cliTruncate(name, Math.max(8, Math.floor((this.out.columns || 80) / 3))) : name;
  }

  /** Time since the start of the task, and when Kimi has to have answered. */
  private elapsed({ step, created_at, deadline }: TaskView): string {
    const start = Date.parse(created_at);
    const now = clock(Date.now() - start);
    return step === 'waiting' && deadline ? this.say.progress.elapsed(now, clock(Date.parse(deadline) - start)) : now;
  }
}
