import { sayCause } from '../../../text/system-errors.ts';
import type { CliText } from '../zh-TW/index.ts';

/** Findings of `doctor`. */
export const doctor: CliText['doctor'] = {
  ok: 'Everything works.',
  bad: (n) => `${n} ${n === 1 ? 'thing needs' : 'things need'} attention.`,
  node: (version) => `Node ${version}`,
  config: 'the configuration is valid',
  results: (folder) => `the results folder is writable: ${folder}`,
  resultsBad: (folder, why) =>
    `cannot write to the results folder ${folder} (${sayCause(why, 'en')}); choose another with KIMI_RESULTS_DIR`,
  between: ', ',
  disks: (free) => `the disks are writable: at least ${free} free`,
  diskBad: (folders, why, variables) =>
    `cannot write to ${folders}: ${why}; fix it, or choose another folder with ${variables}`,
  diskWhy: {
    ENOSPC: 'the disk is full, so tasks fail; free some space on it',
    EDQUOT: 'your quota on the disk is used up, so tasks fail; free some space in it',
    EROFS: 'the disk is mounted read-only',
    EACCES: 'no permission to write',
  },
  diskLow: (folders, free, needed, variables) =>
    `the disk of ${folders} has ${free} left, and a large answer can take ${needed} while it is processed; free some space, or choose another folder with ${variables}`,
  engine: (address, version) => `Temporal ${version}: ${address}`,
  nothingRuns: (home) =>
    `no services run from ${home}; run kimi-dispatch up --detach, or set TEMPORAL_ADDRESS to use another Temporal server`,
  engineAway: (address) =>
    `the Temporal server of the running services at ${address} does not answer; try again soon, and see kimi-dispatch logs temporal if that does not help`,
  engineBad: (address) => `no Temporal server at ${address}; run kimi-dispatch up --detach`,
  attributes: 'the search attributes are registered',
  attributesBad: (names) => `the search attributes ${names} are missing; starting a worker registers them`,
  worker: (n) => `workers online: ${n}`,
  workerBad: 'no worker is online; run kimi-dispatch up --detach',
  webhook: (url) => `the webhook is online: ${url}`,
  webhookBad: (url) => `the webhook does not answer: ${url}; run kimi-dispatch up --detach`,
  callbacks: (url) => `callbacks reach ${url}`,
  callbacksBad: (url) =>
    `callbacks cannot reach ${url}, which does not answer; set KIMI_CALLBACK_BASE_URL to the address of the webhook, e.g. http://127.0.0.1:9001`,
  journal: 'no callback waits for the engine',
  journalWaiting: (n, folder) =>
    `callbacks that wait for the engine: ${n} (${folder}); they are delivered when it is back; kimi-dispatch up --detach starts it`,
  journalFull: (n, folder) =>
    `the callback journal ${folder} is full (${n} wait for the engine), so no more are accepted while it is down; start the engine, or raise KIMI_JOURNAL_MAX_BYTES`,
  journalDiskFull: (folder) =>
    `the disk of the callback journal ${folder} has no room for a callback, so callbacks may be refused; free some space, or choose another folder with KIMI_JOURNAL_DIR`,
  journalBad: (folder) =>
    `cannot write to the callback journal ${folder}, so no callback is accepted while the engine is down; free space on its disk, or choose another folder with KIMI_JOURNAL_DIR`,
  journalSetAside: (n, folder) =>
    `damaged callback journals that were set aside: ${n} (damaged-… in ${folder}); the readable callbacks were delivered, others may be lost: ask the provider to send them again, then remove the folder`,
  deadLetters: (n, folder) =>
    `accepted callbacks without a task: ${n} (${folder}); the files contain the reasons and the answers; remove them after reading`,
  eventsGivenUp: (n) =>
    `events that no receiver accepted: ${n}; kimi-dispatch webhook list says why, and kimi-dispatch webhook resend sends them again`,
  secret: 'WEBHOOK_SECRET is set',
  secretNone: 'there is no WEBHOOK_SECRET; kimi-dispatch up creates one at its first start',
  envOpen: (file) => `a file with a secret is readable by other users; run chmod 600 ${file}`,
  secretKept: (file) => `only you can read the webhook’s secret: ${file}`,
  secretOpen: (file) =>
    `the webhook’s secret is readable by other users; run chmod 600 ${file}, or set a new WEBHOOK_SECRET`,
  key: 'KIMI_API_KEY is set',
  keyElsewhere:
    'the running services have a KIMI_API_KEY; there is none for their host here, so balance and models were not checked',
  keyRefused: (host) =>
    `${host} does not accept this KIMI_API_KEY; correct it, and check that it belongs to this host: keys of api.moonshot.cn and api.moonshot.ai differ`,
  authoritiesBad: (file, code) =>
    `NODE_EXTRA_CA_CERTS: cannot read ${file} (${sayCause(code, 'en')}), so its authorities are not trusted; correct the path`,
  hostBad: (host) => `${host} does not answer; check the network and KIMI_API_URL`,
  model: (model) => `model: ${model}`,
  modelBad: (model, host) =>
    `${host} has no model ${model} now; see kimi-dispatch models, and set KIMI_MODEL to one of them`,
  balance: (left) => `balance: ${left}`,
  balanceBad: (left) => `the balance is used up (${left}), so Kimi accepts no task; top it up`,
  clock: 'the clock is right',
  clockBad: (seconds, host) =>
    `this machine’s clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} ${host}; set it, or deadlines and signatures go wrong`,
  keyBad: (file) => `there is no KIMI_API_KEY; set it in ${file} or in the environment, or use --simulate`,
  simulated: 'the simulated Kimi is used',
  callsBack: (host) => `Kimi API: ${host}`,
  callsBackBad: (host) =>
    `${host} never calls back; set KIMI_CALLBACKS=relay, or point KIMI_API_URL to an API that calls back`,
  relay: (url) => `the relay is online: ${url}`,
  relayBad: (url) => `the relay does not answer: ${url}; run kimi-dispatch up --detach`,
  metrics: (name, url) => `metrics of ${name}: ${url}`,
  metricsBad: (name, url) => `the metrics of ${name} do not answer: ${url}; see kimi-dispatch logs ${name}`,
  gateway: (url) => `the OpenClaw gateway answers: ${url}`,
  plugin: (url) => `the gateway’s plugin answers and accepts our token: ${url}`,
  pluginToken: (url) =>
    `the gateway’s plugin does not accept our token: ${url}; set OPENCLAW_WAKE_TOKEN to hooks.token`,
  pluginNone: (url) =>
    `the gateway’s plugin does not answer: ${url}; run kimi-dispatch setup openclaw, then openclaw gateway restart`,
  noTest: 'no test message was sent, since it needs the plugin and KIMI_REPLY is neither deliver nor agent',
  testMessage: 'Kimi Dispatch: the test message has arrived.',
  testSent: 'a test message was sent to the gateway’s owner',
  testFailed: (why) => `the test message did not reach the gateway’s owner: ${why}`,
  gatewayBad: (url) => `the OpenClaw gateway does not answer: ${url}; start OpenClaw, or correct OPENCLAW_WAKE_URL`,
};
