/**
 * Loaded before the workflows, while the sandbox's globals can still be changed.
 *
 * The SDK captures a stack trace of every promise that a workflow creates, ten lines deep, and looks up each line in the source
 * map: a fifth of a task's cost for the worker (docs/benchmarks.md). With two lines an error still shows where it was thrown.
 * The Web UI's *Call Stack* stays empty.
 */
Error.stackTraceLimit = 2;
