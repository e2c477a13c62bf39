/** The real webhook server in front of an engine stub that counts requests. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { expect } from 'vitest';
import { sign, SIGNATURE_HEADER } from '../../src/webhook/signature.ts';
import { createWebhook } from '../../src/webhook/app.ts';
import { createWebhookServer, type ServerLimits } from '../../src/webhook/server.ts';
import { callbackFor } from './callback.ts';
import { SECRET, serve, silent } from './resources.ts';
import { openIngest } from './world.ts';

/** The only task that the engine stub knows. */
export const TASK_ID = 'kimi-1-1';
export const PATH = `/kimi/webhook/${TASK_ID}`;
export const RIGHT = JSON.stringify(callbackFor(TASK_ID));

const unknown = (task_id: string) => new WorkflowNotFoundError('not found', task_id, undefined);

/** Starts the webhook in front of an engine stub that accepts every signal for its task and counts requests. */
export async function openEdge(limits: Partial<ServerLimits> = {}) {
  const counts = { calls: 0, signals: 0 };
  const client = {
    connection: {
      withDeadline: async (_deadline: number, call: () => Promise<unknown>) => await call(),
      workflowService: { getSystemInfo: async () => ({}) },
    },
    workflow: {
      getHandle: (task_id: string) => {
        counts.calls += 1;
        return {
          signal: async () => {
            if (task_id !== TASK_ID) throw unknown(task_id);
            counts.signals += 1;
          },
          describe: async () => {
            throw unknown(task_id);
          },
        };
      },
    },
  } as unknown as Client;
  const app = createWebhook({ ingest: await openIngest(client), secrets: [SECRET], log: silent });
  const server = createWebhookServer(app, { ...app.classes, ...limits });
  return { url: await serve(server), server, counts, signals: () => counts.signals };
}

export function signedHeaders(body: string | Buffer): Record<string, string> {
  return { 'content-type': 'application/json', [SIGNATURE_HEADER]: sign(body, SECRET) };
}

/** Plausible headers of a callback, so that the body is read. */
export const PLAUSIBLE = { 'content-type': 'application/json', [SIGNATURE_HEADER]: '0'.repeat(64) };

/** The JSON of an error response. */
export const refusal = (status: number, code: string) => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8' },
  body: expect.stringMatching(new RegExp(`^\\{"error":\\{"code":"${code}","message":".+"\\}\\}$`)),
});
