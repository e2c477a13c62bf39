/**
 * Time that a process was awake. A machine that sleeps, or a process that is stopped, runs no timers; all that are due by then
 * fire on waking, before what waits in the sockets has been read.
 */

const TICK_MS = 1_000;

/** A tick that comes so late says that the process was not awake, in milliseconds. A busy one may be late by seconds. */
const ASLEEP_MS = 5_000;

/**
 * Calls `onTick` with the time since the previous tick, in milliseconds. By the wall clock, since monotonic clocks stop while a
 * machine sleeps.
 */
export function eachTick(tickMs: number, onTick: (sinceMs: number) => void): () => void {
  let before = Date.now();
  const timer = setInterval(() => {
    const now = Date.now();
    const since = now - before;
    before = now;
    onTick(since);
  }, tickMs);
  return () => clearInterval(timer);
}

/**
 * Acts once the process has been awake for so long.
 *
 * @returns what calls it off.
 */
export function afterAwake(ms: number, act: () => void): () => void {
  const tickMs = Math.min(ms, TICK_MS);
  let left = ms;
  const stop = eachTick(tickMs, (sinceMs) => {
    if (sinceMs < ASLEEP_MS) left -= tickMs;
    if (left > 0) return;
    stop();
    act();
  });
  return stop;
}

/**
 * Reports each sleep when it is over.
 *
 * @returns what ends that.
 */
export function onWaking(report: (sleptMs: number) => void): () => void {
  return eachTick(TICK_MS, (sinceMs) => {
    if (sinceMs >= ASLEEP_MS) report(sinceMs - TICK_MS);
  });
}
