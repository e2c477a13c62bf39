import type { Timings } from '../../shared/result.ts';

/** `begun`: Kimi's first byte behind a relay. */
type Stage = 'queued' | 'dispatch' | 'begun' | 'kimi' | 'save' | 'wake';

/** When each stage of a task ended. Source of the times in its result file, metrics and details in the Web UI. */
export class StageTimes {
  private readonly ends: { [K in Stage]?: number } = {};

  /** @param startedAt milliseconds since 1970, as every point in time here */
  constructor(private readonly startedAt: number) {}

  /** Records the end of a stage. */
  mark(stage: Stage, at = Date.now()): void {
    this.ends[stage] = at;
  }

  clear(stage: Stage): void {
    this.ends[stage] = undefined;
  }

  /** The dispatch call returned the answer: all its time was Kimi's. */
  countDispatchAsKimi(): void {
    this.ends.kimi = this.ends.dispatch;
    this.clear('dispatch');
  }

  /** @returns how long each stage took; what is not known is absent. */
  timings(): Timings {
    const { startedAt, ends } = this;
    const { queued, dispatch, begun, kimi, save, wake } = ends;
    return present({
      queued_ms: elapsed(startedAt, queued),
      dispatch_ms: elapsed(queued, dispatch),
      kimi_ms: elapsed(begun ?? dispatch ?? queued, kimi),
      save_ms: elapsed(kimi, save),
      wake_ms: elapsed(save, wake),
    });
  }

  /** @returns these timings; `undefined` if none is known. */
  pick(...names: (keyof Timings)[]): Timings | undefined {
    const timings = this.timings();
    const known = names.filter((name) => timings[name] !== undefined);
    return known.length > 0 ? Object.fromEntries(known.map((name) => [name, timings[name]])) : undefined;
  }

  /** @returns milliseconds from the start until Kimi had the task; `undefined` if it was never sent. */
  untilDispatched(): number | undefined {
    return elapsed(this.startedAt, this.ends.dispatch ?? this.ends.queued);
  }
}

/** Never below 0: the webhook's clock may be ahead of the workers'. */
function elapsed(from: number | undefined, to: number | undefined): number | undefined {
  return from === undefined || to === undefined ? undefined : Math.max(0, Math.round(to - from));
}

function present(timings: { [K in keyof Timings]: number | undefined }): Timings {
  return Object.fromEntries(Object.entries(timings).filter(([, ms]) => ms !== undefined));
}
