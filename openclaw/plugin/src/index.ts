/** Kimi Dispatch inside OpenClaw's gateway. It has no state of tasks: it runs the command line. */
import { listAgentIds, tryResolveDefaultAgentId } from 'openclaw/plugin-sdk/agent-scope-runtime';
import { sendDurableMessageBatch } from 'openclaw/plugin-sdk/channel-outbound';
import { resolveCommandAuthorization } from 'openclaw/plugin-sdk/command-auth';
import { callGatewayFromCli } from 'openclaw/plugin-sdk/gateway-runtime';
import { definePluginEntry, type Config, type InboundContext } from 'openclaw/plugin-sdk/plugin-entry';
import { fetchWithRuntimeDispatcherOrMockedGlobal } from 'openclaw/plugin-sdk/runtime-fetch';
import { appendAssistantMirrorMessageByIdentity } from 'openclaw/plugin-sdk/session-transcript-runtime';
import { PLUGIN_WAKE_PATH } from '../../../src/notify/protocol.ts';
import { Answers } from './answers.ts';
import { messageOf, PRESSED, pressHandler } from './buttons.ts';
import { answerCommand } from './chat-command.ts';
import { commandLine } from './command-line.ts';
import { mediaFolder } from './files.ts';
import { DESCRIPTION } from './help.ts';
import { messageHook } from './messages.ts';
import { Notes } from './notes.ts';
import { editIn, ProgressLines } from './progress.ts';
import { chatOfCommand } from './routes.ts';
import { startServices } from './start-services.ts';
import { toolsFor, TOOL_NAMES } from './tools.ts';
import { Notifier, type Sdk } from './notifier.ts';
import { wakeRoute } from './wake-route.ts';

/** Longer than the command line takes with every service unreachable. Milliseconds. */
const HOOK_TIMEOUT_MS = 30_000;

/**
 * Channels in which `/kimi` is a native slash command. Not Telegram, whose commands bypass the message hook and are redelivered
 * when their reply fails: there, and in all other channels, `/kimi …` is a message.
 */
const COMMAND_CHANNELS = ['discord', 'slack', 'webchat'];

const SDK: Sdk = {
  listAgentIds,
  tryResolveDefaultAgentId,
  toChannel: sendDurableMessageBatch,
  toPage: appendAssistantMirrorMessageByIdentity,
  // LINE's own channel uses the same one: it goes through the proxy of `HTTPS_PROXY`.
  fetch: fetchWithRuntimeDispatcherOrMockedGlobal,
};

export default definePluginEntry({
  id: 'kimi-dispatch',
  name: 'Kimi Dispatch',
  description: 'Hands long jobs to Kimi from any chat and brings the reply back to it, without a model turn.',
  register(api) {
    const run = commandLine(api);
    const stateDir = api.runtime.state.resolveStateDir();
    const media = mediaFolder(stateDir);
    const notes = new Notes(stateDir);
    const answers = new Answers(stateDir);
    const notifier = new Notifier(api, notes, SDK, answers);
    if (api.registrationMode === 'full') void notes.prune();
    const edit = editIn(callGatewayFromCli);
    const progress = new ProgressLines(
      run,
      { post: async (chat, text) => await notifier.post(chat, { text }), edit },
      stateDir,
    );
    api.registerService({
      id: 'kimi-dispatch-progress',
      start: () => progress.resume(),
      stop: () => progress.stop(),
    });

    const { logger } = api;
    api.on('reply_dispatch', messageHook({ run, notifier, progress, answers, media, isAuthorized, logger }), {
      timeoutMs: HOOK_TIMEOUT_MS,
    });
    api.registerCommand({
      name: 'kimi',
      description: DESCRIPTION,
      acceptsArgs: true,
      channels: COMMAND_CHANNELS,
      handler: async (context) => {
        const asker = { chat: chatOfCommand(context), isAuthorized: true };
        const said = await answerCommand(run, notifier, context.args ?? '', asker);
        if (said?.task_id && typeof asker.chat !== 'string') progress.follow(said.task_id, asker.chat);
        return said ? messageOf(said, context.channel, asker.chat) : { suppressReply: true };
      },
    });
    api.registerInteractiveHandler({
      channel: 'slack',
      namespace: PRESSED,
      handler: pressHandler(
        async (args, asker) => await answerCommand(run, notifier, args, asker),
        async (chat, said) => {
          if (said.task_id) progress.follow(said.task_id, chat);
          await notifier.post(chat, said);
        },
      ),
    });
    startServices(api);
    for (const name of TOOL_NAMES) api.registerTool((context) => toolsFor(run, context, media)[name], { name });
    api.registerHttpRoute({ path: PLUGIN_WAKE_PATH, auth: 'plugin', handler: wakeRoute(api, notifier, progress) });
  },
});

function isAuthorized(ctx: InboundContext, cfg: Config): boolean {
  const commandAuthorized = ctx.CommandAuthorized === true;
  return resolveCommandAuthorization({ ctx, cfg, commandAuthorized }).isAuthorizedSender;
}
