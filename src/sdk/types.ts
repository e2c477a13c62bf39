/** The shapes of the API, made from docs/openapi.json by `npm run openapi`. */

export type TaskId = string;
export type TaskState =
  'queued' | 'paused' | 'dispatching' | 'dispatched' | 'done' | 'failed' | 'timed_out' | 'cancelled';
export type StartedTask =
  | {
      status: 'accepted';
      task_id: TaskId;
      task_name: string;
      /**
       * Path of the result file that the task will have.
       */
      result_file: string;
      /**
       * Set if the simulated Kimi is used.
       */
      simulated?: true;
      /**
       * Set in a simulation if Moonshot has retired the model.
       */
      retired?: {
        code: string;
        [k: string]: unknown;
      };
      api_id: string;
    }
  | {
      status: 'queued';
      task_id: TaskId;
      task_name: string;
      /**
       * Path of the result file that the task will have.
       */
      result_file: string;
      /**
       * Set if the simulated Kimi is used.
       */
      simulated?: true;
      /**
       * Set in a simulation if Moonshot has retired the model.
       */
      retired?: {
        code: string;
        [k: string]: unknown;
      };
      queued: QueuePosition;
    }
  | {
      status: 'paused';
      task_id: TaskId;
      task_name: string;
      /**
       * Path of the result file that the task will have.
       */
      result_file: string;
      /**
       * Set if the simulated Kimi is used.
       */
      simulated?: true;
      /**
       * Set in a simulation if Moonshot has retired the model.
       */
      retired?: {
        code: string;
        [k: string]: unknown;
      };
      paused: BudgetPause;
    }
  | {
      status: 'pending';
      task_id: TaskId;
      task_name: string;
      /**
       * Path of the result file that the task will have.
       */
      result_file: string;
      /**
       * Set if the simulated Kimi is used.
       */
      simulated?: true;
      /**
       * Set in a simulation if Moonshot has retired the model.
       */
      retired?: {
        code: string;
        [k: string]: unknown;
      };
    }
  | {
      status: 'refused';
      task_id: TaskId;
      task_name: string;
      /**
       * Path of the result file that the task will have.
       */
      result_file: string;
      /**
       * Set if the simulated Kimi is used.
       */
      simulated?: true;
      /**
       * Set in a simulation if Moonshot has retired the model.
       */
      retired?: {
        code: string;
        [k: string]: unknown;
      };
      error: TaskError;
    }
  | {
      status: 'known';
      task_id: TaskId;
      task_name: string;
      /**
       * Path of the result file that the task will have.
       */
      result_file: string;
      /**
       * Set if the simulated Kimi is used.
       */
      simulated?: true;
      /**
       * Set in a simulation if Moonshot has retired the model.
       */
      retired?: {
        code: string;
        [k: string]: unknown;
      };
    };

