import { EXIT } from '../service/exit.ts';
import type { Progress } from './output/progress.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Starts a stack. A signal meanwhile ends this process with a sentence; the supervisor notices and stops what it has started.
 *
 * @param interrupted the sentence
 */
export async function startInterruptibly<T>(
  start: () => Promise<T>,
  progress: Progress,
  interrupted: string,
): Promise<T> {
  const interrupt = (): void => {
    progress.end();
    console.error(interrupted);
    process.exit(EXIT.interrupted);
  };
  for (const signal of SIGNALS) process.once(signal, interrupt);
  try {
    return await start();
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, interrupt);
    progress.end();
  }
}
