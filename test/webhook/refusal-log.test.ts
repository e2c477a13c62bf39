/** What the log says of refusals: enough to diagnose them, too little to fill a disk. */
import { pino } from 'pino';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createRefusalLog } from '../../src/webhook/app.ts';

it('the first twenty refusals of a minute are logged one by one, the others as a count, and long paths are truncated', () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 0 });
  onTestFinished(() => void vi.useRealTimers());
  const lines: Record<string, unknown>[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  const noteRefusal = createRefusalLog(log);
  const refusal = { path: `/${'x'.repeat(10_000)}`, status: 401, code: 'bad_signature' };
  for (let count = 0; count < 1_000; count += 1) noteRefusal(refusal);
  expect(lines).toHaveLength(20);
  expect(lines[0]).toMatchObject({ status: 401, code: 'bad_signature', msg: 'refused' });
  expect(JSON.stringify(lines[0]).length).toBeLessThan(400);
  vi.setSystemTime(60_000);
  noteRefusal(refusal);
  expect(lines.slice(20)).toMatchObject([{ count: 980 }, { status: 401 }]);
});
