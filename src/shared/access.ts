/** Who may see and do what: nothing else decides it. SECURITY.md has it as a table, and test/api/access.test.ts tests each cell. */
import { isSameChat, type Route } from './chat.ts';

/** What a token is for: to start tasks, to read its own ones, or everything. */
export const SCOPES = ['submit', 'read', 'admin'] as const;

export type Scope = (typeof SCOPES)[number];

/** Names of tokens. A task has that of the token that started it. */
export const TOKEN_NAME = /^[\w.-]{1,64}$/;

/** A program that has a token. */
export interface TokenHolder {
  by: 'token';
  /** Name of the token. */
  name: string;
  scopes: readonly Scope[];
}

/** Who asks. */
export type Caller =
  /** This user: by the socket of `KIMI_HOME`, or a command. */
  | { by: 'user' }
  | TokenHolder
  | { by: 'chat'; route: Route }
  /** A reader of the dashboard, with its token or on this machine. */
  | { by: 'dashboard' }
  /** The holder of a signed link to the page of one task. */
  | { by: 'link'; task_id: string };

/** Who a task belongs to. */
export interface Belonging {
  task_id?: string;
  /** The token that started it. */
  owner?: string | undefined;
  /** The chat that asked for it. */
  route?: Route | undefined;
}

/**
 * `start`: tasks, maps and schedules, and the files for them. `read`: states, questions, results. `change`: cancel, acknowledge, pause,
 * remove. `notify`: have the answer sent to a chat. `allow`: let a task exceed a budget.
 */
export type Deed = 'start' | 'read' | 'change' | 'notify' | 'allow';

/** The scope, beside `admin`, with which a token may do something. */
const SCOPE_OF: Record<Deed, Scope> = {
  start: 'submit',
  read: 'read',
  change: 'submit',
  notify: 'admin',
  allow: 'admin',
};

/**
 * @param task whose it is; absent: whether there are tasks that the caller may do it to
 * @returns whether a caller may do something.
 */
export function may(caller: Caller, deed: Deed, task?: Belonging): boolean {
  if (caller.by === 'token') {
    if (caller.scopes.includes('admin')) return true;
    return caller.scopes.includes(SCOPE_OF[deed]) && (task === undefined || task.owner === caller.name);
  }
  if (caller.by === 'chat') {
    return task === undefined || (task.route !== undefined && isSameChat(task.route, caller.route));
  }
  if (caller.by === 'link') return deed === 'read' && (task === undefined || task.task_id === caller.task_id);
  return true;
}

/** @returns the scope that a token lacks for something. */
export function scopeFor(deed: Deed): Scope {
  return SCOPE_OF[deed];
}

/** @returns the only owner whose tasks a caller sees; `undefined` if it sees those of others as well. */
export function ownerSeenBy(caller: TokenHolder): string | undefined {
  return may(caller, 'read', {}) ? undefined : caller.name;
}

/** @returns whether a chat may see something, and change it. */
export function isOfChat(chat: Route, route: Route | undefined): boolean {
  return may({ by: 'chat', route: chat }, 'change', { route });
}
