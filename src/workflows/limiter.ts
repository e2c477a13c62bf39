import {
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  getExternalWorkflowHandle,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { AdmissionQueue } from '../limiter/admission.ts';
import { emptyState, type AdmissionState } from '../limiter/state.ts';
import type {
  Admission,
  LeaseRequest,
  LimiterView,
  Limits,
  ReleaseReport,
  SentReport,
  Throttled,
} from '../shared/limits.ts';
import { ADMISSION_SIGNAL, LIMITER_QUERY, LIMITER_SIGNALS, SET_LIMITS_UPDATE } from '../shared/names.ts';
import type { Lang } from '../shared/task.ts';
import { textFor } from '../text/index.ts';
import { limiterDetails } from './details.ts';

const configureSignal = defineSignal<[Limits, agent?: string]>(LIMITER_SIGNALS.configure);
const requestSignal = defineSignal<[LeaseRequest]>(LIMITER_SIGNALS.request);
const sentSignal = defineSignal<[SentReport]>(LIMITER_SIGNALS.sent);
const releaseSignal = defineSignal<[ReleaseReport]>(LIMITER_SIGNALS.release);
const throttledSignal = defineSignal<[Throttled]>(LIMITER_SIGNALS.throttled);
const admissionSignal = defineSignal<[Admission]>(ADMISSION_SIGNAL);
const limitsQuery = defineQuery<LimiterView>(LIMITER_QUERY);
const setLimitsUpdate = defineUpdate<LimiterView, [Partial<Limits>]>(SET_LIMITS_UPDATE);

/** Interval of the checks whether tasks that keep others waiting have ended, in milliseconds. */
const CHECK_MS = 10_000;

/**
 * Events after which a new run takes over, so that a history stays quick to replay: 2,000 took 0.7 s on an idle machine. On a
 * busy one that exceeds the timeout of a workflow task, and a limiter that cannot replay admits no task.
 */
const MAX_EVENTS = 500;

/**
 * Bookkeeping that is repeated at the next check. No local activities: if their workflow task times out while signals
 * arrive, the history cannot be replayed (docs/decisions/0016-local-first.md).
 */
const { endedTasks, missingAgents, tasksInFlight } = proxyActivities<Activities>({
  startToCloseTimeout: '3s',
  retry: { maximumAttempts: 2 },
});

export interface LimiterStart {
  limits: Limits;
  lang: Lang;
  /** Several agents share it. */
  shared?: true;
  /** State of the previous run. */
  state?: AdmissionState;
  /** Requests that the previous run has not answered. */
  unanswered?: LeaseRequest[];
  /** Agents whose tasks in flight the previous run has not looked up. */
  newAgents?: string[];
}

/**
 * The limiter of one task queue, or of several that share it: gives leases to tasks, over all workers and machines. Tasks
 * request, report and release by signal; it answers each request with a signal. It never ends: it continues as new.
 */
export async function kimiLimiter(start: LimiterStart): Promise<void> {
  const limiter = new Limiter(start);
  handleMessages(limiter);
  if (!start.state && !start.shared) await limiter.adoptTasksInFlight();
  for (;;) {
    limiter.hasChanged = false;
    await limiter.adoptTasksOfNewAgents();
    limiter.answerRequests();
    limiter.updateDetails();
    if (isLong()) {
      await condition(() => limiter.pendingAnswers === 0 && allHandlersFinished());
      await continueAsNew<typeof kimiLimiter>(limiter.nextStart());
    }
    const isBlocked = limiter.admission.blockers(Date.now(), 0).length > 0;
    await limiter.untilChange(isBlocked);
    if (limiter.isCheckDue() && isBlocked) await limiter.releaseEndedTasks();
  }
}

function handleMessages(limiter: Limiter): void {
  const { admission } = limiter;
  const handle = <T>(work: (argument: T) => void) => {
    return (argument: T): void => {
      work(argument);
      limiter.hasChanged = true;
    };
  };
  setHandler(configureSignal, (limits, agent) => {
    admission.configure(limits);
    limiter.recordAgent(agent);
    limiter.hasChanged = true;
  });
  setHandler(
    requestSignal,
    handle((request) => limiter.request(request)),
  );
  setHandler(
    sentSignal,
    handle(({ task_id, round, accepted }) => admission.reportSent(task_id, round, accepted, Date.now())),
  );
  setHandler(
    releaseSignal,
    handle(({ task_id, sent, spent }) => admission.release(task_id, sent, Date.now(), spent)),
  );
  setHandler(
    throttledSignal,
    handle((throttled) => admission.throttled(throttled, Date.now())),
  );
  setHandler(limitsQuery, () => admission.view(Date.now()));
  setHandler(setLimitsUpdate, (limits) => {
    admission.setLimits(limits);
    limiter.hasChanged = true;
    return admission.view(Date.now());
  });
}

class Limiter {
  readonly admission: AdmissionQueue;
  /** A signal or an update has arrived, or a slot was released. */
  hasChanged = true;
  /** Answers that Temporal has not confirmed yet. */
  pendingAnswers = 0;
  /** Requests without an answer, by task id: the last one counts. */
  private readonly unanswered: Map<string, LeaseRequest>;
  /** Ids of those tasks among them that are new in the queue. */
  private readonly newTasks: string[] = [];
  /** Agents whose tasks in flight have not been looked up. */
  private readonly newAgents: string[];
  private checkedAt = Date.now();

  constructor(private readonly start: LimiterStart) {
    const { limits, shared, state, unanswered = [], newAgents = [] } = start;
    this.admission = new AdmissionQueue(state ?? { ...emptyState(limits), ...(shared && { agents: [] }) });
    this.unanswered = new Map(unanswered.map((request) => [request.task_id, request]));
    this.newAgents = [...newAgents];
  }

  recordAgent(agent: string | undefined): void {
    if (agent !== undefined && this.admission.agents.recordSeen(agent)) this.newAgents.push(agent);
  }

  request(request: LeaseRequest): void {
    this.recordAgent(request.agent);
    if (this.admission.needsCost(request)) {
      void this.answer(request.task_id, { round: request.round, state: 'unpriced' });
      return;
    }
    if (this.admission.request(request, Date.now())) this.newTasks.push(request.task_id);
    this.unanswered.set(request.task_id, request);
  }

  async adoptTasksInFlight(agent?: string): Promise<void> {
    const inFlight = await (agent === undefined ? tasksInFlight() : tasksInFlight(agent)).catch(() => []);
    this.admission.adopt(inFlight, Date.now(), agent);
  }

  async adoptTasksOfNewAgents(): Promise<void> {
    for (const agent of this.newAgents.splice(0)) await this.adoptTasksInFlight(agent);
  }

  /** Grants what the limits admit, refuses what exceeds the queue, and answers every other request with its position. */
  answerRequests(): void {
    const { admission, unanswered } = this;
    const now = Date.now();
    const granted = admission.grant(now);
    for (const request of admission.takeResumed()) unanswered.set(request.task_id, request);
    for (const { request, pause } of admission.paused.takeNews(now)) {
      const { task_id, round } = request;
      unanswered.delete(task_id);
      void this.answer(task_id, { round, state: 'paused', pause });
    }
    for (const { task_id, round } of granted) {
      unanswered.delete(task_id);
      void this.answer(task_id, { round, state: 'granted' });
    }
    for (const { task_id, round } of admission.refuse(this.newTasks.splice(0))) {
      unanswered.delete(task_id);
      void this.answer(task_id, { round, state: 'refused', limit: admission.limits.queued });
    }
    for (const request of unanswered.values()) {
      const { task_id, round } = request;
      const position = admission.positionOf(task_id, now);
      const pause = admission.pauseOf(task_id, now);
      if (position) void this.answer(task_id, { round, state: 'queued', ...position });
      else if (pause) void this.answer(task_id, { round, state: 'paused', pause });
      else if (admission.isGranted(request)) void this.answer(task_id, { round, state: 'granted' });
    }
    unanswered.clear();
  }

  updateDetails(): void {
    setCurrentDetails(limiterDetails(this.admission.view(Date.now()), textFor(this.start.lang)));
  }

  /** Waits for a signal or an update, or until time alone admits a task. */
  async untilChange(isBlocked: boolean): Promise<void> {
    const soonest = Math.min(this.admission.nextChange(Date.now()) ?? Infinity, isBlocked ? CHECK_MS : Infinity);
    const hasChanged = (): boolean => this.hasChanged;
    if (soonest === Infinity) await condition(hasChanged);
    else await condition(hasChanged, soonest);
  }

  isCheckDue(): boolean {
    // The clock may have been set back.
    this.checkedAt = Math.min(this.checkedAt, Date.now());
    return Date.now() >= this.checkedAt + CHECK_MS;
  }

  async releaseEndedTasks(): Promise<void> {
    const { admission } = this;
    this.checkedAt = Date.now();
    const blockers = admission.blockers(this.checkedAt, CHECK_MS);
    const ended = blockers.length > 0 ? await endedTasks(blockers).catch(() => []) : [];
    for (const task_id of ended) admission.release(task_id, true, Date.now());
    if (this.start.shared && ended.length < blockers.length) {
      admission.agentsMissing(await missingAgents(admission.agents.all).catch(() => []), Date.now());
    }
  }

  /** Arguments of the next run. */
  nextStart(): LimiterStart {
    const { limits, lang, shared } = this.start;
    return {
      limits,
      lang,
      ...(shared && { shared, newAgents: this.newAgents }),
      state: this.admission.snapshot(),
      unanswered: [...this.unanswered.values()],
    };
  }

  /** Sends the limiter's answer; a task that no longer exists releases its slot. */
  private async answer(task_id: string, admission: Admission): Promise<void> {
    this.pendingAnswers += 1;
    try {
      await getExternalWorkflowHandle(task_id).signal(admissionSignal, admission);
    } catch {
      this.admission.release(task_id, false, Date.now());
      this.hasChanged = true;
    } finally {
      this.pendingAnswers -= 1;
    }
  }
}

function isLong(): boolean {
  const { historyLength, continueAsNewSuggested } = workflowInfo();
  return historyLength > MAX_EVENTS || continueAsNewSuggested;
}
