import { createHash } from 'node:crypto';
import type { Context, Span } from '@opentelemetry/api';
import type { ResultFile } from '../shared/result.ts';

/**
 * Traces, one for each task: its trace id is made of its task id, so that every process knows it, and nothing has to travel
 * with the task: Kimi's callback brings no header of ours.
 *
 * Spans hold ids, states and numbers: no name, prompt, answer or message.
 */

/** How long what was measured may take to leave when a process ends, in milliseconds. */
const FLUSH_MS = 500;

type Attributes = Record<string, string | number>;

interface Tracer {
  /** Runs some work of a task inside a span of its trace. */
  span<T>(task_id: string, name: string, work: () => Promise<T>): Promise<T>;
  /** The span that all others of a task lie under. */
  task(result: Pick<ResultFile, 'task_id'>, from: number, attributes: Attributes): void;
  close(): Promise<void>;
}

let tracer: Tracer | undefined;

/** Begins to trace where `OTEL_EXPORTER_OTLP_ENDPOINT` is set; the packages are loaded then only. */
export async function startTracing(service: string, endpoint: string | undefined): Promise<void> {
  if (endpoint !== undefined) tracer = await openTracer(service);
}

/** Sends what is left. A collector that is away holds nobody up. */
export async function stopTracing(): Promise<void> {
  const closing = tracer?.close();
  tracer = undefined;
  await closing;
}

/** Runs some work of a task inside a span of its trace, where there are traces. */
export async function traced<T>(task_id: string | undefined, name: string, work: () => Promise<T>): Promise<T> {
  return tracer && task_id !== undefined ? await tracer.span(task_id, name, work) : await work();
}

/** Tells of a whole task, from its start until its result was saved. */
export function traceTask({ task_id, status, model, created_at, tokens, error }: ResultWithoutText): void {
  tracer?.task({ task_id }, Date.parse(created_at), {
    'kimi.status': status,
    'kimi.model': model,
    ...(tokens && { 'kimi.tokens.prompt': tokens.prompt, 'kimi.tokens.completion': tokens.completion }),
    ...(error && { 'error.type': error.type }),
  });
}

type ResultWithoutText = Pick<ResultFile, 'task_id' | 'status' | 'model' | 'created_at' | 'tokens' | 'error'>;

async function openTracer(service: string): Promise<Tracer> {
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } = api;
  const random = new sdk.RandomIdGenerator();
  /** The ids of the span that is about to start, where it is a task's own. */
  let given: { traceId: string; spanId: string } | undefined;
  const provider = new sdk.BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': `kimi-dispatch-${service}`,
      'service.namespace': 'kimi-dispatch',
    }),
    // It reads OTEL_EXPORTER_OTLP_* itself.
    spanProcessors: [new sdk.BatchSpanProcessor(new OTLPTraceExporter())],
    idGenerator: {
      generateTraceId: () => given?.traceId ?? random.generateTraceId(),
      generateSpanId: () => given?.spanId ?? random.generateSpanId(),
    },
  });
  const spans = provider.getTracer('kimi-dispatch');
  const under = (task_id: string): Context =>
    trace.setSpanContext(ROOT_CONTEXT, { ...idsOf(task_id), traceFlags: TraceFlags.SAMPLED, isRemote: true });
  const fail = (span: Span, error: unknown): void => {
    span.setAttribute('error.type', (error as { type?: string }).type ?? (error as Error).name);
    span.setStatus({ code: SpanStatusCode.ERROR });
  };

  return {
    async span(task_id, name, work) {
      const span = spans.startSpan(name, { attributes: { 'kimi.task_id': task_id } }, under(task_id));
      try {
        return await work();
      } catch (error) {
        fail(span, error);
        throw error;
      } finally {
        span.end();
      }
    },
    task({ task_id }, from, attributes) {
      given = idsOf(task_id);
      const span = spans.startSpan(
        'task',
        {
          root: true,
          kind: SpanKind.INTERNAL,
          startTime: from,
          attributes: { 'kimi.task_id': task_id, ...attributes },
        },
        ROOT_CONTEXT,
      );
      given = undefined;
      if ('error.type' in attributes) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
    async close() {
      const gone = provider.shutdown().catch(() => {});
      await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, FLUSH_MS).unref())]);
    },
  };
}

/** @returns the ids of a task's trace and of the span that all others lie under. */
export function idsOf(task_id: string): { traceId: string; spanId: string } {
  const hash = createHash('sha256').update(task_id).digest('hex');
  return { traceId: hash.slice(0, 32), spanId: hash.slice(32, 48) };
}
