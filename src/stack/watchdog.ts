import { readFileSync } from 'node:fs';
import { eachTick } from '../service/machine-sleep.ts';

const TICK_MS = 1_000;

/** A process that is silent for so many ticks may hang. It reports once a tick. */
const SILENT_TICKS = 3;

/** If it used so much CPU time on its main thread meanwhile, it does hang; if it used less, the machine is busy. Milliseconds. */
const HANGS_MS = 1_500;

/** One that is silent for so many ticks hangs, whatever it used; fewer where its CPU time is not known. */
const MOST_TICKS = { known: 30, unknown: 10 };

/** A tick that comes so late says that this process did not run either, in milliseconds: the machine slept, or is very busy. */
const LATE_MS = 2_000;

/** Clock ticks per second of /proc: `getconf CLK_TCK`. */
const TICKS_PER_S = 100;

/** Notices that the event loop of a process hangs, by the reports that it no longer sends. A process that is stopped does not hang. */
export class Watchdog {
  private silent = 0;
  /** CPU time of its main thread when it had just fallen silent, in milliseconds. */
  private used = 0;
  private readonly end: () => void;

  constructor(
    private readonly pid: number,
    private readonly onHang: () => void,
  ) {
    this.end = eachTick(TICK_MS, (sinceMs) => this.tick(sinceMs));
  }

  /** Called at each report of the process. */
  reported(): void {
    this.silent = 0;
  }

  stop(): void {
    this.end();
  }

  private tick(sinceMs: number): void {
    const now = mainThread(this.pid);
    this.silent = sinceMs > LATE_MS || now?.isStopped ? 0 : this.silent + 1;
    if (this.silent <= 1) this.used = now?.cpuMs ?? 0;
    const hangs = this.silent >= SILENT_TICKS && now !== undefined && now.cpuMs - this.used >= HANGS_MS;
    if (!hangs && this.silent < MOST_TICKS[now ? 'known' : 'unknown']) return;
    this.stop();
    this.onHang();
  }
}

/** @returns whether a process is stopped, and the CPU time of its main thread; `undefined` where there is no /proc. */
function mainThread(pid: number): { isStopped: boolean; cpuMs: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8');
    // Fields 3, 14 and 15 of proc(5), after the name, which may contain any character.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const cpuMs = ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_S) * 1_000;
    return { isStopped: /^[Tt]/.test(fields[0] ?? ''), cpuMs };
  } catch {
    return undefined;
  }
}
