import { accessSync, constants, existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import pico from 'picocolors';
import { Agent, request, type Dispatcher } from 'undici';
import * as z from 'zod';
import { httpAddress, publicAddress } from '../../service/http.ts';
import { openEnvFiles } from '../../config/secrets.ts';
import { callbackBaseUrl, journalFolder, limitsOf, pluginReply, relayUrl, wakeUrl } from '../../config/index.ts';
import { misspeltVariables } from '../../config/misspelt.ts';
import { money } from '../../shared/format.ts';
import { langOf } from '../../config/early.ts';
import { SEARCH_ATTRIBUTES } from '../../shared/names.ts';
import { sayCode } from '../../text/system-errors.ts';
import { countDeadLetters, deadLettersFolder } from '../../webhook/dead-letters.ts';
import { probeFolder, shellPath, tildePath } from '../../service/files.ts';
import { countGivenUp } from '../../notify/deliveries.ts';
import { Gateway, gatewayAgent, GatewayError, type Wake } from '../../notify/gateway.ts';
import { availableBalance, listModels } from '../../kimi/account.ts';
import { KimiError } from '../../kimi/errors.ts';
import { callsBack, currencyOf, isPriced, resolveModel, unpriced } from '../../kimi/models.ts';
import { directAgent, unreached, type Unreached } from '../../service/outbound.ts';
import { newTaskId } from '../../tasks/task-id.ts';
import type { PluginWake } from '../../notify/protocol.ts';
import { secretFile } from '../../stack/kept-secrets.ts';
import { workersOn } from '../../temporal/client.ts';
import { explain } from '../../text/index.ts';
import { serviceFindings } from '../autostart.ts';
import { damageSentence } from '../engine-damage.ts';
import { checkDisks, NEEDED_BYTES } from '../free-space.ts';
import { EngineAway, engineAddress, otherBuild, readContext, unreadKey, withClient, type Context } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { CliError } from '../exit.ts';
import { command, ending } from '../options.ts';
import { fields } from '../output/terminal.ts';
import type { CliText } from '../text/index.ts';

/** A part that works, or a problem with its remedy. */
type Finding = { ok: boolean; what: string };

const REACH_MS = 3_000;

/** Tolerated error of this machine's clock, in milliseconds: deadlines and signatures depend on it. */
const CLOCK_MS = 5_000;

export function doctorCommand(say: CliText): Command {
  return command('doctor', say, say.help.doctor, ['kimi-dispatch doctor', 'kimi-dispatch doctor --send-test'])
    .option('--send-test', say.help.sendTest)
    .action(ending(doctor));
}

async function doctor({ sendTest = false }: { sendTest?: boolean }): Promise<Exit> {
  const context = await readContext();
  const { say } = context;
  // Before any probe writes, which may create the folder again.
  const hasHome = existsSync(context.config.KIMI_HOME);
  const findings = [
    good(say.doctor.node(process.version)),
    good(say.doctor.config),
    await results(context),
    ...(await disks(context)),
    ...(await kimi(context)),
    ...(await services(context, hasHome)),
    ...database(context),
    ...(await serviceFindings(context)),
    await secret(context),
    ...envFiles(context),
    ...misspelt(context),
    ...authorities(context),
    ...(await deadLetters(context)),
    await gateway(context),
    ...(await plugin(context, sendTest)),
  ];
  for (const { ok, what } of fields(findings)) console.log(`${ok ? pico.green('✓') : pico.red('✗')} ${what}`);
  const bad = findings.filter(({ ok }) => !ok).length;
  console.log(`\n${bad === 0 ? say.doctor.ok : say.doctor.bad(bad)}`);
  return bad === 0 ? EXIT.ok : EXIT.config;
}

const good = (what: string): Finding => ({ ok: true, what });
const bad = (what: string): Finding => ({ ok: false, what });

async function results({ results: store, say }: Context): Promise<Finding> {
  const folder = tildePath(store.folder);
  try {
    await store.prepare();
    await probeFolder(store.folder);
    return good(say.doctor.results(folder));
  } catch (error) {
    return bad(say.doctor.resultsBad(folder, (error as NodeJS.ErrnoException).code ?? (error as Error).message));
  }
}

async function disks({ config, results: store, say }: Context): Promise<Finding[]> {
  const { free, problems } = await checkDisks(config, store.folder);
  if (problems.length === 0) return [good(say.doctor.disks(size(free)))];
  return problems.map(({ folders, variables, code, free: left }) => {
    const where = folders.map(tildePath).join(say.doctor.between);
    const others = variables.join(say.doctor.between);
    if (code === undefined) return bad(say.doctor.diskLow(where, size(left), size(NEEDED_BYTES), others));
    return bad(say.doctor.diskBad(where, say.doctor.diskWhy[code] ?? sayCode(code, langOf()), others));
  });
}

/** @returns `12.3 GB`, `96 MB`. */
function size(bytes: number): string {
  return bytes < 1e9 ? `${Math.floor(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

async function kimi(context: Context): Promise<Finding[]> {
  const { config, stack, relay, say, apiUrl = config.KIMI_API_URL } = context;
  const relayed = relay && engineAddress(context) !== undefined ? [await relayOf(context)] : [];
  if (stack?.simulated) return [good(say.doctor.simulated), ...relayed];
  if (!(stack?.has_key ?? config.KIMI_API_KEY))
    return [bad(say.doctor.keyBad(join(tildePath(config.KIMI_HOME), '.env')) + unreadKey(config, say))];
  const host = publicAddress(apiUrl);
  return [
    good(keyHere(context) ? say.doctor.key : say.doctor.keyElsewhere),
    relay || callsBack(apiUrl) ? good(say.doctor.callsBack(host)) : bad(say.doctor.callsBackBad(host)),
    ...relayed,
    ...(await account(context, apiUrl, host)),
  ];
}

async function relayOf({ config, stack, say }: Context): Promise<Finding> {
  const url = stack?.relay_url ?? relayUrl(config);
  return (await reach(`${url}/readyz`)) === 200 ? good(say.doctor.relay(url)) : bad(say.doctor.relayBad(url));
}

/** @returns the key of this environment, if it is for the host that tasks are sent to. */
function keyHere({ config, apiUrl }: Context): string | undefined {
  const isSame = apiUrl === undefined || publicAddress(apiUrl) === publicAddress(config.KIMI_API_URL);
  return isSame ? config.KIMI_API_KEY : undefined;
}

/** Checks model, key and balance with the key of this environment; that of the services is not visible. */
async function account(context: Context, apiUrl: string, host: string): Promise<Finding[]> {
  const { config, say, text } = context;
  const apiKey = keyHere(context);
  const [models, balance] = await Promise.all([
    listModels({ apiUrl, apiKey }),
    apiKey ? availableBalance({ apiUrl, apiKey }) : undefined,
  ]);
  const findings = [models.problem && noAnswerFrom(models.problem, host, context, say.doctor.hostBad)];
  if (apiKey && models.status === 401) findings.push(bad(say.doctor.keyRefused(host)));
  try {
    const model = resolveModel(config.KIMI_MODEL, apiUrl);
    const isServed = models.value?.includes(model) ?? true;
    findings.push(isServed ? good(say.doctor.model(model)) : bad(say.doctor.modelBad(model, host)));
    if (!isPriced(model, apiUrl) && (config.KIMI_BUDGET_PER_TASK ?? limitsOf(config).budget) !== undefined) {
      findings.push(bad(explain(unpriced(model, apiUrl), text)));
    }
  } catch (error) {
    if (!(error instanceof KimiError)) throw error;
    findings.push(bad(explain(error, text)));
  }
  if (balance?.value !== undefined) {
    const currency = currencyOf(apiUrl);
    const left = currency ? money({ amount: balance.value, currency }) : String(balance.value);
    // At 0 Kimi refuses every request (Moonshot's documentation).
    findings.push(balance.value > 0 ? good(say.doctor.balance(left)) : bad(say.doctor.balanceBad(left)));
  }
  if (models.ahead !== undefined) {
    const isRight = Math.abs(models.ahead) <= CLOCK_MS;
    findings.push(isRight ? good(say.doctor.clock) : bad(say.doctor.clockBad(Math.round(models.ahead / 1000), host)));
  }
  return findings.filter((finding) => finding !== undefined);
}

/** @returns the cause, where it is a certificate or the proxy; else that nothing answers. */
function noAnswerFrom(
  problem: Unreached,
  url: string,
  { text }: Pick<Context, 'text'>,
  noAnswer: (url: string) => string,
): Finding {
  return bad(problem.type === 'unreachable' ? noAnswer(url) : `${url}: ${explain(problem, text)}`);
}

/** Checks the services. If no stack runs from this home, a service at the default ports belongs to another one. */
async function services(context: Context, hasHome: boolean): Promise<Finding[]> {
  const { config, say } = context;
  const address = engineAddress(context);
  if (address === undefined) {
    const home = tildePath(config.KIMI_HOME);
    return [bad(say.doctor.nothingRuns(home) + (hasHome ? '' : say.noHome(home)))];
  }
  const problem = otherBuild(context);
  return [
    ...(problem === undefined ? [] : [bad(problem)]),
    ...(await engine(context, address)),
    ...(await webhook(context)),
    ...(await metrics(context)),
  ];
}

async function engine(context: Context, address: string): Promise<Finding[]> {
  const { say, taskQueue } = context;
  try {
    return await withClient(context, async (client) => {
      const { namespace } = client.options;
      const { serverVersion } = await client.workflowService.getSystemInfo({});
      const { customAttributes } = await client.connection.operatorService.listSearchAttributes({ namespace });
      const missing = Object.values(SEARCH_ATTRIBUTES).filter(({ name }) => !(name in customAttributes));
      const workers = await workersOn(client, taskQueue);
      const givenUp = await countGivenUp(client, taskQueue);
      return [
        good(say.doctor.engine(address, serverVersion)),
        missing.length === 0
          ? good(say.doctor.attributes)
          : bad(say.doctor.attributesBad(missing.map(({ name }) => name).join(', '))),
        workers > 0 ? good(say.doctor.worker(workers)) : bad(say.doctor.workerBad),
        ...(givenUp > 0 ? [bad(say.doctor.eventsGivenUp(givenUp))] : []),
      ];
    });
  } catch (error) {
    if (error instanceof CliError) return [bad(error.message)];
    return [bad(error instanceof EngineAway ? say.doctor.engineAway(address) : say.doctor.engineBad(address))];
  }
}

/** Of the embedded engine, whether it runs or not. */
function database({ config, stack, elsewhere, say }: Context): Finding[] {
  const isEmbedded = stack?.embedded ?? !elsewhere;
  const damage = isEmbedded ? damageSentence(config.KIMI_HOME, say) : undefined;
  return damage === undefined ? [] : [bad(damage)];
}

/** Secrets in `.env` files that other users can read. */
function envFiles({ say }: Context): Finding[] {
  return openEnvFiles().map((file) => bad(say.doctor.envOpen(shellPath(file))));
}

/** Misspelt variables. */
function misspelt({ say }: Context): Finding[] {
  return misspeltVariables().map((variable) => bad(say.misspelt(variable)));
}

/** A file of authorities that cannot be read: Node goes on without them. */
function authorities({ say }: Context): Finding[] {
  const file = process.env['NODE_EXTRA_CA_CERTS'];
  if (!file) return [];
  try {
    accessSync(file, constants.R_OK);
    return [];
  } catch (error) {
    return [bad(say.doctor.authoritiesBad(tildePath(file), (error as NodeJS.ErrnoException).code ?? ''))];
  }
}

/** Checks that the secret exists and that no other user can read it: with it, callbacks can be forged. */
async function secret({ config, say }: Context): Promise<Finding> {
  if (config.WEBHOOK_SECRET) return good(say.doctor.secret);
  const path = secretFile(config.KIMI_HOME);
  const file = await stat(path).catch(() => undefined);
  if (!file) return good(say.doctor.secretNone);
  const isOpen = (file.mode & 0o077) !== 0;
  return isOpen ? bad(say.doctor.secretOpen(shellPath(path))) : good(say.doctor.secretKept(tildePath(path)));
}

/** The relevant members of the webhook's `/readyz`. The journal itself is open in the webhook. */
const readiness = z.object({
  journal: z
    .object({
      entries: z.int(),
      full: z.boolean().optional(),
      disk_full: z.boolean().optional(),
      set_aside: z.int().optional(),
    })
    .optional(),
});

function journalFinding(journal: z.infer<typeof readiness>['journal'], folder: string, say: CliText): Finding {
  const { doctor } = say;
  if (!journal) return bad(doctor.journalBad(folder));
  if (journal.disk_full) return bad(doctor.journalDiskFull(folder));
  if (journal.full) return bad(doctor.journalFull(journal.entries, folder));
  return journal.entries > 0 ? bad(doctor.journalWaiting(journal.entries, folder)) : good(doctor.journal);
}

async function webhook(context: Context): Promise<Finding[]> {
  const { config, stack, say } = context;
  const url = stack?.webhook_url ?? httpAddress(config.WEBHOOK_HOST, config.WEBHOOK_PORT);
  const answer = readiness.safeParse(await fetchJson(`${url}/readyz`));
  if (!answer.success) return [bad(say.doctor.webhookBad(url))];
  const folder = tildePath(journalFolder(config));
  const { journal } = answer.data;
  return [
    good(say.doctor.webhook(url)),
    await callbacks(context),
    journalFinding(journal, folder, say),
    ...(journal?.set_aside ? [bad(say.doctor.journalSetAside(journal.set_aside, folder))] : []),
  ];
}

/** Any response proves the address. Relay and simulated Kimi resolve `localhost` themselves; others use the resolver. */
async function callbacks(context: Context): Promise<Finding> {
  const { config, stack, relay, say } = context;
  const url = stack?.callback_base_url ?? publicAddress(callbackBaseUrl(config));
  const isOurs = relay || stack?.simulated === true;
  const reached = await reach(url, isOurs ? undefined : new Agent());
  return typeof reached === 'number'
    ? good(say.doctor.callbacks(url))
    : noAnswerFrom(reached, url, context, say.doctor.callbacksBad);
}

/** Checks the metrics of services that `up` started. */
async function metrics({ stack, say }: Context): Promise<Finding[]> {
  return await Promise.all(
    Object.entries(stack?.metrics_urls ?? {}).map(async ([name, url]) =>
      (await reach(url)) === 200 ? good(say.doctor.metrics(name, url)) : bad(say.doctor.metricsBad(name, url)),
    ),
  );
}

async function deadLetters({ config, say }: Context): Promise<Finding[]> {
  const folder = deadLettersFolder(config.KIMI_HOME);
  const letters = await countDeadLetters(folder);
  return letters > 0 ? [bad(say.doctor.deadLetters(letters, tildePath(folder)))] : [];
}

/** Any response proves the address; a GET wakes no agent. */
async function gateway(context: Context): Promise<Finding> {
  const { config, stack, say } = context;
  const url = stack?.wake_url ?? publicAddress(config.OPENCLAW_WAKE_URL);
  const reached = await reach(url, gatewayAgent(url));
  return typeof reached === 'number'
    ? good(say.doctor.gateway(url))
    : noAnswerFrom(reached, url, context, say.doctor.gatewayBad);
}

/**
 * Checks the gateway's plugin and the token with an invalid wake, which the plugin refuses without a message.
 *
 * @param sendTest sends a test message to the gateway's owner
 */
async function plugin({ config, say, text }: Context, sendTest: boolean): Promise<Finding[]> {
  if (!pluginReply(config)) return sendTest ? [bad(say.doctor.noTest)] : [];
  const url = wakeUrl(config);
  const address = publicAddress(url);
  const route = new Gateway({ wakeUrl: url, token: config.OPENCLAW_WAKE_TOKEN });
  const failure = async (wake: Wake | PluginWake, key: string): Promise<GatewayError | undefined> => {
    try {
      await route.wake(wake, key);
      return undefined;
    } catch (error) {
      if (error instanceof GatewayError) return error;
      throw error;
    }
  };
  const refused = await failure({ text: '', mode: 'now' }, '');
  if (refused?.type === 'unauthorized') return [bad(say.doctor.pluginToken(address))];
  if (refused?.type !== 'http_400') return [bad(say.doctor.pluginNone(address))];
  const findings = [good(say.doctor.plugin(address))];
  if (!sendTest) return findings;
  const task_id = newTaskId();
  const unsent = await failure(
    {
      text: say.doctor.testMessage,
      mode: 'now',
      task: { task_id, task_name: 'doctor', status: 'done' },
      reply: 'deliver',
      message: say.doctor.testMessage,
      maybe_repeated: say.doctor.testMessage,
      rest: say.doctor.testMessage,
    },
    task_id,
  );
  return [...findings, unsent ? bad(say.doctor.testFailed(explain(unsent, text))) : good(say.doctor.testSent)];
}

/** @returns the status of a GET, or why there is none. */
async function reach(url: string, dispatcher: Dispatcher = directAgent()): Promise<number | Unreached> {
  try {
    const { statusCode, body } = await request(url, {
      dispatcher,
      headersTimeout: REACH_MS,
      signal: AbortSignal.timeout(REACH_MS),
    });
    await body.dump();
    return statusCode;
  } catch (error) {
    return unreached(error);
  }
}

/** @returns the JSON body of a GET; `undefined` without one. */
async function fetchJson(url: string): Promise<unknown> {
  try {
    const { body } = await request(url, {
      dispatcher: directAgent(),
      headersTimeout: REACH_MS,
      signal: AbortSignal.timeout(REACH_MS),
    });
    return await body.json();
  } catch {
    return undefined;
  }
}
