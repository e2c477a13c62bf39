import type { TaskError } from '../shared/task.ts';

/** What happens to a task at the face that calls back. */
export type SimulatorEvent = { task_id: string } &
  /** A dispatch call is here. */
  (
    | { what: 'arrived' }
    | { what: 'refused'; status: number }
    /**
     * A dispatch call was taken; it has this answer. `repeated`: as one before it was, under the same `Idempotency-Key`.
     * `inPlace`: the call itself is answered with it.
     */
    | { what: 'taken'; repeated: boolean; inPlace: boolean; answer: { content: string } | { error: TaskError } }
    /** A callback was answered with this status; 0 for no answer. */
    | { what: 'called back'; status: number }
    /** No callback follows: it was taken or refused, or is not meant to come. */
    | { what: 'finished' }
  );
