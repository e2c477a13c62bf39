/** The machine on which figures are measured. */
import { statfs } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from 'node:os';

/** Load up to this share of the cores counts as idle. */
const IDLE_LOAD = 0.25;

/** File systems by magic number (statfs(2)): in memory, fsync costs nothing. */
const FILE_SYSTEMS: Record<number, string> = {
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x794c7630: 'overlay',
  0x01021994: 'tmpfs (in memory)',
};

export interface Machine {
  cores: number;
  cpu: string;
  memory_gb: number;
  /** File system of the folder for temporary files, in which everything is measured. */
  file_system: string;
  node: string;
  /** Load averages of 1, 5 and 15 minutes before the measurement. */
  load_average: number[];
}

export async function describeMachine(): Promise<Machine> {
  const { type } = await statfs(tmpdir());
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memory_gb: Math.round(totalmem() / 1024 ** 3),
    file_system: FILE_SYSTEMS[type] ?? `0x${type.toString(16)}`,
    node: process.version,
    load_average: loadavg().map((load) => Number(load.toFixed(2))),
  };
}

/** @returns the machine as two lines, and a third if it was not idle. */
export function machineLines({ cores, cpu, memory_gb, file_system, node, load_average }: Machine): string {
  const lines = [
    `${cores} cores, ${cpu}, ${memory_gb} GB, ${file_system}, Node ${node}`,
    `load average at the start: ${load_average.join(' ')}`,
  ];
  const isIdle = (load_average[0] ?? 0) <= cores * IDLE_LOAD;
  return [...lines, ...(isIdle ? [] : ['The machine was not idle at the start: times are too long.'])].join('\n');
}
