/**
 * Loaded before the workflows, while the sandbox's globals can still be changed.
 *
 * The SDK takes a stack trace of every promise that a workflow makes, ten lines deep, and looks each line up in the source map:
 * a fifth of what a task costs the worker (docs/benchmarks.md). Two lines are left: an error still says where it was thrown.
 * The Web UI's *Call Stack* tells nothing for it.
 */
Error.stackTraceLimit = 2;
