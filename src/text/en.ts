import type { BudgetPause } from '../shared/budget.ts';
import { field, fileNote, money } from '../shared/format.ts';
import type { MapCounts } from '../shared/map.ts';
import type { Rounds, ToolCalls } from '../shared/relay.ts';
import { dueTime, zoneName } from '../shared/schedule.ts';
import type { Text } from './zh-TW.ts';
import { sayDetail } from './error-details.ts';

const SUFFIX: Partial<Record<Intl.LDMLPluralRule, string>> = { one: 'st', two: 'nd', few: 'rd' };

function ordinal(n: number): string {
  return `${n}${SUFFIX[new Intl.PluralRules('en', { type: 'ordinal' }).select(n)] ?? 'th'}`;
}

function about(ms: number): string {
  return ms < 60_000 ? `about ${Math.ceil(ms / 1000)} s` : `about ${Math.ceil(ms / 60_000)} min`;
}

function rows({ rows: all, done, failed, timed_out, cancelled }: MapCounts): string {
  return [
    `${done} of ${all} done`,
    failed > 0 && `${failed} failed`,
    timed_out > 0 && `${timed_out} timed out`,
    cancelled > 0 && `${cancelled} cancelled`,
  ]
    .filter((part) => part !== false)
    .join(', ');
}

function counted(count: number | undefined, one: string, many: string): string | undefined {
  return count ? `${count} ${count === 1 ? one : many}` : undefined;
}

function calls({ search, fetch, code, excel }: ToolCalls): string {
  const parts = [
    counted(search, 'search', 'searches'),
    counted(fetch, 'page', 'pages'),
    counted(code, 'run of code', 'runs of code'),
    counted(excel, 'table', 'tables'),
  ];
  return parts.filter(Boolean).join(', ');
}

function rounds({ round, calls: made, cost }: Rounds): string {
  return `round ${round}: ${calls(made)}${cost ? `, ${money(cost)} so far` : ''}`;
}

const BUDGET_OF: Record<BudgetPause['of'], string> = {
  day: 'today’s budget',
  chat: 'the budget of this chat for today',
  task: 'the budget of the task',
};

function overBudget({ of, currency, budget, needs, spent, reserved = 0 }: BudgetPause): string {
  const say = (amount: number): string => money({ amount, currency });
  const used = [spent > 0 && `${say(spent)} is spent`, reserved > 0 && `running tasks may cost ${say(reserved)}`]
    .filter((part) => part !== false)
    .join(', ');
  return `${BUDGET_OF[of]} is ${say(budget)}${used && `, ${used}`}; this task may cost up to ${say(needs)}`;
}

function resumesAt({ until, timezone, waits }: BudgetPause, now: number): string | undefined {
  if (waits) return 'it goes on by itself if the others cost less';
  return until && timezone && `it goes on by itself on ${dueTime(until, timezone, 'en', now)}`;
}

