import type { Route } from '../../../src/contract.ts';
import { saidBy, type Run } from './command-line.ts';
import { toRoute } from './routes.ts';

/** Starts a task for a chat. @returns what the chat is told: the two lines, its place in the queue, or the reason. */
export async function dispatchFromChat(run: Run, prompt: string, route: Route | undefined): Promise<string> {
  return saidBy(await run(['dispatch', '-p', '-', ...toRoute(route)], prompt));
}
