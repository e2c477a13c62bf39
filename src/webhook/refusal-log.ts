import type { Logger } from 'pino';

/** Refusals told one by one in a minute: enough to see what is wrong, too few to fill a disk (8 MB a day). */
const PER_MINUTE = 20;
const MINUTE_MS = 60_000;

/** How much of a path is told; strangers choose how long it is. Characters. */
const MAX_PATH = 200;

interface Refusal {
  path: string;
  status: number;
  code: string;
  /** What the sender was not told. */
  why?: string;
}

/** Notes what was refused: the first of each minute one by one, the others as a number. */
export function createRefusalLog(log: Logger): (refusal: Refusal) => void {
  let minute = 0;
  let count = 0;
  return ({ path, ...rest }) => {
    const now = Math.floor(Date.now() / MINUTE_MS);
    if (now !== minute) {
      if (count > PER_MINUTE) log.warn({ count: count - PER_MINUTE }, 'more were refused in that minute');
      minute = now;
      count = 0;
    }
    count += 1;
    if (count <= PER_MINUTE) log.warn({ path: path.slice(0, MAX_PATH), ...rest }, 'refused');
  };
}
