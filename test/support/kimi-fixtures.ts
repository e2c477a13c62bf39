/** Responses of Kimi recorded by `npm run record-kimi`, and a server that replays them. */
import { readdirSync, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { serve } from './resources.ts';

/** One recorded response: `test/fixtures/kimi/<name>.json`. */
export interface KimiFixture {
  /** ISO 8601, UTC, whole seconds. */
  recorded_at: string;
  /** Whether the simulated Kimi sent it. */
  simulated: boolean;
  request: {
    /** Base address, without user info and query. */
    api: string;
    model: string;
    prompt: string;
    stream: boolean;
  };
  status: number;
  /** Names in lower case. Only headers without account data. */
  headers: Record<string, string>;
  /** Names of the omitted headers. */
  dropped_headers: string[];
  /** Chunks of the body: time in milliseconds after the request, and text. */
  body: { ms: number; text: string }[];
  /** The error that ended the body early, if any. */
  broken?: string;
}

export const FIXTURES = join(PACKAGE_ROOT, 'test', 'fixtures', 'kimi');

/** @returns every recorded response with its name */
export function readFixtures(): [name: string, fixture: KimiFixture][] {
  return readdirSync(FIXTURES)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => [name.slice(0, -'.json'.length), readFixture(join(FIXTURES, name))]);
}

export function readFixture(file: string): KimiFixture {
  return JSON.parse(readFileSync(file, 'utf8')) as KimiFixture;
}

/** Replays a recorded response in its chunks until the test has finished. @returns the base address. */
export async function replay({ status, headers, body, broken }: KimiFixture): Promise<string> {
  const answer = async (response: ServerResponse): Promise<void> => {
    response.writeHead(status, headers);
    for (const { text } of body) await new Promise((resolve) => void response.write(text, resolve));
    if (broken === undefined) response.end();
    else response.socket?.destroySoon();
  };
  const url = await serve((request, response) => {
    request.resume().on('end', () => void answer(response));
  });
  return `${url}/v1`;
}
