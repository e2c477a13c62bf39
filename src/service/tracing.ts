/**
 * Traces, one for each task. Its trace id is a hash of the task id, so every process derives it; a header could not carry it, since
 * Kimi's callback has none of ours.
 *
 * Spans hold ids, states and numbers: no name, prompt, answer or message.
 */
import { createHash } from 'node:crypto';
import type * as OpenTelemetry from '@opentelemetry/api';
import type { BasicTracerProvider, IdGenerator } from '@opentelemetry/sdk-trace-base';
import type { ResultFile } from '../shared/result.ts';

type OpenTelemetrySpans = OpenTelemetry.Tracer;

/** How long the export of the last spans may take when a process ends, in milliseconds. */
const FLUSH_MS = 500;

type Attributes = Record<string, string | number>;

interface Tracer {
  /** Runs work of a task in a span of its trace. */
  span<T>(task_id: string, name: string, work: () => Promise<T>): Promise<T>;
  /** Ends the root span of a task. @param startTime milliseconds since the epoch */
  task(task_id: string, startTime: number, attributes: Attributes): void;
  close(): Promise<void>;
}

let tracer: Tracer | undefined;

/** Starts tracing if `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Only then are the packages loaded. */
export async function startTracing(service: string, endpoint: string | undefined): Promise<void> {
  if (endpoint !== undefined) tracer = await openTracer(service);
}

/** Exports the last spans. An unreachable collector does not delay the end of the process. */
export async function stopTracing(): Promise<void> {
  const closing = tracer?.close();
  tracer = undefined;
  await closing;
}

/** Runs work of a task in a span of its trace, if tracing is on. */
export async function traced<T>(task_id: string | undefined, name: string, work: () => Promise<T>): Promise<T> {
  return tracer && task_id !== undefined ? await tracer.span(task_id, name, work) : await work();
}

/** Ends the root span of a task: from its start until its result was saved. */
export function traceTask({ task_id, status, model, created_at, tokens, error }: ResultWithoutText): void {
  tracer?.task(task_id, Date.parse(created_at), {
    'kimi.status': status,
    'kimi.model': model,
    ...(tokens && { 'kimi.tokens.prompt': tokens.prompt, 'kimi.tokens.completion': tokens.completion }),
    ...(error && { 'error.type': error.type }),
  });
}

type ResultWithoutText = Pick<ResultFile, 'task_id' | 'status' | 'model' | 'created_at' | 'tokens' | 'error'>;

async function openTracer(service: string): Promise<Tracer> {
  const sdk = await import('./opentelemetry.ts');
  const ids = new TaskIds(new sdk.RandomIdGenerator());
  const provider = new sdk.BasicTracerProvider({
    resource: sdk.resourceFromAttributes({
      'service.name': `kimi-dispatch-${service}`,
      'service.namespace': 'kimi-dispatch',
    }),
    // It reads OTEL_EXPORTER_OTLP_* itself.
    spanProcessors: [new sdk.BatchSpanProcessor(new sdk.OTLPTraceExporter())],
    idGenerator: ids,
  });
  return new OpenTelemetryTracer(sdk.api, provider, ids);
}

/** Random ids, except for the root span of a task. */
class TaskIds implements IdGenerator {
  /** Ids of the span that is about to start. */
  next: SpanIds | undefined;

  constructor(private readonly random: IdGenerator) {}

  generateTraceId = (): string => this.next?.traceId ?? this.random.generateTraceId();
  generateSpanId = (): string => this.next?.spanId ?? this.random.generateSpanId();
}

class OpenTelemetryTracer implements Tracer {
  private readonly spans: OpenTelemetrySpans;

  constructor(
    private readonly api: typeof OpenTelemetry,
    private readonly provider: BasicTracerProvider,
    private readonly ids: TaskIds,
  ) {
    this.spans = provider.getTracer('kimi-dispatch');
  }

  async span<T>(task_id: string, name: string, work: () => Promise<T>): Promise<T> {
    const { ROOT_CONTEXT, SpanStatusCode, trace, TraceFlags } = this.api;
    const root = { ...idsOf(task_id), traceFlags: TraceFlags.SAMPLED, isRemote: true };
    const options = { attributes: { 'kimi.task_id': task_id } };
    const span = this.spans.startSpan(name, options, trace.setSpanContext(ROOT_CONTEXT, root));
    try {
      return await work();
    } catch (error) {
      span.setAttribute('error.type', (error as { type?: string }).type ?? (error as Error).name);
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  }

  task(task_id: string, startTime: number, attributes: Attributes): void {
    const { ROOT_CONTEXT, SpanKind, SpanStatusCode } = this.api;
    this.ids.next = idsOf(task_id);
    const span = this.spans.startSpan(
      'task',
      { root: true, kind: SpanKind.INTERNAL, startTime, attributes: { 'kimi.task_id': task_id, ...attributes } },
      ROOT_CONTEXT,
    );
    this.ids.next = undefined;
    if ('error.type' in attributes) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  }

  async close(): Promise<void> {
    const closed = this.provider.shutdown().catch(() => {});
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, FLUSH_MS).unref())]);
  }
}

interface SpanIds {
  traceId: string;
  spanId: string;
}

/** @returns the ids of a task's trace and of its root span. */
export function idsOf(task_id: string): SpanIds {
  const hash = createHash('sha256').update(task_id).digest('hex');
  return { traceId: hash.slice(0, 32), spanId: hash.slice(32, 48) };
}
