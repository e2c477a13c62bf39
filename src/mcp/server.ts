import { McpServer, type McpRequestContext } from '@modelcontextprotocol/server';
import { Channel, CHANNEL } from './channel.ts';
import type { Door } from './door.ts';
import { addResources } from './resources.ts';
import { addTasksExtension } from './tasks-extension.ts';
import { mcpText } from './text/index.ts';
import { addTools } from './tools.ts';

/** The version of the package: set by scripts/build.ts. */
declare const KIMI_DISPATCH_VERSION: string;

/** @returns the server of one connection, or of one request over HTTP. */
export function createMcpServer(door: Door, { era }: Pick<McpRequestContext, 'era'>): McpServer {
  const { channel: isChannel = false, lang } = door;
  const server = new McpServer(
    { name: 'kimi-dispatch', title: 'Kimi Dispatch', version: KIMI_DISPATCH_VERSION },
    {
      instructions: mcpText(lang).instructions(isChannel),
      capabilities: isChannel ? { experimental: CHANNEL } : {},
    },
  );
  const channel = isChannel ? new Channel(server, door) : undefined;
  addTools(server, door, ({ task_id }) => channel?.watch(task_id));
  addResources(server, door);
  if (era === 'modern') addTasksExtension(server, door);
  return server;
}
