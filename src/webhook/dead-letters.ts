import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import type { Callback } from '../shared/callback.ts';
import type { UndeliverableReason } from './signal.ts';
import { syncFolder } from '../service/files.ts';

/** An accepted callback that no task will ever accept: one JSON file. */
export interface DeadLetter {
  task_id: string;
  /** `refused`: it failed for a day although the engine answered. `damaged`: the journal's file was corrupted. `unproven`: not from the webhook. */
  reason: UndeliverableReason | 'refused' | 'damaged' | 'unproven';
  /** The reason as a sentence. */
  message: string;
  /** When the webhook accepted it. ISO 8601, UTC. */
  received_at: string;
  callback?: Callback;
  /** The bytes of a damaged journal entry, in place of `callback`. */
  damaged?: string;
}

export function deadLettersFolder(home: string): string {
  return join(home, 'dead-letters');
}

/**
 * Writes a dead letter, readable by its owner only; it is on the disk when this returns.
 *
 * @param name distinguishes callbacks of one task. The same name written again replaces the file.
 */
export async function writeDeadLetter(folder: string, name: string, letter: DeadLetter): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${letter.task_id}-${name}.json`);
  await writeFileAtomic(path, `${JSON.stringify(letter, null, 2)}\n`, { mode: 0o600 });
  await syncFolder(folder);
}

/** Callbacks without a valid proof that are kept of one task: an answer is delivered a few times, forged callbacks have no limit. */
export const MAX_UNPROVEN = 10;

/**
 * Writes a dead letter, unless {@link MAX_UNPROVEN} of its task are there. The first ones stay. Calls must not overlap.
 *
 * @returns whether it is there.
 */
export async function writeUnproven(folder: string, name: string, letter: DeadLetter): Promise<boolean> {
  if ((await countDeadLetters(folder, `${letter.task_id}-unproven-`)) >= MAX_UNPROVEN) return false;
  await writeDeadLetter(folder, `unproven-${name}`, letter);
  return true;
}

/** @returns the number of dead letters whose file name begins with the prefix. */
export async function countDeadLetters(folder: string, prefix = ''): Promise<number> {
  try {
    return (await readdir(folder)).filter((name) => name.startsWith(prefix) && name.endsWith('.json')).length;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
