/** Why a host was not reached. */
export interface Cause {
  /** A code such as `ECONNREFUSED`, or words. */
  cause: string;
  /** Address of the proxy that failed; its answer, or a code such as `ECONNREFUSED`. */
  proxy?: string;
  status?: number;
  why?: string;
}

/** Why no event is sent to an address. `clear`: http, to a host that is not allowed. */
export type Refusal = 'no_url' | 'credentials' | 'private' | 'clear';

/** What has to be changed so that the gateway accepts a wake. */
export type GatewayAdvice = 'hooks' | 'plugin' | 'owner' | 'token';

/** Parameters of an error's detail, by code. src/text/error-details.ts has the sentences. */
export interface Details {
  always_thinks: { model: string; effort?: string };
  /** Kimi's response. `words` are the provider's own; `elsewhere` if another program seems to answer. */
  answered: { status: number; words?: string; elsewhere?: true };
  broke: { address: string } & Cause;
  file: { cause: string };
  /** What was stored of a file that goes with a prompt was removed. */
  file_gone: { name: string };
  cap: { model: string; context: number };
  gateway: { address: string; status: number; words?: string; advice?: GatewayAdvice };
  gateway_unreachable: { address: string } & Cause;
  /** A model cannot be made to ask for a function, or for a certain one. `mayNotThink`: it can, once it does not think. */
  function_choice: { model: string; choice: string; mayNotThink?: true };
  /** Functions of the program beside tools that Moonshot runs. */
  functions_and_tools: object;
  /** Functions, only the relay receives what is asked of them. */
  no_functions: { simulated?: true };
  no_effort: { model: string; effort: string; efforts: string[] };
  no_efforts: { model: string; hasSwitch: boolean };
  no_images: { model: string; successor: string };
  /** A JSON Schema has a type that does not exist. */
  no_schema: { type: string };
  /** Tools that only Moonshot's relay offers. */
  no_tools: { tools: string[]; simulated?: true };
  /** Batches, only Moonshot's relay makes them; or those of a model, or with tools. */
  no_batch: { model?: string; tools?: true; functions?: true };
  /** Moonshot does not offer a tool. `words` are its own. */
  no_tool: { tool: string; words: string };
  /** An answer that was interrupted, and is not asked for again. `why`: in English. */
  not_resumed: { why: string; requests: number };
  /** The process that did a step of the task was stopped. */
  process_lost: object;
  reach: { address: string } & Cause;
  /** The receiver of an event has answered with another status than 2xx. */
  receiver: { address: string; status: number };
  /** Its name resolves to an address that is not public. */
  receiver_private: { address: string };
  receiver_refused: { why: Refusal };
  /** Neither the task nor the worker names one. */
  no_receiver: object;
  no_notify_secret: object;
  /** The receiver of an event has not answered what was sent to it. */
  no_response: { address: string } & Cause;
  reported: { words: string };
  /** The words of an API with callbacks, whose type of error has a sentence. */
  said: { words: string };
  retired: { model: string; date: string; successor: string };
  temperature: { model: string; only: number };
  /** A budget cannot be kept: the price is not known. */
  unpriced: { model: string; host: string };
  unreached: Cause;
  /** Kimi extracts no text from a file. `words` are its own. */
  unread_file: { name: string; words?: string };
  /** Documents that only the relay could have Kimi read. */
  unread_documents: { names: string[] };
  /** `at_least`: Kimi did not count. */
  too_long: { tokens: number; at_least?: true; model: string; room: number; conversation?: true; larger?: string };
}

export type ErrorDetail = { [Code in keyof Details]: { code: Code } & Details[Code] }[keyof Details];
