import type { Timings } from '../../shared/result.ts';

/** What follows one another in a task's life. */
export type Step = 'queued' | 'dispatch' | 'begun' | 'kimi' | 'save' | 'wake';

/**
 * A task's one clock: when each step was over. Its result file, its metrics and its details in the Web UI tell time by it.
 */
export class Clock {
  private readonly over: { [K in Step]?: number } = {};

  /** @param startedAt in milliseconds since 1970, as everything here that is no duration. */
  constructor(private readonly startedAt: number) {}

  /** A step is over. */
  mark(step: Step, at = Date.now()): void {
    this.over[step] = at;
  }

  /** A step is to come again, or never was one. */
  forget(step: Step): void {
    this.over[step] = undefined;
  }

  /** The whole of the call that took the task to Kimi was Kimi at work. */
  answeredInPlace(): void {
    this.over.kimi = this.over.dispatch;
    this.forget('dispatch');
  }

  /** @returns how long each step took; what is not known is absent. */
  timings(): Timings {
    const { startedAt, over } = this;
    const { queued, dispatch, begun, kimi, save, wake } = over;
    return present({
      queued_ms: elapsed(startedAt, queued),
      dispatch_ms: elapsed(queued, dispatch),
      kimi_ms: elapsed(begun ?? dispatch ?? queued, kimi),
      save_ms: elapsed(kimi, save),
      wake_ms: elapsed(save, wake),
    });
  }

  /** @returns how long it took until Kimi had the task, in milliseconds; `undefined` where it never went there. */
  untilTaken(): number | undefined {
    return elapsed(this.startedAt, this.over.dispatch ?? this.over.queued);
  }
}

/** Never below 0: the webhook's clock may be ahead of the workers'. */
function elapsed(from: number | undefined, to: number | undefined): number | undefined {
  return from === undefined || to === undefined ? undefined : Math.max(0, Math.round(to - from));
}

function present(timings: { [K in keyof Timings]: number | undefined }): Timings {
  return Object.fromEntries(Object.entries(timings).filter(([, ms]) => ms !== undefined));
}
