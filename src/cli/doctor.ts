import type { Command } from 'commander';
import pico from 'picocolors';
import { request } from 'undici';
import { z } from 'zod';
import { publicAddress } from '../address.ts';
import { journalFolder } from '../config.ts';
import { SEARCH_ATTRIBUTES } from '../contract.ts';
import { countDeadLetters, deadLettersFolder } from '../dead-letters.ts';
import { callsBack } from '../kimi/models.ts';
import { engineOptions } from '../temporal.ts';
import { openContext, withClient, type Context } from './context.ts';
import { EXIT, type Exit } from '../exit.ts';
import { tildePath } from './follow.ts';
import { workersOn } from './look-up.ts';
import { command, ending } from './options.ts';
import type { CliText } from './text/index.ts';

/** One finding: a part that works, or what to do about it. */
type Finding = { ok: true; what: string } | { ok: false; what: string };

const REACH_MS = 3_000;

export function doctorCommand(say: CliText): Command {
  return command('doctor', say, say.help.doctor, ['kimi-dispatch doctor']).action(ending(doctor));
}

async function doctor(): Promise<Exit> {
  const context = await openContext();
  const { say } = context;
  const findings = [
    good(say.doctor.node(process.version)),
    good(say.doctor.config),
    await results(context),
    kimi(context),
    ...(await engine(context)),
    ...(await webhook(context)),
    ...(await deadLetters(context)),
    await gateway(context),
  ];
  for (const { ok, what } of findings) console.log(`${ok ? pico.green('✓') : pico.red('✗')} ${what}`);
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
    return good(say.doctor.results(folder));
  } catch (error) {
    return bad(say.doctor.resultsBad(folder, (error as NodeJS.ErrnoException).code ?? (error as Error).message));
  }
}

function kimi({ config, stack, say }: Context): Finding {
  if (stack?.simulated) return good(say.doctor.simulated);
  if (!(stack?.has_key ?? config.KIMI_API_KEY)) return bad(say.doctor.keyBad);
  const host = publicAddress(config.KIMI_API_URL);
  return callsBack(config.KIMI_API_URL) ? good(say.doctor.callsBack(host)) : bad(say.doctor.callsBackBad(host));
}

async function engine(context: Context): Promise<Finding[]> {
  const { say, taskQueue, engineEnv } = context;
  const { connectionOptions, namespace } = engineOptions(engineEnv);
  const address = connectionOptions.address ?? 'localhost:7233';
  try {
    return await withClient(context, async (client) => {
      const { serverVersion } = await client.workflowService.getSystemInfo({});
      const { customAttributes } = await client.connection.operatorService.listSearchAttributes({ namespace });
      const missing = Object.values(SEARCH_ATTRIBUTES).filter(({ name }) => !(name in customAttributes));
      const workers = await workersOn(client, taskQueue);
      return [
        good(say.doctor.engine(address, serverVersion)),
        missing.length === 0
          ? good(say.doctor.attributes)
          : bad(say.doctor.attributesBad(missing.map(({ name }) => name).join(', '))),
        workers > 0 ? good(say.doctor.worker(workers)) : bad(say.doctor.workerBad),
      ];
    });
  } catch {
    return [bad(say.doctor.engineBad(address))];
  }
}

/** What of the webhook's `/readyz` is looked at. Whether the journal waits is its to say: its store is not opened twice. */
const readiness = z.object({ journal: z.object({ entries: z.int() }).optional() });

async function webhook({ config, stack, say }: Context): Promise<Finding[]> {
  const url = stack?.webhook_url ?? `http://${config.WEBHOOK_HOST}:${config.WEBHOOK_PORT}`;
  const answer = readiness.safeParse(await fetchJson(`${url}/readyz`));
  if (!answer.success) return [bad(say.doctor.webhookBad(url))];
  const folder = tildePath(journalFolder(config));
  const { journal } = answer.data;
  return [
    good(say.doctor.webhook(url)),
    !journal
      ? bad(say.doctor.journalBad(folder))
      : journal.entries > 0
        ? bad(say.doctor.journalWaiting(journal.entries, folder))
        : good(say.doctor.journal),
  ];
}

async function deadLetters({ config, say }: Context): Promise<Finding[]> {
  const folder = deadLettersFolder(config.KIMI_HOME);
  const letters = await countDeadLetters(folder);
  return letters > 0 ? [bad(say.doctor.deadLetters(letters, tildePath(folder)))] : [];
}

/** Any answer will do: a GET wakes nobody. */
async function gateway({ config, stack, say }: Context): Promise<Finding> {
  const url = stack?.wake_url ?? publicAddress(config.OPENCLAW_WAKE_URL);
  return (await reach(url)) === undefined ? bad(say.doctor.gatewayBad(url)) : good(say.doctor.gateway(url));
}

/** @returns the status of a GET, or `undefined` where nothing answers. */
async function reach(url: string): Promise<number | undefined> {
  try {
    const { statusCode, body } = await request(url, {
      headersTimeout: REACH_MS,
      signal: AbortSignal.timeout(REACH_MS),
    });
    await body.dump();
    return statusCode;
  } catch {
    return undefined;
  }
}

/** @returns the JSON a GET is answered with, or `undefined` where nothing answers in JSON. */
async function fetchJson(url: string): Promise<unknown> {
  try {
    const { body } = await request(url, { headersTimeout: REACH_MS, signal: AbortSignal.timeout(REACH_MS) });
    return await body.json();
  } catch {
    return undefined;
  }
}
