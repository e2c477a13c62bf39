/** Configuration that cannot be used. */

/** What is wrong with a variable, or with a file of them. */
export interface ConfigProblem {
  /** Name of the variable, or the file. */
  subject: string;
  /** In English; the command line has its words in other languages by it. */
  why: string;
  /** A value that works. */
  example?: string;
}

/** Configuration that cannot be used. Its message lists every problem, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: ConfigProblem[]) {
    super(problems.map(sayProblem).join('\n'));
  }
}

export function sayProblem({ subject, why, example }: ConfigProblem): string {
  return `${subject}: ${why}${example === undefined ? '' : ` (e.g. ${subject}=${example})`}`;
}
