import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { langOf } from '../../config/early.ts';
import { NotAccepted, sendEvent } from '../../notify/delivery.ts';
import { drop, resend, undelivered, type Undelivered } from '../../notify/deliveries.ts';
import { AllowedHosts } from '../../notify/receiver.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { isoSeconds } from '../../shared/format.ts';
import { notifySecrets } from '../../stack/kept-secrets.ts';
import { checkReceiver } from '../../tasks/receiver.ts';
import { explain } from '../../text/index.ts';
import { openContext, readContext, withClient, type Context } from '../context.ts';
import { CliError } from '../exit.ts';
import { command, ending, printing } from '../options.ts';
import { sayFailure } from '../output/retrying.ts';
import { table } from '../output/table.ts';
import { fields } from '../output/terminal.ts';
import { when } from '../output/time.ts';
import type { CliText } from '../text/index.ts';

export function webhookCommand(say: CliText): Command {
  const { help } = say;
  const webhook = command('webhook', say, help.webhook, [
    'kimi-dispatch webhook test https://hooks.example.com/kimi',
    'kimi-dispatch webhook list',
    'kimi-dispatch webhook resend',
  ]).helpCommand(false);
  webhook.addCommand(
    command('secret', say, help.webhookSecret, ['kimi-dispatch webhook secret']).action(printing(secret)),
  );
  webhook.addCommand(
    command('test', say, help.webhookTest, ['kimi-dispatch webhook test https://hooks.example.com/kimi'])
      .argument('<URL>', help.webhookUrl)
      .action(ending(test)),
  );
  webhook.addCommand(
    command('list', say, help.webhookList, ['kimi-dispatch webhook list --json | jq -r .[].id'])
      .option('--json', help.json)
      .action(printing(list)),
  );
  webhook.addCommand(
    command('resend', say, help.webhookResend, ['kimi-dispatch webhook resend kimi-1707654321-12345'])
      .argument('[EVENT]', help.webhookEvents)
      .action(ending(resendGivenUp)),
  );
  webhook.addCommand(
    command('drop', say, help.webhookDrop, ['kimi-dispatch webhook drop kimi-1707654321-12345'])
      .argument('<EVENT>', help.webhookEvent)
      .action(ending(dropUndelivered)),
  );
  return webhook;
}

/** Standard output has the secret alone, during a rotation one a line. */
async function secret(): Promise<Exit> {
  const { config } = await readContext();
  console.log((await notifySecrets(config)).join('\n'));
  return EXIT.ok;
}

/** Sends a signed event without a task, and says what came back. */
async function test(url: string): Promise<Exit> {
  const context = await readContext();
  const { config, say, text } = context;
  checkReceiver(context, { notify: { url } });
  const { origin } = new URL(url);
  const body = JSON.stringify({ type: 'webhook.test', timestamp: isoSeconds(Date.now()), data: {} });
  const options = { secrets: await notifySecrets(config), allowed: new AllowedHosts(config.KIMI_NOTIFY_ALLOW) };
  const startedAt = performance.now();
  try {
    const status = await sendEvent({ url, id: `test-${randomUUID()}`, body }, options);
    console.log(say.webhook.accepted(origin, status, Math.round(performance.now() - startedAt)));
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof NotAccepted)) throw error;
    throw new CliError(EXIT.failed, say.webhook.notAccepted(explain(error, text)));
  }
}

async function list({ json }: { json?: true }): Promise<Exit> {
  const context = await openContext();
  const { say, taskQueue } = context;
  const events = await withClient(context, async (client) => await undelivered(client, taskQueue));
  if (json) console.log(JSON.stringify(events, null, 2));
  else if (events.length === 0) console.log(say.webhook.none);
  else
    console.log(
      table(
        say.webhook.columns,
        fields(events).map((event) => rowOf(event, context)),
      ),
    );
  return EXIT.ok;
}

function rowOf({ id, task_name, origin, state, since, retrying }: Undelivered, { say, text }: Context): string[] {
  const reason = retrying ? sayFailure(retrying, text) : '';
  return [id, task_name, origin, say.webhook.states[state], when(since, langOf()), reason];
}

/** @param id of one event; all that were given up if absent */
async function resendGivenUp(id?: string): Promise<Exit> {
  const context = await openContext();
  const { say, taskQueue } = context;
  return await withClient(context, async (client) => {
    const wanted = id === undefined ? await undelivered(client, taskQueue) : [{ id, state: 'given_up' }];
    const ids = wanted.filter(({ state }) => state === 'given_up').map((event) => event.id);
    const done: string[] = [];
    for (const each of ids) if (await resend(client, taskQueue, each)) done.push(each);
    if (id !== undefined && done.length === 0) throw new CliError(EXIT.unknown_task, say.webhook.notGivenUp(id));
    console.log(done.length > 0 ? say.webhook.resent(done) : say.webhook.noneGivenUp);
    return EXIT.ok;
  });
}

async function dropUndelivered(id: string): Promise<Exit> {
  const context = await openContext();
  const { say, taskQueue } = context;
  const isDropped = await withClient(context, async (client) => await drop(client, taskQueue, id));
  if (!isDropped) throw new CliError(EXIT.unknown_task, say.webhook.unknown(id));
  console.log(say.webhook.dropped(id));
  return EXIT.ok;
}
