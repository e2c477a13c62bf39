/**
 * The part of OpenClaw's plugin SDK that is used here, from `openclaw@2026.9.6`. The package takes 650 MB, so it is not a
 * dependency; `npm run e2e:openclaw` tests the plugin in the real gateway.
 */
declare module 'openclaw/plugin-sdk/plugin-entry' {
  import type { IncomingMessage, ServerResponse } from 'node:http';

  export interface Config {
    hooks?: { token?: unknown };
    commands?: { ownerAllowFrom?: (string | number)[] };
    session?: { mainKey?: string };
    /** Settings of each channel. */
    channels?: Record<string, unknown>;
  }

  export interface Chat {
    channel?: string;
    to?: string;
    accountId?: string;
    threadId?: string | number;
  }

  export interface InboundFile {
    /** Absent if the gateway has not stored it. */
    path?: string;
    fileName?: string;
    contentType?: string;
    kind?: string;
    /** The message that is replied to, if the file is part of that one (Discord). */
    messageId?: string;
  }

  /** A message from a channel; the used ones of some sixty members. */
  export interface InboundContext {
    OriginatingChannel?: string;
    /** The channel's target of the reply. */
    OriginatingTo?: string;
    AccountId?: string;
    MessageThreadId?: string | number;
    /** Of a thread in a private chat, in Slack. */
    TransportThreadId?: string | number;
    /** The first message of the thread or of the quotations, in Feishu. */
    RootMessageId?: string;
    SessionKey?: string;
    /** The session of the chat, if a slash command has its own session. */
    CommandTargetSessionKey?: string;
    /** The same for a redelivered message. */
    MessageSid?: string;
    MessageSidFull?: string;
    /** Time of the message, in milliseconds since 1970. */
    Timestamp?: number;
    ChatType?: string;
    /** The bot's own name (Telegram). */
    BotUsername?: string;
    /** The message that this one replies to or quotes; `ReplyToQuoteText` is the part of it that was selected. */
    ReplyToBody?: string;
    ReplyToQuoteText?: string;
    /** Its id. In Slack, that of the first message of the thread. */
    ReplyToId?: string;
    /** Whether it stands in another chat (Telegram). */
    ReplyToIsExternal?: boolean;
    /** In Telegram: the chain of replies, from the message that is replied to. */
    ReplyChain?: { mediaPath?: string }[];
    /** Files of this message, then those of the messages that it replies to. */
    media?: InboundFile[];
    BodyForCommands?: string;
    RawBody?: string;
    Body?: string;
    CommandAuthorized?: boolean;
  }

  export interface ReplyDispatchEvent {
    ctx: InboundContext;
    suppressUserDelivery?: boolean;
    /** Whether the reply is sent to `OriginatingTo` without the dispatcher. */
    shouldRouteToOriginating: boolean;
    isTailDispatch?: boolean;
  }

  /** Writes a command as the user would. */
  export interface CommandAction {
    type: 'command';
    command: string;
  }

  /** Calls the plugin whose namespace precedes the colon in the value. */
  export interface CallbackAction {
    type: 'callback';
    value: string;
  }

  /** What a message offers besides its text. In LINE a `select` is a row of quick replies. */
  export interface Presentation {
    blocks: (
      | { type: 'buttons'; buttons: { label: string; action: CommandAction | CallbackAction }[] }
      | { type: 'select'; options: { label: string; action: CommandAction }[] }
    )[];
  }

  /** A press of a button of the kind `callback`, in Slack. */
  export interface Press {
    channel: string;
    accountId: string;
    conversationId: string;
    threadId?: string;
    senderId?: string;
    auth: { isAuthorizedSender: boolean };
    /** `payload` is the value without the namespace. */
    interaction: { payload: string };
  }

  export interface ReplyDispatchContext {
    cfg: Config;
    dispatcher: {
      /** @returns whether it was queued. */
      sendFinalReply(payload: { text: string; presentation?: Presentation }): boolean;
      getQueuedCounts(): Record<string, number>;
    };
    /** Records that the message is done. A session stays in work otherwise: after two minutes the gateway reports it as stuck. */
    markIdle(reason: string): void;
    recordProcessed(outcome: 'completed', more: { reason: string }): void;
    /** Aborts when the gateway abandons this message, e.g. after a command in the same chat. */
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
    /** Whether the sender owns the gateway. */
    senderIsOwner?: boolean;
    /** The agent's workspace on this machine. */
    workspaceDir?: string;
    /** Whether the agent works in a sandbox, which may not see the workspace. */
    sandboxed?: boolean;
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

