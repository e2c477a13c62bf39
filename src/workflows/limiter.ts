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
import { AdmissionQueue, emptyState, type AdmissionState } from '../limiter/admission.ts';
import type { Activities } from '../activities/index.ts';
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

/** How often it is looked whether those who keep others waiting still need their place, in milliseconds. */
const LOOK_MS = 10_000;

/**
 * Events after which a new run takes over, so that a history stays quick to replay: 2,000 took 0.7 s on an idle machine,
 * which on a busy one is more than a workflow task has, and a limiter that never catches up holds everybody up.
 */
const MAX_EVENTS = 500;

/**
 * Bookkeeping that is tried again at the next look. No local activities: where their workflow task times out while signals
 * come, the history cannot be replayed (docs/decisions/0016-at-once.md).
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
  /** What the run before knew. */
  state?: AdmissionState;
  /** Whom the run before owes an answer. */
  unanswered?: LeaseRequest[];
  /** Agents of whom the run before had just heard. */
  newAgents?: string[];
}

/**
 * The limiter of one task queue, or of several that share it: gives leases to tasks, over all workers and machines. Tasks ask,
 * report and give back by signal; it answers each with one. It runs for ever, continuing as new.
 */
export async function kimiLimiter(start: LimiterStart): Promise<void> {
  const { limits, lang, shared, unanswered = [] } = start;
  const state = start.state ?? { ...emptyState(limits), ...(shared && { agents: [] }) };
  const text = textFor(lang);
  const admission = new AdmissionQueue(state);
  /** Requests to be answered, by task: the last one counts. */
  const asked = new Map(unanswered.map((request) => [request.task_id, request]));
  /** Those among them that were not in the queue before. */
  const newcomers: string[] = [];
  /** Agents whose tasks in flight it has not looked for yet. */
  const newAgents = [...(start.newAgents ?? [])];
  let changed = true;
  let telling = 0;
  let lookedAt = Date.now();
  const handle = <T>(work: (argument: T) => void) => {
    return (argument: T): void => {
      work(argument);
      changed = true;
    };
  };

  setHandler(configureSignal, (configured, agent) => {
    admission.configure(configured);
    hear(agent);
    changed = true;
  });
  setHandler(
    requestSignal,
    handle((request) => {
      hear(request.agent);
      if (admission.request(request, Date.now())) newcomers.push(request.task_id);
      asked.set(request.task_id, request);
    }),
  );
  setHandler(
    sentSignal,
    handle(({ task_id, round, accepted }) => admission.sent(task_id, round, accepted, Date.now())),
  );
  setHandler(
    releaseSignal,
    handle(({ task_id, sent }) => admission.release(task_id, sent, Date.now())),
  );
  setHandler(
    throttledSignal,
    handle((throttled) => admission.throttled(throttled, Date.now())),
  );
  setHandler(limitsQuery, () => admission.view(Date.now()));
  setHandler(setLimitsUpdate, (wanted) => {
    admission.setLimits(wanted);
    changed = true;
    return admission.view(Date.now());
  });

  if (!start.state && !shared) {
    const inFlight = await tasksInFlight().catch(() => []);
    admission.adopt(inFlight, Date.now());
  }
  for (;;) {
    changed = false;
    for (const agent of newAgents.splice(0)) {
      const inFlight = await tasksInFlight(agent).catch(() => []);
      admission.adopt(inFlight, Date.now(), agent);
    }
    admit();
    setCurrentDetails(limiterDetails(admission.view(Date.now()), text));
    if (isLong()) {
      await condition(() => telling === 0 && allHandlersFinished());
      const known = admission.snapshot();
      await continueAsNew<typeof kimiLimiter>({
        limits,
        lang,
        ...(shared && { shared, newAgents }),
        state: known,
        unanswered: [...asked.values()],
      });
    }
    const isBlocked = admission.suspects(Date.now(), 0).length > 0;
    const soonest = Math.min(admission.nextChange(Date.now()) ?? Infinity, isBlocked ? LOOK_MS : Infinity);
    if (soonest === Infinity) await condition(() => changed);
    else await condition(() => changed, soonest);
    lookedAt = Math.min(lookedAt, Date.now());
    if (isBlocked && Date.now() >= lookedAt + LOOK_MS) await look();
  }

  function hear(agent: string | undefined): void {
    if (agent !== undefined && admission.hear(agent)) newAgents.push(agent);
  }

  /** Admits who may go, refuses whom there is no room for, and answers whoever asked. */
  function admit(): void {
    const now = Date.now();
    for (const { task_id, round } of admission.grant(now)) {
      asked.delete(task_id);
      void tell(task_id, { round, state: 'granted' });
    }
    for (const { task_id, round } of admission.refuse(newcomers.splice(0))) {
      asked.delete(task_id);
      void tell(task_id, { round, state: 'refused', limit: admission.limits.queued });
    }
    for (const request of asked.values()) {
      const { task_id, round } = request;
      const place = admission.positionOf(task_id, now);
      if (place) void tell(task_id, { round, state: 'queued', ...place });
      else if (admission.isGranted(request)) void tell(task_id, { round, state: 'granted' });
    }
    asked.clear();
  }

  /** A task that is no longer there gives its place to the next. */
  async function tell(task_id: string, word: Admission): Promise<void> {
    telling += 1;
    try {
      await getExternalWorkflowHandle(task_id).signal(admissionSignal, word);
    } catch {
      admission.release(task_id, false, Date.now());
      changed = true;
    } finally {
      telling -= 1;
    }
  }

  async function look(): Promise<void> {
    lookedAt = Date.now();
    const suspects = admission.suspects(lookedAt, LOOK_MS);
    const ended = suspects.length > 0 ? await endedTasks(suspects).catch(() => []) : [];
    for (const task_id of ended) admission.release(task_id, true, Date.now());
    if (shared && ended.length < suspects.length) {
      admission.miss(await missingAgents(admission.agents).catch(() => []), Date.now());
    }
  }
}

function isLong(): boolean {
  const { historyLength, continueAsNewSuggested } = workflowInfo();
  return historyLength > MAX_EVENTS || continueAsNewSuggested;
}
