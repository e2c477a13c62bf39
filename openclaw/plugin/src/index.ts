/** Kimi Dispatch inside OpenClaw's gateway. It keeps no tasks and starts no process of its own: it runs the command line. */
import { sendDurableMessageBatch } from 'openclaw/plugin-sdk/channel-outbound';
import { definePluginEntry } from 'openclaw/plugin-sdk/plugin-entry';
import { PLUGIN_WAKE_PATH } from '../../../src/plugin-wake.ts';
import { taskFromMessage } from '../../../src/trigger.ts';
import { answerCommand } from './chat-command.ts';
import { commandLine } from './command-line.ts';
import { dispatchFromChat } from './dispatch.ts';
import { Notes } from './notes.ts';
import { routeOfCommand, routeOfMessage } from './routes.ts';
import { toolsFor, TOOL_NAMES } from './tools.ts';
import { Teller } from './teller.ts';
import { wakeRoute } from './wake-route.ts';

/** Longer than the command line takes, whatever is out of reach. Milliseconds. */
const HOOK_TIMEOUT_MS = 30_000;

export default definePluginEntry({
  id: 'kimi-dispatch',
  name: 'Kimi Dispatch',
  description: 'Hands long jobs to Kimi from any chat and brings the reply back to it, without a model turn.',
  register(api) {
    const run = commandLine(api);
    const notes = new Notes(api.runtime.state.resolveStateDir());
    const teller = new Teller(api, notes, sendDurableMessageBatch);
    if (api.registrationMode === 'full') void notes.prune();

    api.on(
      'before_dispatch',
      async (event, context) => {
        const prompt = taskFromMessage(withoutMention(event));
        if (prompt === undefined) return undefined;
        return { handled: true, text: await dispatchFromChat(run, prompt, routeOfMessage(event, context)) };
      },
      { timeoutMs: HOOK_TIMEOUT_MS },
    );
    api.registerCommand({
      name: 'kimi',
      description: 'Kimi: PROMPT | status | list | cancel | result | usage',
      acceptsArgs: true,
      handler: async (context) => await answerCommand(run, teller, context.args ?? '', routeOfCommand(context)),
    });
    for (const name of TOOL_NAMES) api.registerTool((context) => toolsFor(run, context)[name], { name });
    api.registerHttpRoute({ path: PLUGIN_WAKE_PATH, auth: 'plugin', handler: wakeRoute(api, teller) });
  },
});

/** Where a group's bot answers to its name only, the name stands in front. */
function withoutMention({ content, isGroup }: { content: string; isGroup?: boolean }): string {
  return isGroup ? content.replace(/^\s*@\S+\s+/, '') : content;
}