  export interface Session {
    agentId?: string;
    sessionKey: string;
  }

  export interface SessionEntry {
    /** Of the transcript. */
    sessionId: string;
    /** Milliseconds since 1970. */
    updatedAt: number;
  }

  export interface PluginApi {
    rootDir?: string;
    registrationMode: string;
    pluginConfig?: Record<string, unknown>;
    logger: { info(message: string): void; warn(message: string): void };
    runtime: {
      config: { current(): Config };
      state: { resolveStateDir(): string };
      agent: {
        session: {
          getSessionEntry(session: Session): SessionEntry | undefined;
          upsertSessionEntry(change: Session & { entry: SessionEntry }): Promise<void>;
        };
      };
      system: {
        /** @returns false if the same event is already queued. */
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
      /** The channels that offer it. */
      channels?: string[];
      handler(
        context: CommandContext,
      ): Promise<{ text?: string; presentation?: Presentation; suppressReply?: boolean }>;
    }): void;
    registerInteractiveHandler(handler: {
      channel: string;
      namespace: string;
      handler(press: Press): Promise<{ handled: boolean }>;
    }): void;
    registerTool(factory: (context: ToolContext) => Tool, options: { name: string }): void;
    registerService(service: { id: string; start(): void | Promise<void>; stop?(): void | Promise<void> }): void;
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

  /** The gateway's rules for the use of commands. */
  export function resolveCommandAuthorization(question: {
    ctx: InboundContext;
    cfg: Config;
    commandAuthorized: boolean;
  }): { isAuthorizedSender: boolean };
}

declare module 'openclaw/plugin-sdk/agent-scope-runtime' {
  import type { Config } from 'openclaw/plugin-sdk/plugin-entry';

  export function listAgentIds(cfg: Config): string[];
  /** @returns `undefined` if several agents exist and none is the default. */
  export function tryResolveDefaultAgentId(cfg: Config): string | undefined;
}

declare module 'openclaw/plugin-sdk/channel-outbound' {
  import type { Config, Presentation } from 'openclaw/plugin-sdk/plugin-entry';

  /** The messages of a payload, by the channel's ids. */
  export interface Sent {
    messageId?: string;
    receipt?: { platformMessageIds: string[] };
    /** The chat, by the channel's own id. */
    target?: { id: string };
  }

  export function sendDurableMessageBatch(batch: {
    cfg: Config;
    channel: string;
    to: string;
    accountId?: string;
    threadId?: string;
    /** The message that is quoted. */
    replyToId?: string;
    payloads: { text: string; presentation?: Presentation; mediaUrl?: string }[];
    forceDocument?: boolean;
    mediaAccess?: { localRoots: string[]; readFile(path: string): Promise<Buffer> };
    /** Bypasses the gateway's outbox. */
    skipQueue?: boolean;
    /** Called when the message is handed to the channel. */
    onPlatformSendDispatch?: () => void;
  }): Promise<{
    status: 'sent' | 'suppressed' | 'partial_failed' | 'failed';
    /** One for each payload that was sent. */
    results?: Sent[];
    reason?: string;
    error?: unknown;
  }>;
}

declare module 'openclaw/plugin-sdk/gateway-runtime' {
  /** Calls a method of the running gateway, with its own token. Throws if it refuses. */
  export function callGatewayFromCli(
    method: 'message.action',
    options: { timeout: string; json: true },
    request: {
      channel: string;
      action: 'edit';
      params: { to?: string; messageId: string; message: string };
      accountId?: string;
      /** Not in the name of an agent's conversation, which may change messages of its own chat only. */
      conversationReadOrigin: 'direct-operator';
      idempotencyKey: string;
    },
  ): Promise<unknown>;
}

declare module 'openclaw/plugin-sdk/runtime-fetch' {
  /** `fetch` with the gateway's HTTP client, or with `globalThis.fetch` if that has a member `mock`. */
  export function fetchWithRuntimeDispatcherOrMockedGlobal(url: string, init: RequestInit): Promise<Response>;
}

declare module 'openclaw/plugin-sdk/session-transcript-runtime' {
  import type { Config } from 'openclaw/plugin-sdk/plugin-entry';

  /** Adds a message to what a session shows. It is not part of what the agent's model reads. */
  export function appendAssistantMirrorMessageByIdentity(message: {
    config: Config;
    agentId?: string;
    sessionKey: string;
    sessionId: string;
    text: string;
    /** A message with the same key is not added again. */
    idempotencyKey: string;
  }): Promise<{ ok: true; messageId: string } | { ok: false; reason: string }>;
}
