/** src/service: what every process of ours needs: exit statuses, errors as sentences, logs, ports, files, tracing. */
import type { Lang } from '../shared/task.ts';
import { describeService, type ServiceProblem, type ServiceProblemCode, type ServiceProblemOf } from './problems.ts';

/** Exit statuses of the command line and the services. Documented in docs/cli.md; scripts rely on them. */
export const EXIT = {
  ok: 0,
  /** An unexpected error. */
  unexpected: 1,
  /** Unknown option, missing or malformed argument. */
  usage: 2,
  /** Configuration or environment: no key, a port taken, a folder not writable. */
  config: 3,
  unknown_task: 4,
  /** No stack runs here, no Temporal server answers, or no worker is online. */
  engine: 5,
  /** The task failed, or Kimi refused it. */
  failed: 6,
  timed_out: 7,
  cancelled: 8,
  /** The task has no result yet. */
  unfinished: 9,
  /** The task has ended already and cannot be cancelled. */
  finished: 10,
  /** The chat has started all the tasks it may start in an hour. */
  limited: 11,
  /** Ctrl-C: 128 + SIGINT. */
  interrupted: 130,
} as const;

export type Exit = (typeof EXIT)[keyof typeof EXIT];

/** A problem that a person can fix. Only its sentence is shown; the message is the English one, for logs. */
export class ServiceError<Code extends ServiceProblemCode = ServiceProblemCode> extends Error {
  override readonly name = 'ServiceError';

  constructor(
    readonly code: Code,
    readonly params: ServiceProblemOf<Code>['params'],
    options?: ErrorOptions,
  ) {
    super(describeService({ code, params } as ServiceProblem, 'en'), options);
  }

  sentence(lang: Lang): string {
    return describeService({ code: this.code, params: this.params } as ServiceProblem, lang);
  }
}
