/** Reads while the engine or the services may be away. */
import { HttpError } from '../service/http.ts';
import { Problem } from './problem.ts';

/** @returns whether the engine or its services are away: the same read may succeed later. */
export function isAway(error: unknown): boolean {
  // By name: the parts that are loaded on demand have classes of their own. The API reports a lost connection as a problem.
  const isEngineAway = (error as Error).name === 'EngineUnreachable';
  const isLost = error instanceof Problem && error.code === 'engine_lost';
  return isEngineAway || isLost || (error instanceof HttpError && error.status === 503);
}

/** @returns `undefined` while a task has no result, or the engine or its services are away. */
export async function unlessAway<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if ((error instanceof Problem && error.code === 'unfinished') || isAway(error)) return undefined;
    throw error;
  }
}
