import { createInterface } from 'node:readline/promises';

/** Asks for a yes on the terminal, which the caller has checked. */
export async function isAgreed(question: string): Promise<boolean> {
  // Without readline's line editing, which writes control characters; the terminal has its own.
  const terminal = createInterface({ input: process.stdin, output: process.stdout, terminal: false });
  try {
    return /^(?:y|yes|是|好)$/i.test((await terminal.question(`${question} `)).trim());
  } finally {
    terminal.close();
  }
}
