/** The package's TypeScript client: `import { KimiDispatch } from 'kimi-dispatch'`. It uses the HTTP API (docs/sdk.md). */
export {
  KimiDispatch,
  type CallOptions,
  type ClientOptions,
  type FileContent,
  type ListFilter,
  type StartOptions,
  type StreamOptions,
} from './client.ts';
export { ApiError, KimiDispatchError, TaskError, UnreachableError } from './errors.ts';
export type { Progress, TaskEvent } from './events.ts';
export type {
  Acknowledgement,
  Allowance,
  Cancellation,
  FollowUp,
  Limits,
  ListedTask,
  NewMap,
  NewSchedule,
  NewTask,
  Problem,
  Result,
  Route,
  Schedule,
  Task,
  TaskFile,
  TaskState,
} from './types.ts';
