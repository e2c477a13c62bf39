/** Ports on which the processes of a stack listen, from /proc. Linux only. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { StackState } from '../../src/stack/state.ts';

/** `0A`: listening (proc_net_tcp(5)). */
const LISTENING = '0A';

/** @returns every TCP port on which `up` and its processes listen. */
export function listeningPorts({ pid, children }: StackState): number[] {
  // Each leads its own process group.
  const groups = new Set([pid, ...children.map((child) => child.pid)]);
  const inodes = new Set(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && (groups.has(Number(name)) || groups.has(groupOf(name))))
      .flatMap(socketsOf),
  );
  const lines = ['tcp', 'tcp6'].flatMap((file) => readFileSync(`/proc/net/${file}`, 'utf8').split('\n').slice(1));
  const ports = lines
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === LISTENING && inodes.has(fields[9] ?? ''))
    .map((fields) => Number.parseInt(fields[1]?.split(':')[1] ?? '', 16));
  return [...new Set(ports)];
}

function groupOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
  } catch {
    return 0;
  }
}

/** @returns the inodes of the open sockets of a process. */
function socketsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? [];
      return inode ?? [];
    });
  } catch {
    return [];
  }
}
