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

  export interface BeforeDispatchEvent {
    /** The same where the gateway handles a message again that it was killed over. */
    messageId?: string;
    /** When it was written, in milliseconds since 1970. */
    timestamp?: number;
    content: string;
    channel?: string;
    sessionKey?: string;
    isGroup?: boolean;
  }

  export interface BeforeDispatchContext {
    channelId?: string;
    accountId?: string;
    conversationId?: string;
    senderId?: string;
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
      hook: 'before_dispatch',
      handler: (
        event: BeforeDispatchEvent,
        context: BeforeDispatchContext,
      ) => Promise<{ handled: boolean; text?: string } | undefined>,
      options?: { timeoutMs?: number },
    ): void;
    registerCommand(command: {
      name: string;
      description: string;
      acceptsArgs: boolean;
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
