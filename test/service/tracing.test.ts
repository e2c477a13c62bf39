/** One trace per task, through all processes, as a collector receives it. */
import { expect, it } from 'vitest';
import { idsOf } from '../../src/service/tracing.ts';
import { cleanHome, cli, up } from '../support/cli.ts';
import { serve, until } from '../support/resources.ts';

interface Span {
  service: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes: { key: string; value: { stringValue?: string } }[];
  status: { code?: number };
}

interface Request {
  resourceSpans: {
    resource: { attributes: { key: string; value: { stringValue?: string } }[] };
    scopeSpans: { spans: Omit<Span, 'service'>[] }[];
  }[];
}

/** An OTLP receiver over HTTP. */
async function openCollector(): Promise<{ url: string; spans: Span[]; bodies: string[] }> {
  const spans: Span[] = [];
  const bodies: string[] = [];
  const url = await serve((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.writeHead(request.url === '/v1/traces' ? 200 : 404, { 'content-type': 'application/json' }).end('{}');
      const body = Buffer.concat(chunks).toString();
      bodies.push(body);
      for (const { resource, scopeSpans } of (JSON.parse(body) as Request).resourceSpans) {
        const named = resource.attributes.find(({ key }) => key === 'service.name');
        const service = named?.value.stringValue ?? '';
        spans.push(...scopeSpans.flatMap((scope) => scope.spans.map((span) => ({ ...span, service }))));
      }
    });
  });
  return { url, spans, bodies };
}

it('a task is one trace, from its start to the agent and back through the relay and the webhook', async () => {
  const collector = await openCollector();
  const env = await cleanHome({
    KIMI_CALLBACKS: 'relay',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: '100',
    WEBHOOK_SECRET: 'a-distinctive-secret',
  });
  await up(env, '--simulate');
  const start = async (prompt: string): Promise<string> => {
    const { stdout, stderr } = await cli(['dispatch', '-p', prompt, '--json'], env);
    expect(stdout, stderr).toContain('task_id');
    return (JSON.parse(stdout) as { task_id: string }).task_id;
  };
  const done = await start('a distinctive prompt');
  const failed = await start('another distinctive prompt [[simulate: error=content-filter]]');
  const spansOf = (task_id: string): Span[] => {
    const { traceId } = idsOf(task_id);
    return collector.spans.filter((span) => span.traceId === traceId);
  };
  for (const task_id of [done, failed]) {
    await until(() => spansOf(task_id).some(({ name }) => name === 'acknowledge'));
    const spans = await until(() => {
      const found = spansOf(task_id);
      return ['start', 'callback', 'deliver'].every((wanted) => found.some(({ name }) => name === wanted)) && found;
    });
    const seen = new Set(spans.map(({ service, name }) => `${service.replace('kimi-dispatch-', '')} ${name}`));
    expect([...seen].toSorted()).toEqual([
      'services acknowledge',
      'services callback',
      'services complete',
      'services deliver',
      'services dispatch',
      'services persist',
      'services relay',
      'services release',
      'services start',
      'services task',
      'services verifyCallback',
      'services wake',
    ]);
    const { spanId } = idsOf(task_id);
    const [task] = spans.filter(({ name }) => name === 'task');
    expect(task).toMatchObject({ spanId, status: { code: task_id === done ? 0 : 2 } });
    expect(task?.parentSpanId ?? '').toBe('');
    const others = spans.filter(({ name }) => name !== 'task');
    expect(new Set(others.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([spanId]));
  }
  expect(collector.bodies.join('\n')).not.toMatch(/distinctive|fibonacci|sk-/);
});

it('an unreachable collector delays nothing', async () => {
  const env = await cleanHome({ KIMI_LANG: 'en', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' });
  const { code, stdout, stderr } = await cli(['run', '--simulate', 'x'], env);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('ECONNREFUSED') as string });
  expect(stdout).toContain('fibonacci');
});
