/** Result of checking one invariant. */
export interface Verdict {
  name: string;
  /** Number of cases that were checked. */
  checked: number;
  /** One line each. */
  violations: string[];
}

/** @param look returns a line for a violation */
export function verdict<T>(cases: T[], look: (one: T) => string | false | undefined): Omit<Verdict, 'name'> {
  return { checked: cases.length, violations: cases.map(look).filter((line) => typeof line === 'string') };
}