export interface TaskError {
  type: string;
  message: string;
  /**
   * What the message says, by code.
   */
  detail?: {
    code: string;
    [k: string]: unknown;
  };
}
export interface FunctionTool {
  name: string;
  description?: string;
  /**
   * JSON Schema of its arguments.
   */
  parameters?: {
    [k: string]: unknown;
  };
  strict?: boolean;
}
export interface FunctionCall {
  id: string;
  name: string;
  /**
   * JSON, as the model wrote it.
   */
  arguments: string;
}
export interface FunctionResult {
  call_id: string;
  output: string;
}
export interface TaskRequest {
  system?: string;
  temperature?: number;
  /**
   * Of the answer, its reasoning included.
   */
  max_tokens?: number;
  thinking?: string;
  /**
   * `data:` URLs.
   */
  images?: string[];
  /**
   * JSON Schema of the answer.
   */
  json_schema?: {
    [k: string]: unknown;
  };
  /**
   * Answered within a day, at 60 % of the price. Only at Moonshot.
   */
  batch?: true;
  /**
   * What Kimi may use for its answer. Only at Moonshot.
   *
   * @minItems 1
   */
  tools?: ['search' | 'fetch' | 'code' | 'excel', ...('search' | 'fetch' | 'code' | 'excel')[]];
  /**
   * Not with `tools`. Only with KIMI_CALLBACKS=relay.
   *
   * @minItems 1
   * @maxItems 128
   */
  functions?: [FunctionTool, ...FunctionTool[]];
  /**
   * Whether it has to ask for a function, or for this one; absent if the model decides.
   */
  function_choice?:
    | ('none' | 'required')
    | {
        name: string;
      };
  /**
   * Of each function that the answer before asks for. The prompt, which follows them, may be empty then.
   *
   * @minItems 1
   */
  function_results?: [FunctionResult, ...FunctionResult[]];
}
export interface TaskFile {
  name: string;
  /**
   * Size of the file.
   */
  bytes: number;
  /**
   * `pages`: scanned ones, as pictures. `document`: Kimi reads it.
   */
  kind: 'text' | 'image' | 'pages' | 'document';
  /**
   * Of a text that is not UTF-8, e.g. Big5.
   */
  encoding?: string;
  stored_bytes: number;
  sha256: string;
  claim: string;
}
export interface Turn {
  prompt: string;
  /**
   * `data:` URLs.
   */
  images?: string[];
  files?: TaskFile[];
  /**
   * Of each function that the answer before asks for. The prompt, which follows them, may be empty then.
   *
   * @minItems 1
   */
  function_results?: [FunctionResult, ...FunctionResult[]];
  output: string;
  reasoning?: string;
  /**
   * The output may be empty then.
   *
   * @minItems 1
   */
  function_calls?: [FunctionCall, ...FunctionCall[]];
}
export interface QueuePosition {
  place: number;
  expected_wait_ms?: number;
}
export interface BudgetPause {
  /**
   * Whose budget.
   */
  of: 'day' | 'chat' | 'task';
  currency: 'CNY' | 'USD';
  budget: number;
  /**
   * What the task may cost at most.
   */
  needs: number;
  spent: number;
  /**
   * What running tasks may cost at most.
   */
  reserved?: number;
  /**
   * ISO 8601: when it is sent by itself; absent if it would exceed the budget of that day too.
   */
  until?: string;
  timezone?: string;
  /**
   * It is sent by itself if running tasks cost less than they may.
   */
  waits?: true;
}
export interface Allowance {
  task_id: TaskId;
  status: 'allowed';
}
export interface StoredRows {
  name: string;
  rows: number;
  /**
   * What the file was read as, e.g. Big5; absent for UTF-8.
   */
  encoding?: string;
  sha256: string;
  chunks: {
    claim: string;
    rows: number;
  }[];
}
export interface TaskEvent {
  id: string;
  event: 'state' | 'progress' | 'text' | 'end';
  /**
   * JSON.
   */
  data: string;
}
export interface Route {
  channel: string;
  to: string;
  account_id?: string;
  thread_id?: string;
  session_key?: string;
  message?: {
    id: string;
    at: number;
  };
}
export interface NewTask {
  prompt: string;
  /**
   * Derived from the prompt if absent. At most 64 letters, digits, spaces and . _ - of any script, with a letter or digit at both ends; not `last`, a number or the beginning of an id (`kimi-1`), which name another task.
   */
  name?: string;
  model?: string;
  request?: TaskRequest;
  /**
   * As POST /v1/files returned them.
   */
  files?: TaskFile[];
  /**
   * The task whose conversation is continued: its name, model and options apply where none are given.
   */
  continue?: TaskId;
  /**
   * Questions and answers before the prompt, the oldest first. Not with `continue`.
   */
  conversation?: Turn[];
  /**
   * Words of the program that starts it, at most 16.
   */
  metadata?: {
    [k: string]: string;
  };
  /**
   * The program asks for the answer itself: the gateway is not woken, and the inbox does not list it.
   */
  wake?: false;
  /**
   * The program that is sent a signed event when the task ends (docs/webhooks.md). Of a map: for the map.
   */
  notify?: {
    url: string;
  };
  /**
   * A task whose own receiver is sent the event, if it has one.
   */
  notify_as?: TaskId;
  /**
   * How long Kimi may take from its acceptance, behind the relay from the head of its answer.
   */
  timeout_ms?: number;
  /**
   * What it may cost at most, in the currency of the account’s host; of a map, each row.
   */
  budget?: number;
  /**
   * 1 is sent first, 5 last; 3 by default.
   */
  priority?: 1 | 2 | 3 | 4 | 5;
  /**
   * Resends a request whose outcome is unknown, which may be paid for twice.
   */
  resend_unknown?: boolean;
  route?: Route;
  /**
   * Language of the notification.
   */
  lang?: 'zh-TW' | 'en';
  /**
   * How long to wait until Kimi has accepted the task.
   */
  wait_ms?: number;
}
export interface FollowUp {
  prompt: string;
  /**
   * Derived from the prompt if absent. At most 64 letters, digits, spaces and . _ - of any script, with a letter or digit at both ends; not `last`, a number or the beginning of an id (`kimi-1`), which name another task.
   */
  name?: string;
  model?: string;
  request?: TaskRequest;
  /**
   * As POST /v1/files returned them.
   */
  files?: TaskFile[];
  /**
   * Words of the program that starts it, at most 16.
   */
  metadata?: {
    [k: string]: string;
  };
  /**
   * The program asks for the answer itself: the gateway is not woken, and the inbox does not list it.
   */
  wake?: false;
  /**
   * The program that is sent a signed event when the task ends (docs/webhooks.md). Of a map: for the map.
   */
  notify?: {
    url: string;
  };
  /**
   * A task whose own receiver is sent the event, if it has one.
   */
  notify_as?: TaskId;
  /**
   * How long Kimi may take from its acceptance, behind the relay from the head of its answer.
   */
  timeout_ms?: number;
  /**
   * What it may cost at most, in the currency of the account’s host; of a map, each row.
   */
  budget?: number;
  /**
   * 1 is sent first, 5 last; 3 by default.
   */
  priority?: 1 | 2 | 3 | 4 | 5;
  /**
   * Resends a request whose outcome is unknown, which may be paid for twice.
   */
  resend_unknown?: boolean;
  route?: Route;
  /**
   * Language of the notification.
   */
  lang?: 'zh-TW' | 'en';
  /**
   * How long to wait until Kimi has accepted the task.
   */
  wait_ms?: number;
}
export interface NewMap {
  prompt: string;
  /**
   * Derived from the prompt if absent. At most 64 letters, digits, spaces and . _ - of any script, with a letter or digit at both ends; not `last`, a number or the beginning of an id (`kimi-1`), which name another task.
   */
  name?: string;
  model?: string;
  request?: TaskRequest;
  /**
   * As POST /v1/files returned them.
   */
  files?: TaskFile[];
  /**
   * Words of the program that starts it, at most 16.
   */
  metadata?: {
    [k: string]: string;
  };
  /**
   * The program asks for the answer itself: the gateway is not woken, and the inbox does not list it.
   */
  wake?: false;
  /**
   * The program that is sent a signed event when the task ends (docs/webhooks.md). Of a map: for the map.
   */
  notify?: {
    url: string;
  };
  /**
   * A task whose own receiver is sent the event, if it has one.
   */
  notify_as?: TaskId;
  /**
   * How long Kimi may take from its acceptance, behind the relay from the head of its answer.
   */
  timeout_ms?: number;
  /**
   * What it may cost at most, in the currency of the account’s host; of a map, each row.
   */
  budget?: number;
  /**
   * 1 is sent first, 5 last; 3 by default.
   */
  priority?: 1 | 2 | 3 | 4 | 5;
  /**
   * Resends a request whose outcome is unknown, which may be paid for twice.
   */
  resend_unknown?: boolean;
  route?: Route;
  /**
   * Language of the notification.
   */
  lang?: 'zh-TW' | 'en';
  /**
   * As POST /v1/rows returned them.
   */
  rows: StoredRows;
  /**
   * A map that has ended: only its rows without an answer are asked.
   */
  retries?: TaskId;
}
export interface StartedMap {
  status: 'started' | 'known' | 'paused';
  task_id: TaskId;
  task_name: string;
  /**
   * Path of the result file that the task will have.
   */
  result_file: string;
  /**
   * Set if the simulated Kimi is used.
   */
  simulated?: true;
  /**
   * Set in a simulation if Moonshot has retired the model.
   */
  retired?: {
    code: string;
    [k: string]: unknown;
  };
  paused?: BudgetPause;
  /**
   * Number of rows that are asked.
   */
  rows: number;
}
export interface ListedTask {
  task_id: TaskId;
  task_name: string;
  state: TaskState;
  status: TaskState;
  model: string;
  tokens: number | null;
  /**
   * ISO 8601, UTC, whole seconds.
   */
  created_at: string;
  /**
   * The task whose conversation it continues.
   */
  continues?: TaskId;
  /**
   * Of a map: its rows by outcome; the others have none yet.
   */
  map?: {
    rows: number;
    done: number;
    failed: number;
    timed_out: number;
    cancelled: number;
  };
  /**
   * The answer came after the outcome.
   */
  late?: true;
  /**
   * Set if the simulated Kimi is used.
   */
  simulated?: true;
  queue?: QueuePosition;
  paused?: BudgetPause;
  progress?: {
    phase: 'batch' | 'using_tools' | 'reading' | 'waiting' | 'reasoning' | 'answering';
    tokens: number;
    tail: string;
    repeats?: true;
    fallback?: {
      /**
       * The model that the task asked for.
       */
      asked_model: string;
      model: string;
      effort?: string;
      overloaded_ms: number;
    };
    /**
     * How often Kimi has called tools, how often each tool, and what it cost so far.
     */
    rounds?: {
      round: number;
      calls: {
        [k: string]: number;
      };
      cost?: {
        amount: number;
        currency: 'CNY' | 'USD';
        price_date: string;
        /**
         * What a batch saved.
         */
        saved?: number;
      };
    };
  };
  retrying?: {
    attempt: number;
    why: string;
    type?: string;
    /**
     * What the message says, by code.
     */
    detail?: {
      code: string;
      [k: string]: unknown;
    };
    /**
     * ISO 8601, UTC, whole seconds.
     */
    next_attempt_at?: string;
  };
}
export interface TaskList {
  tasks: ListedTask[];
  /**
   * Cursor of the next page; absent at the end.
   */
  next?: string;
}
export interface Task {
  task_id: TaskId;
  task_name: string;
  model: string;
  state: TaskState;
  status: TaskState;
  step:
    | 'queued'
    | 'paused'
    | 'dispatching'
    | 'waiting'
    | 'saving'
    | 'waking'
    | 'acknowledging'
    | 'awaiting_acknowledgement'
    | 'awaiting_late_answer'
    | 'closed';
  /**
   * Set if another model was asked, as Kimi was overloaded.
   */
  fallback?: {
    /**
     * The model that the task asked for.
     */
    asked_model: string;
    model: string;
    effort?: string;
    overloaded_ms: number;
  };
  api_id?: string;
  /**
   * Beginning of the prompt.
   */
  question?: string;
  queue?: QueuePosition;
  paused?: BudgetPause;
  /**
   * What it may cost at most, in the currency of the account’s host; of a map, each row.
   */
  budget?: number;
  /**
   * ISO 8601, UTC, whole seconds.
   */
  created_at: string;
  /**
   * ISO 8601, UTC, whole seconds.
   */
  accepted_at?: string;
  /**
   * ISO 8601, UTC, whole seconds.
   */
  deadline?: string;
  /**
   * ISO 8601, UTC, whole seconds.
   */
  completed_at?: string;
  tokens?: number;
  cost?: {
    amount: number;
    currency: 'CNY' | 'USD';
    price_date: string;
    /**
     * What a batch saved.
     */
    saved?: number;
  };
  result_file?: string;
  finish_reason?: string;
  files?: {
    name: string;
    bytes: number;
  }[];
  /**
   * Words of the program that starts it, at most 16.
   */
  metadata?: {
    [k: string]: string;
  };
  error?: TaskError;
  /**
   * ISO 8601, UTC, whole seconds.
   */
  woken_at?: string;
  acknowledged: boolean;
  wake_error?: TaskError;
  /**
   * Its events for programs.
   */
  events?: {
    /**
     * `webhook-id`.
     */
    id: string;
    /**
     * Where it is sent, without the path.
     */
    origin: string;
    state: 'pending' | 'delivered' | 'given_up';
    /**
     * When it was delivered or given up; of a pending one, when its delivery began.
     */
    since: string;
    retrying?: {
      attempt?: number;
      why?: string;
      type?: string;
      /**
       * What the message says, by code.
       */
      detail?: {
        code: string;
        [k: string]: unknown;
      };
      /**
       * ISO 8601, UTC, whole seconds.
       */
      next_attempt_at?: string;
    };
  }[];
  relay?: true;
  retrying?: {
    attempt: number;
    why: string;
    type?: string;
    /**
     * What the message says, by code.
     */
    detail?: {
      code: string;
      [k: string]: unknown;
    };
    /**
     * ISO 8601, UTC, whole seconds.
     */
    next_attempt_at?: string;
  };
  progress?: {
    phase: 'batch' | 'using_tools' | 'reading' | 'waiting' | 'reasoning' | 'answering';
    tokens: number;
    tail: string;
    repeats?: true;
    fallback?: {
      /**
       * The model that the task asked for.
       */
      asked_model: string;
      model: string;
      effort?: string;
      overloaded_ms: number;
    };
    /**
     * How often Kimi has called tools, how often each tool, and what it cost so far.
     */
    rounds?: {
      round: number;
      calls: {
        [k: string]: number;
      };
      cost?: {
        amount: number;
        currency: 'CNY' | 'USD';
        price_date: string;
        /**
         * What a batch saved.
         */
        saved?: number;
      };
    };
  };
  web_ui?: string;
  /**
   * False if no worker answers.
   */
  live?: boolean;
  /**
   * How the task was ended in the engine: it will have no result.
   */
  ended?: string;
  /**
   * The answer came after the outcome.
   */
  late?: true;
  /**
   * Set if the simulated Kimi is used.
   */
  simulated?: true;
  /**
   * The task whose conversation it continues.
   */
  continues?: TaskId;
  /**
   * The schedule that started it. `missed`: earlier due times at which nothing ran.
   */
  schedule?: {
    name: string;
    /**
     * ISO 8601, UTC, whole seconds.
     */
    due_at: string;
    timezone: string;
    missed?: number;
  };
  /**
   * Of a map: its rows by outcome; the others have none yet.
   */
  map?: {
    rows: number;
    done: number;
    failed: number;
    timed_out: number;
    cancelled: number;
  };
  /**
   * The map that it is a row of.
   */
  row?: {
    map: TaskId;
    number: number;
  };
  /**
   * Name of the token that started it; absent if no token did.
   */
  owner?: string;
  /**
   * Path of a result file that was removed or is damaged.
   */
  missing_file?: string;
}
export interface Result {
  task_id: TaskId;
  task_name: string;
  status: 'done' | 'failed' | 'timed_out' | 'cancelled';
  model: string;
  /**
   * Kimi’s answer; absent if there is none.
   */
  output?: string;
  reasoning?: string;
  /**
   * `length` if the answer is cut off, `tool_calls` if it asks for functions.
   */
  finish_reason?: string;
  /**
   * Functions of the program that the answer asks for.
   */
  function_calls?: FunctionCall[];
  /**
   * Set if another model was asked, as Kimi was overloaded.
   */
  fallback?: {
    /**
     * The model that the task asked for.
     */
    asked_model: string;
    model: string;
    effort?: string;
    overloaded_ms: number;
  };
  /**
   * Tools that Kimi used, in order.
   */
  tool_uses?: {
    tool: 'search' | 'fetch' | 'code' | 'excel';
    input: string;
    sources?: string[];
    failed?: true;
    /**
     * The limit of calls was reached.
     */
    not_made?: true;
  }[];
  error?: TaskError;
  cost?: {
    amount: number;
    currency: 'CNY' | 'USD';
    price_date: string;
    /**
     * What a batch saved.
     */
    saved?: number;
  };
  /**
   * Set if the simulated Kimi is used.
   */
  simulated?: true;
  /**
   * The task whose conversation it continues.
   */
  continues?: TaskId;
  /**
   * The schedule that started it. `missed`: earlier due times at which nothing ran.
   */
  schedule?: {
    name: string;
    /**
     * ISO 8601, UTC, whole seconds.
     */
    due_at: string;
    timezone: string;
    missed?: number;
  };
  /**
   * Of a map: its rows by outcome, sums of their tokens and cost, and those without an answer.
   */
  map?: {
    rows: number;
    done: number;
    failed: number;
    timed_out: number;
    cancelled: number;
    tokens: {
      prompt: number;
      completion: number;
      total: number;
      cached?: number;
      reasoning?: number;
    };
    cost: {
      amount: number;
      currency: 'CNY' | 'USD';
      price_date: string;
      /**
       * What a batch saved.
       */
      saved?: number;
    }[];
    failures: {
      number: number;
      task_id: TaskId;
      status: 'done' | 'failed' | 'timed_out' | 'cancelled';
      error?: TaskError;
    }[];
    /**
     * The rows that were asked, if not all.
     */
    only?: number[];
    /**
     * Number of rows of the file, if not all were asked.
     */
    of?: number;
    /**
     * The map whose failed rows these are.
     */
    retries?: TaskId;
  };
  /**
   * The map that it is a row of.
   */
  row?: {
    map: TaskId;
    number: number;
  };
  /**
   * Name of the token that started it; absent if no token did.
   */
  owner?: string;
  /**
   * ISO 8601, UTC, whole seconds.
   */
  created_at: string;
  /**
   * ISO 8601, UTC, whole seconds.
   */
  completed_at: string;
  acknowledged?: true;
  /**
   * ISO 8601, UTC, whole seconds.
   */
  acknowledged_at?: string;
  [k: string]: unknown;
}
export interface Question {
  prompt: string;
  request?: TaskRequest;
  files?: TaskFile[];
  /**
   * Of a map.
   */
  rows?: StoredRows;
  conversation?: Turn[];
  /**
   * Words of the program that starts it, at most 16.
   */
  metadata?: {
    [k: string]: string;
  };
  timeout_ms: number;
  priority?: 1 | 2 | 3 | 4 | 5;
  resend_unknown?: true;
  /**
   * What it may cost at most, in the currency of the account’s host; of a map, each row.
   */
  budget?: number;
}
export interface ResultList {
  results: Result[];
}
export interface Chat {
  route?: Route;
}
export interface NewAcknowledgement {
  notification?: string;
  route?: Route;
}
export interface Acknowledgement {
  notification: string;
  newer?: string;
}
export interface Cancellation {
  task_id: TaskId;
  status: 'cancelled' | 'stream_closed';
  received?: boolean;
}
export interface Removal {
  task_id: TaskId;
  status: 'removed';
}
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  errors?: {
    in: string;
    path: string;
    detail: string;
  }[];
  [k: string]: unknown;
}
export interface Limits {
  /**
   * 0 is unlimited.
   */
  limits: {
    per_minute: number;
    concurrent: number;
    queued: number;
  };
  /**
   * Requests to Kimi that count against the last 60 s.
   */
  used_per_minute: number;
  /**
   * Tasks between dispatch and outcome.
   */
  running: number;
  /**
   * Waiting tasks.
   */
  queued: number;
  /**
   * Tasks that would be dispatched now; absent if nothing is limited.
   */
  free?: number;
  /**
   * The account of the day; absent without a budget.
   */
  budget?: {
    day: string;
    timezone: string;
    per_day?: number;
    per_chat?: number;
    /**
     * Absent before the first task.
     */
    currency?: 'CNY' | 'USD';
    spent: number;
    /**
     * What running tasks may cost at most.
     */
    reserved: number;
    /**
     * Tasks that are not sent.
     */
    paused: number;
  };
  /**
   * End of a pause, since Kimi answered 429.
   */
  paused_until?: string;
}
export interface NewSchedule {
  /**
   * Five fields of cron, or words, e.g. `每天 8:00`, `every Monday 9:30`.
   */
  when: string;
  /**
   * IANA name; that of the services’ machine if absent.
   */
  timezone?: string;
  /**
   * What becomes of due times at which the machine or the services were off: the last one is made up for, all are, or none is.
   */
  missed?: 'last' | 'all' | 'skip';
  /**
   * What is started. The schedule has its name; `{{date}}` in the prompt is the date when it is due.
   */
  task: {
    prompt: string;
    /**
     * Derived from the prompt if absent. At most 64 letters, digits, spaces and . _ - of any script, with a letter or digit at both ends; not `last`, a number or the beginning of an id (`kimi-1`), which name another task.
     */
    name?: string;
    model?: string;
    request?: TaskRequest;
    /**
     * As POST /v1/files returned them.
     */
    files?: TaskFile[];
    /**
     * The task whose conversation is continued: its name, model and options apply where none are given.
     */
    continue?: TaskId;
    /**
     * Questions and answers before the prompt, the oldest first. Not with `continue`.
     */
    conversation?: Turn[];
    /**
     * Words of the program that starts it, at most 16.
     */
    metadata?: {
      [k: string]: string;
    };
    /**
     * The program asks for the answer itself: the gateway is not woken, and the inbox does not list it.
     */
    wake?: false;
    /**
     * The program that is sent a signed event when the task ends (docs/webhooks.md). Of a map: for the map.
     */
    notify?: {
      url: string;
    };
    /**
     * How long Kimi may take from its acceptance, behind the relay from the head of its answer.
     */
    timeout_ms?: number;
    /**
     * What it may cost at most, in the currency of the account’s host; of a map, each row.
     */
    budget?: number;
    /**
     * 1 is sent first, 5 last; 3 by default.
     */
    priority?: 1 | 2 | 3 | 4 | 5;
    /**
     * Resends a request whose outcome is unknown, which may be paid for twice.
     */
    resend_unknown?: boolean;
    route?: Route;
    /**
     * Language of the notification.
     */
    lang?: 'zh-TW' | 'en';
  };
}
export interface Schedule {
  name: string;
  /**
   * In the engine.
   */
  id: string;
  /**
   * Five fields of cron, or words, e.g. `每天 8:00`, `every Monday 9:30`.
   */
  when: string;
  /**
   * IANA name.
   */
  timezone: string;
  /**
   * What becomes of due times at which the machine or the services were off: the last one is made up for, all are, or none is.
   */
  missed: 'last' | 'all' | 'skip';
  /**
   * ISO 8601, UTC, whole seconds.
   */
  created_at: string;
  paused: boolean;
  /**
   * When it is due next; absent while it is paused.
   */
  next?: string;
  /**
   * Beginning of the prompt.
   */
  question: string;
  /**
   * Name of the token that added it; absent if no token did.
   */
  owner?: string;
  /**
   * The newest task that it started.
   */
  last_task?: {
    task_id: TaskId;
    task_name: string;
    state: TaskState;
    model: string;
    tokens: number | null;
    /**
     * ISO 8601, UTC, whole seconds.
     */
    created_at: string;
    /**
     * The task whose conversation it continues.
     */
    continues?: TaskId;
    /**
     * Of a map: its rows by outcome; the others have none yet.
     */
    map?: {
      rows: number;
      done: number;
      failed: number;
      timed_out: number;
      cancelled: number;
    };
    /**
     * The answer came after the outcome.
     */
    late?: true;
    /**
     * Set if the simulated Kimi is used.
     */
    simulated?: true;
    queue?: QueuePosition;
    paused?: BudgetPause;
    progress?: {
      phase: 'batch' | 'using_tools' | 'reading' | 'waiting' | 'reasoning' | 'answering';
      tokens: number;
      tail: string;
      repeats?: true;
      fallback?: {
        /**
         * The model that the task asked for.
         */
        asked_model: string;
        model: string;
        effort?: string;
        overloaded_ms: number;
      };
      /**
       * How often Kimi has called tools, how often each tool, and what it cost so far.
       */
      rounds?: {
        round: number;
        calls: {
          [k: string]: number;
        };
        cost?: {
          amount: number;
          currency: 'CNY' | 'USD';
          price_date: string;
          /**
           * What a batch saved.
           */
          saved?: number;
        };
      };
    };
    retrying?: {
      attempt: number;
      why: string;
      type?: string;
      /**
       * What the message says, by code.
       */
      detail?: {
        code: string;
        [k: string]: unknown;
      };
      /**
       * ISO 8601, UTC, whole seconds.
       */
      next_attempt_at?: string;
    };
  };
  /**
   * What it did when it was last due.
   */
  last_run?: {
    /**
     * ISO 8601, UTC, whole seconds.
     */
    due_at: string;
    task_ids: TaskId[];
    /**
     * Due times that started no task, since nothing ran then.
     */
    missed?: number;
    /**
     * The earlier task that was still in progress: none was started.
     */
    overlapped?: TaskId;
    /**
     * `code` of the problem because of which none was started.
     */
    problem?: string;
  };
}
export interface ScheduleList {
  schedules: Schedule[];
}
export interface RemovedSchedule {
  name: string;
}
export interface NewRun {
  /**
   * How long to wait until Kimi has accepted the task.
   */
  wait_ms?: number;
  route?: Route;
}
