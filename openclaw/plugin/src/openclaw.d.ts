/**
 * The part of OpenClaw's plugin SDK that is used here, as `openclaw@2026.9.6` has it. The package itself takes 650 MB, so it is
 * no dependency; `npm run e2e:openclaw` holds this against the real one.
 */
declare module 'openclaw/plugin-sdk/plugin-entry' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  export interface Config {
    hooks?: { token?: unknown };
    commands?: { ownerAllowFrom?: (string | number)[] };
  }

  export interface Chat {
    channel?: string;
    to?: string;
    accountId?: string;
    threadId?: string | number;
  }

  /** A message as its channel hands it in; of some sixty members those that are used. */
  export interface InboundContext {
    OriginatingChannel?: string;
    /** Where the reply goes, as the channel's own target. */
    OriginatingTo?: string;
    AccountId?: string;
    MessageThreadId?: string | number;
    SessionKey?: string;
    /** The session of the chat, where a slash command has one of its own. */
    CommandTargetSessionKey?: string;
    /** The same where the gateway handles a message again. */
    MessageSid?: string;
    MessageSidFull?: string;
    /** When it was written, in milliseconds since 1970. */
    Timestamp?: number;
    ChatType?: string;
    BodyForCommands?: string;
    RawBody?: string;
    Body?: string;
    CommandAuthorized?: boolean;
  }

  export interface ReplyDispatchEvent {
    ctx: InboundContext;
    suppressUserDelivery?: boolean;
    /** Whether the reply goes to `OriginatingTo` past the dispatcher. */
    shouldRouteToOriginating: boolean;
    isTailDispatch?: boolean;
  }

  export interface ReplyDispatchContext {
    cfg: Config;
    dispatcher: {
      /** @returns whether it was queued. */
      sendFinalReply(payload: { text: string }): boolean;
      getQueuedCounts(): Record<string, number>;
    };
    /** Aborts where the gateway gives this message up, e.g. since a command followed in the same chat. */
    abortSignal?: AbortSignal;
  }

  export interface ReplyDispatchResult {
    handled: boolean;
    queuedFinal: boolean;
    counts: Record<string, number>;
  }

  export interface CommandContext {
    channel: string;
    args?: string;
    from?: string;
    to?: string;
    accountId?: string;
    messageThreadId?: string | number;
    sessionKey?: string;
  }

  export interface ToolContext {
    deliveryContext?: Chat;
    sessionKey?: string;
    /** Whether whoever caused this run owns the gateway. */
    senderIsOwner?: boolean;
  }

  export interface Tool {
    name: string;
    label: string;
    description: string;
    parameters: Record<string, unknown>;
    execute(
      id: string,
      parameters: Record<string, unknown>,
    ): Promise<{ content: { type: 'text'; text: string }[]; details: unknown }>;
  }

  export interface PluginApi {
    rootDir?: string;
    registrationMode: string;
    pluginConfig?: Record<string, unknown>;
    logger: { info(message: string): void; warn(message: string): void };
    runtime: {
      config: { current(): Config };
      state: { resolveStateDir(): string };
      system: {
        /** @returns false where the same event waits already. */
        enqueueSystemEvent(
          text: string,
          options: { sessionKey: string; contextKey?: string; deliveryContext?: Chat },
        ): boolean;
        requestHeartbeat(request: {
          source: 'hook';
          intent: 'immediate';
          reason: string;
          sessionKey?: string;
          heartbeat?: { target?: string; to?: string; accountId?: string };
        }): void;
      };
    };
    on(
      hook: 'reply_dispatch',
      handler: (event: ReplyDispatchEvent, context: ReplyDispatchContext) => Promise<ReplyDispatchResult | undefined>,
      options?: { timeoutMs?: number },
    ): void;
    registerCommand(command: {
      name: string;
      description: string;
      acceptsArgs: boolean;
      /** The channels that have it. */
      channels?: string[];
      handler(context: CommandContext): Promise<{ text?: string; suppressReply?: boolean }>;
    }): void;
    registerTool(factory: (context: ToolContext) => Tool, options: { name: string }): void;
    registerHttpRoute(route: {
      path: string;
      auth: 'plugin';
      handler(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
    }): void;
  }

  export function definePluginEntry(entry: {
    id: string;
    name: string;
    description: string;
    register(api: PluginApi): void;
  }): unknown;
}

declare module 'openclaw/plugin-sdk/command-auth' {
  import type { Config, InboundContext } from 'openclaw/plugin-sdk/plugin-entry';

  /** The gateway's own rules of who may use commands. */
  export function resolveCommandAuthorization(question: {
    ctx: InboundContext;
    cfg: Config;
    commandAuthorized: boolean;
  }): { isAuthorizedSender: boolean };
}

declare module 'openclaw/plugin-sdk/channel-outbound' {
  import type { Config } from 'openclaw/plugin-sdk/plugin-entry';

  export function sendDurableMessageBatch(batch: {
    cfg: Config;
    channel: string;
    to: string;
    accountId?: string;
    threadId?: string;
    payloads: { text: string; mediaUrl?: string }[];
    forceDocument?: boolean;
    mediaAccess?: { localRoots: string[]; readFile(path: string): Promise<Buffer> };
    /** Keeps the batch out of the gateway's own outbox. */
    skipQueue?: boolean;
  }): Promise<{
    status: 'sent' | 'suppressed' | 'partial_failed' | 'failed';
    reason?: string;
    error?: unknown;
  }>;
}