export const en: Text = {
  state: {
    queued: 'queued',
    paused: 'paused for the budget',
    dispatching: 'dispatching',
    dispatched: 'waiting',
    done: 'done',
    failed: 'failed',
    timed_out: 'timed out',
    cancelled: 'cancelled',
  },
  step: {
    queued: 'waiting in the queue',
    paused: 'over the budget, waiting to be allowed',
    dispatching: 'sending it to Kimi',
    waiting: 'waiting for Kimi to call back',
    saving: 'saving the result',
    waking: 'waking the agent',
    acknowledging: 'marking it as acknowledged',
    awaiting_acknowledgement: 'waiting for the agent to acknowledge',
    awaiting_late_answer: 'a late answer is still accepted',
    closed: 'closed',
  },
  activity: {
    dispatch: (task) => `Send to Kimi (${task.model})`,
    recordPending: 'Record the pending task',
    persist: (status) => `Save the result: ${status}`,
    wake: 'Wake the agent',
    acknowledge: 'Mark as acknowledged',
    verifyCallback: 'Verify the callback’s proof',
    mostCost: 'Estimate the highest cost',
    ask: 'Tell the user that the budget is not enough',
    startRows: (count) => `Start ${count} ${count === 1 ? 'row' : 'rows'}`,
    makeBatch: 'Give the rows to Kimi as a batch',
    answersOfBatch: (count) => `Wait for Kimi’s answers to ${count} ${count === 1 ? 'row' : 'rows'} in a batch`,
    saveMap: 'Save the result',
  },
  timer: {
    deadline: (ms) => `Wait for the callback, at most ${ms / 1000} s`,
    grace: (ms) => `Wait for a late answer, at most ${ms / 3_600_000} h`,
  },
  wake: {
    done: (name, id) => `Kimi task done: ${name} (${id})`,
    failed: (name, id) => `Kimi task failed: ${name} (${id})`,
    timed_out: (name, id) => `Kimi task timed out: ${name} (${id})`,
    cancelled: (name, id) => `Kimi task cancelled: ${name} (${id})`,
  },
  wakeOfMap: (name, id, counts) => `Kimi task ended: ${name} (${id}), ${rows(counts)}`,
  rows,
  error: {
    timedOut: (ms) => `Kimi did not call back within ${ms / 1000} s`,
    cancelled: 'the task was cancelled',
    queueFull: (limit) =>
      `${limit} tasks are waiting already, so this one was refused and nothing was sent; dispatch it again later, or raise the limit with kimi-dispatch limits --queue`,
    resultLost:
      'the result file was removed or damaged before it was acknowledged, and could not be written again; the agent had been woken for it',
    notAcknowledged:
      'the agent was woken several times and has not acknowledged; kimi-dispatch inbox lists what it has not seen',
  },
  stream: ({ phase, tokens, repeats, rounds: sofar }) =>
    ({
      batch: 'Kimi has the batch, and answers within a day',
      using_tools: 'Kimi uses its tools',
      reading: 'Kimi reads the attached files',
      waiting: 'waiting for Kimi to begin',
      reasoning: `Kimi is thinking, about ${tokens} tokens so far`,
      answering: `Kimi is answering, about ${tokens} tokens so far`,
    })[phase] +
    (repeats ? '; it keeps repeating the same text' : '') +
    (sofar ? `; ${rounds(sofar)}` : ''),
  rounds,
  calls,
  queuePosition: ({ place, expected_wait_ms }) =>
    `${ordinal(place)}${expected_wait_ms === undefined ? '' : `, in ${about(expected_wait_ms)}`}`,
  budget: {
    pause: (pause, now) => [overBudget(pause), resumesAt(pause, now)].filter((part) => part).join('; '),
    ask: (name, id, pause, isChat, now) => {
      const why = overBudget(pause);
      const otherwise = resumesAt(pause, now);
      return [
        `⏸️ Kimi task paused, nothing was sent: ${name}`,
        `${why.charAt(0).toUpperCase()}${why.slice(1)}.`,
        `To send it nevertheless: ${isChat ? '/kimi' : 'kimi-dispatch'} allow ${id}${otherwise ? `; otherwise ${otherwise}` : ''}`,
      ].join('\n');
    },
    balance: (left) => `Balance of the account: ${left}`,
  },
  detail: (detail) => sayDetail(detail, 'en'),
  withDetail: (sentence, detail) => `${sentence} (${detail})`,
  quotesMessages: true,
  reasons: {
    cancelled: 'the task was cancelled',
    rows_failed: 'some rows have no answer; kimi-dispatch retry --failed dispatches only those again',
    rows_gone: 'the stored rows can no longer be read, so the rest was not dispatched; dispatch it again from the file',
    row_lost: 'the row has no result: its task was ended in the engine, or another task has its id',
    not_started: 'the row was not dispatched yet',
    result_gone: 'the result file of the row was removed or is damaged',
    no_api_key: 'KIMI_API_KEY is missing where the tasks are sent; set it and dispatch again',
    no_relay_token: 'the worker has no KIMI_RELAY_TOKEN; set it to the relay’s and dispatch again',
    bad_relay_token: 'the relay rejected the worker’s token; set the same KIMI_RELAY_TOKEN for both',
    foreign_callback_url:
      'the relay calls back one webhook only; set the same KIMI_CALLBACK_BASE_URL for relay and worker',
    no_callback_provider:
      'this API never calls back, so nothing was sent; set KIMI_CALLBACKS=relay, or point KIMI_API_URL to one that does',
    interrupted:
      'the answer was interrupted; the part that was received, if any, is in the result file as partial_output',
    unreadable_answer:
      'Kimi’s answer has an unknown format, so it is incomplete; the readable part is kept. Report it, or use another host',
    unfinished_answer:
      'Kimi stopped before its answer was complete; the part that was received is kept. Dispatch it again, or rephrase it',
    tool_calls:
      'Kimi called a tool instead of answering; the part that was received is kept. Dispatch it again, or rephrase it',
    too_many_calls: 'Kimi kept using its tools instead of answering, and was stopped; dispatch a narrower question',
    no_batch: 'this cannot be sent as a batch, so nothing was sent',
    batch_expired: 'Kimi did not answer the batch within a day; dispatch it again, or without --batch',
    batch_failed: 'Kimi did not answer the batch; dispatch it again, or without --batch',
    no_functions: 'functions cannot be used here, so nothing was sent',
    no_tools: 'these tools cannot be used here, so nothing was sent',
    no_tool: 'Moonshot does not offer this tool, so nothing was sent',
    repetition:
      'Kimi repeated itself and was stopped; the part that was received is kept. Rephrase it, or use another model',
    empty_answer: 'Kimi’s answer is empty; dispatch it again, or rephrase it',
    unreachable: 'unreachable; nothing was sent',
    no_response: 'no answer; the receiver may have received the event',
    gateway_unreachable: 'the OpenClaw gateway cannot be reached',
    relay_unreachable: 'the relay cannot be reached; nothing was sent',
    relay_unavailable: 'the relay’s engine accepts no tasks now; try again later',
    relay_error: 'the relay met an unexpected error; its log has details (kimi-dispatch logs relay)',
    invalid_argument: 'the key has characters that fit no header, so nothing was sent; correct KIMI_API_KEY',
    no_api_id:
      'Kimi’s response has no id, so it is unknown whether it accepted the task; it was not sent again, to avoid paying twice',
    no_answer: 'Kimi’s response is no answer; check KIMI_API_URL',
    stalled: 'Kimi’s stream stopped; the part that was received is kept',
    answer_too_long: 'the answer is too long and was stopped; the part that was received is kept',
    stream_error:
      'Kimi reported an error in its answer; the part that was received, if any, is in the result file as partial_output',
    file_error: 'a file in the results folder cannot be used',
    certificate_untrusted:
      'this machine does not trust the host’s certificate, so nothing was sent; set NODE_EXTRA_CA_CERTS to the file of the authority that signed it (in an office often that of the proxy), then restart with kimi-dispatch down and up',
    certificate_expired:
      'the host’s certificate is not valid today, so nothing was sent; check this machine’s clock, and if it is right, ask the host’s operator to renew it',
    certificate_of_another_host:
      'the certificate belongs to another host, so nothing was sent; correct the host’s address, or ask who runs the proxy in between',
    proxy_failed:
      'the proxy did not open a connection to the host, so nothing was sent; correct HTTPS_PROXY (with user name and password where the proxy wants them), or name the host in NO_PROXY',
    outcome_unknown:
      'the connection broke after the request was sent, so it is unknown whether Kimi received it; it was not sent again, to avoid paying twice',
    unauthorized: 'the gateway refused the token; correct OPENCLAW_WAKE_TOKEN',
    retired_model: 'this model is retired, so nothing was sent; use its successor',
    bad_parameter: 'the model does not support this option, so nothing was sent',
    prompt_too_long: 'the prompt is too long for the model, so nothing was sent',
    content_filter: 'Kimi’s content filter rejected the prompt or the answer; rephrase it and dispatch again',
    invalid_authentication_error:
      'Kimi does not accept the key; check KIMI_API_KEY, and that it belongs to this host: keys of api.moonshot.cn and api.moonshot.ai are not the same',
    incorrect_api_key_error: 'Kimi does not recognize the key; correct KIMI_API_KEY and dispatch again',
    permission_denied_error: 'the key lacks this permission; check the account’s permissions, or use another key',
    resource_not_found_error:
      'the model does not exist, or the key has no access to it; kimi-dispatch models lists the available ones',
    exceeded_current_quota_error: 'the account has no quota left; top it up and dispatch again',
    no_chat: 'no chat asked for this task and the gateway names no owner; set commands.ownerAllowFrom',
    no_agent:
      'the gateway does not have this agent, so no agent was notified; check agents.list, or use KIMI_REPLY=deliver',
    refused: 'the chat’s channel refused this message for good; the result is in kimi-dispatch inbox',
    no_plugin:
      'the plugin does not answer at this address; load it in the gateway (kimi-dispatch setup openclaw) or correct OPENCLAW_WAKE_URL',
    not_found: 'the gateway has nothing at this address; enable hooks in it or correct OPENCLAW_WAKE_URL',
  },
  summary: (task) => `${task.task_name} · ${task.model}`,
  files: (files) => files.map(fileNote).join(', '),
  prompt: 'Prompt',
  schedule: {
    summary: (name) => `Schedule: ${name}`,
    at: (time, timezone, now) => dueTime(time, timezone, 'en', now),
    zone: (timezone) => zoneName(timezone, 'en'),
  },
  details: {
    heading: 'Now',
    task: 'Task',
    state: 'State',
    model: 'Model',
    files: 'Files',
    rows: 'Rows',
    tools: 'Tools',
    continues: 'Continues',
    tokens: 'Tokens',
    cost: 'Cost',
    budget: 'Budget',
    error: 'Reason',
    wakeError: 'The agent was not woken',
    advice: 'What to do',
    result: 'Result file',
    passed: {
      admitted: (wait) => `admitted after ${wait}`,
      accepted: (apiId) => `accepted by Kimi: \`${apiId}\``,
      answered: (took, of) => `Kimi called back after ${took} of ${of}`,
      saved: (at) => `saved at ${at}`,
      woken: (at) => `agent woken at ${at}`,
      acknowledged: 'acknowledged',
    },
    until: (limit, at) => `at most ${limit}, until ${at}`,
    advise: {
      failed: 'correct the cause and dispatch again; kimi-dispatch doctor checks every part',
      mayFollow:
        'a late answer is still saved, and its user notified. If such a job takes longer, raise --timeout or KIMI_TASK_TIMEOUT_MS',
      timedOut: 'no answer came. Dispatch it again, with a longer --timeout or KIMI_TASK_TIMEOUT_MS',
      notWoken: 'the result is saved: kimi-dispatch inbox lists it. kimi-dispatch doctor checks the gateway',
    },
  },
  limiter: {
    summary: 'Limiter: admission of tasks to Kimi',
    heading: 'Limits',
    perMinute: 'Requests in the last 60 s',
    concurrent: 'Tasks in flight',
    queued: 'Tasks waiting',
    paused: 'Kimi is too busy; nothing is sent before',
    budgetOfDay: (day) => `Budget of ${day}`,
    budgetOfChats: 'Budget of each chat for a day',
    spent: (spent, reserved, budget) =>
      `${spent} spent, running tasks may cost ${reserved}${budget === undefined ? '' : ` (limit ${budget})`}`,
    overBudget: 'Requests not sent, over a budget of the day',
    use: (used, limit) => (limit === 0 ? `${used} (no limit)` : `${used} (limit ${limit})`),
    agent: (inFlight, queued, away) =>
      `in flight: ${inFlight}, waiting: ${queued}${away ? '; its worker is away' : ''}`,
  },
  simulated: (state) => `${state} (simulated)`,
  toolUses: {
    heading: 'Tools that Kimi used:',
    tool: { search: 'searched: ', fetch: 'read the page: ', code: 'ran code: ', excel: 'read a table: ' },
    failed: ' (no result)',
    notMade: (made, more) => `the limit of ${made} calls was reached, so ${more} more were not made`,
  },
  fallback: ({ asked_model, model, effort, overloaded_ms: ms }) =>
    `${field(asked_model)} was overloaded for ${ms < 60_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`}, so ${field(model)}${effort ? ` (effort ${field(effort)})` : ''} answers`,
  truncated: {
    state: 'done, cut off',
    sentence: 'The answer is cut off: it reached its token limit. Raise it with --max-tokens.',
  },
  functions: {
    state: 'done, asks for functions',
    sentence: 'Kimi asks for functions; the program that started the task runs them, and sends what they return.',
  },
  reply: {
    heading: {
      done: '✅ Kimi task done!',
      truncated: '✂️ Kimi’s answer is cut off',
      failed: '❌ Kimi task failed',
      timed_out: '⏰ Kimi task timed out',
      cancelled: '🚫 Kimi task cancelled',
      partly: '⚠️ Kimi task ended, and some rows have no answer',
    },
    rows: (counts) => `📊 ${counts}`,
    row: (number, why) => `Row ${number}: ${why}`,
    moreRows: (more) => `and ${more} more`,
    task: (name) => `📋 Task: ${name}`,
    model: (model) => `🤖 Model: ${model}`,
    schedule: (name, due, started) =>
      started === undefined
        ? `🗓️ Schedule: ${name} (${due})`
        : `🗓️ Schedule: ${name}. It was due at ${due}, while the services did not run, and ran at ${started}`,
    missed: (times) => `🗓️ ${times} more before it did not run, since the services did not`,
    tokens: ({ prompt, completion, total }) => `💾 Tokens: ${prompt} (prompt) + ${completion} (completion) = ${total}`,
    cost: (cost, budget) => `💰 Cost: ${cost} (budget ${budget})`,
    costOfRows: (cost, saved) => `💰 Cost: ${cost}${saved === undefined ? '' : ` (saved by the batch: ${saved})`}`,
    completedAt: (time) => `⏱️ Completed: ${time}`,
    reason: '⚠️ Reason:',
    summary: '📝 Summary:',
    whole: (file) => `💡 Full result: ${file}`,
    maybeRepeated: '(Sending was interrupted: you may have seen this message before.)',
    rest: (file, next) => `(The rest does not fit into this chat. The next part: ${next}\nThe whole answer: ${file})`,
    restAt: (link) => `The rest does not fit into this chat. The whole answer:\n${link}`,
  },
};
