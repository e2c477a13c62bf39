/** Shortest and longest wait before a retry, in milliseconds. */
export interface Backoff {
  first: number;
  longest: number;
}

/**
 * @param retries how many retries were made before
 * @returns how long to wait before the next one, in milliseconds: doubled each time, up to the longest
 */
export function backoffMs({ first, longest }: Backoff, retries: number): number {
  return Math.min(first * 2 ** retries, longest);
}
