/** Kimi Dispatch inside OpenClaw's gateway. It keeps no tasks and starts no process of its own: it runs the command line. */
import { sendDurableMessageBatch } from 'openclaw/plugin-sdk/channel-outbound';
import { resolveCommandAuthorization } from 'openclaw/plugin-sdk/command-auth';
import { definePluginEntry, type Config, type InboundContext } from 'openclaw/plugin-sdk/plugin-entry';
import { PLUGIN_WAKE_PATH } from '../../../src/notify/protocol.ts';
import { answerCommand } from './chat-command.ts';
import { commandLine } from './command-line.ts';
import { messageHook } from './messages.ts';
import { Notes } from './notes.ts';
import { chatOfCommand } from './routes.ts';
import { asData } from './safe-text.ts';
import { toolsFor, TOOL_NAMES } from './tools.ts';
import { Teller } from './teller.ts';
import { wakeRoute } from './wake-route.ts';

/** Longer than the command line takes, whatever is out of reach. Milliseconds. */
const HOOK_TIMEOUT_MS = 30_000;

/**
 * Where `/kimi` is a slash command of the channel's own. Not in Telegram, whose commands come past the message hook and come
 * again when their reply cannot be sent: there, and everywhere else, `/kimi …` is a message.
 */
const COMMAND_CHANNELS = ['discord', 'slack', 'webchat'];

export default definePluginEntry({
  id: 'kimi-dispatch',
  name: 'Kimi Dispatch',
  description: 'Hands long jobs to Kimi from any chat and brings the reply back to it, without a model turn.',
  register(api) {
    const run = commandLine(api);
    const notes = new Notes(api.runtime.state.resolveStateDir());
    const teller = new Teller(api, notes, sendDurableMessageBatch);
    if (api.registrationMode === 'full') void notes.prune();

    api.on('reply_dispatch', messageHook({ run, teller, isAuthorized, logger: api.logger }), {
      timeoutMs: HOOK_TIMEOUT_MS,
    });
    api.registerCommand({
      name: 'kimi',
      description: 'Kimi: PROMPT | status | list | cancel | result | usage',
      acceptsArgs: true,
      channels: COMMAND_CHANNELS,
      handler: async (context) => {
        const asker = { chat: chatOfCommand(context), isAuthorized: true };
        const text = await answerCommand(run, teller, context.args ?? '', asker);
        return text === undefined ? { suppressReply: true } : { text: asData(text) };
      },
    });
    for (const name of TOOL_NAMES) api.registerTool((context) => toolsFor(run, context)[name], { name });
    api.registerHttpRoute({ path: PLUGIN_WAKE_PATH, auth: 'plugin', handler: wakeRoute(api, teller) });
  },
});

function isAuthorized(ctx: InboundContext, cfg: Config): boolean {
  const commandAuthorized = ctx.CommandAuthorized === true;
  return resolveCommandAuthorization({ ctx, cfg, commandAuthorized }).isAuthorizedSender;
}
