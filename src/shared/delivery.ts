/** The event of a task's end, on its way to a receiver (docs/webhooks.md). */

/** Where an event is sent. Its address may hold a secret, so it is in no history: it is stored as a content. */
interface Receiver {
  /** For people, e.g. `https://hooks.example.com`. */
  origin: string;
  /** Claim of the address. */
  claim: string;
}

/** How a task's end is reported to a program. */
export interface EventOptions {
  /** Absent: the worker's `KIMI_NOTIFY_URL`, if it has one. */
  receiver?: Receiver;
  /** In OpenAI's form: `response.completed` … */
  form?: 'openai';
}

/** Input of the workflow `kimiNotify`: one event. */
export interface Delivery {
  task_id: string;
  /** `webhook-id`: that of the notification, the same at each attempt. */
  id: string;
  /** What is signed and sent. */
  body: string;
  /** The task's own; absent: the worker's `KIMI_NOTIFY_URL`. */
  receiver?: Receiver;
}

/** Result of the workflow: the receiver has accepted the event. */
export interface Delivered {
  /** Its 2xx. */
  status: number;
}
