import type { ActivityOptions } from '@temporalio/workflow';
import { SENDING } from '../failures.ts';
import type { localFirstActivities } from '../local-first.ts';

type LocalFirst = ReturnType<typeof localFirstActivities>;

/** Retried until the disk accepts it: an answer must not be lost. */
const UNTIL_DONE: ActivityOptions = {
  startToCloseTimeout: '5m',
  // Large answers are saved one after the other: an attempt that waits for its turn heartbeats and is not retried.
  heartbeatTimeout: '15s',
  retry: { initialInterval: '100ms', backoffCoefficient: 2, maximumInterval: '30s' },
};

/** Saving a result again whose file was removed is given up after this time. */
const RESTORE: ActivityOptions = { ...UNTIL_DONE, scheduleToCloseTimeout: '1m' };

/** More than the gateway's own timeout (notify/gateway.ts): a slow gateway is not called twice. */
const WAKE_TIMEOUT = '15s';

/** A gateway may be down for days; the agent is woken when it is back. */
const WAKE: ActivityOptions = {
  startToCloseTimeout: WAKE_TIMEOUT,
  heartbeatTimeout: '3s',
  scheduleToCloseTimeout: '7d',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '5m' },
};

/** How long Kimi may be unreachable or too busy before a task gives up, in milliseconds. */
export const SEND_WITHIN_MS = 24 * 3_600_000;

export const DISPATCH: ActivityOptions = {
  startToCloseTimeout: '40s',
  heartbeatTimeout: '5s',
  scheduleToCloseTimeout: SEND_WITHIN_MS,
  ...SENDING,
};

/** Activities of one task that run as local activities first. */
export function taskActivities(localFirst: LocalFirst) {
  return {
    /** For the relay only, which accepts a task once: a local activity whose worker is killed runs again. */
    dispatchToRelay: localFirst('dispatch', DISPATCH),
    startLimiter: localFirst('startLimiter', UNTIL_DONE),
    release: localFirst('release', UNTIL_DONE),
    mostCost: localFirst('mostCost', UNTIL_DONE),
    cancelRelay: localFirst('cancelRelay', UNTIL_DONE),
    verifyCallback: localFirst('verifyCallback', UNTIL_DONE),
    recordPending: localFirst('recordPending', UNTIL_DONE),
    persist: localFirst('persist', UNTIL_DONE),
    wake: localFirst('wake', WAKE, WAKE_TIMEOUT),
    acknowledge: localFirst('acknowledge', UNTIL_DONE),
    persistAgain: localFirst('persist', RESTORE),
    acknowledgeAgain: localFirst('acknowledge', RESTORE),
    reportRow: localFirst('reportRow', UNTIL_DONE),
  };
}

/** Activities of a map, beside those of a task. */
export function mapActivities(localFirst: LocalFirst) {
  return {
    recordPending: localFirst('recordPending', UNTIL_DONE),
    startRows: localFirst('startRows', UNTIL_DONE),
    endedRows: localFirst('endedRows', UNTIL_DONE),
    cancelRows: localFirst('cancelRows', UNTIL_DONE),
    allowRows: localFirst('allowRows', UNTIL_DONE),
    mostCostOfRows: localFirst('mostCostOfRows', UNTIL_DONE),
    saveMap: localFirst('saveMap', UNTIL_DONE),
  };
}
