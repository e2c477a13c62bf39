/** What is used of OpenTelemetry: a module of its own, since esbuild gives an `import()` of a CommonJS package no names. */
import * as api from '@opentelemetry/api';

export { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
export { resourceFromAttributes } from '@opentelemetry/resources';
export { BasicTracerProvider, BatchSpanProcessor, RandomIdGenerator } from '@opentelemetry/sdk-trace-base';
export { api };
