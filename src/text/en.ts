import type { Text } from './index.ts';

const SUFFIX: Partial<Record<Intl.LDMLPluralRule, string>> = { one: 'st', two: 'nd', few: 'rd' };

function ordinal(n: number): string {
  return `${n}${SUFFIX[new Intl.PluralRules('en', { type: 'ordinal' }).select(n)] ?? 'th'}`;
}

function about(ms: number): string {
  return ms < 60_000 ? `about ${Math.ceil(ms / 1000)} s` : `about ${Math.ceil(ms / 60_000)} min`;
}

export const en: Text = {
  state: {
    queued: 'queued',
    dispatching: 'dispatching',
    dispatched: 'waiting',
    done: 'done',
    failed: 'failed',
    timed_out: 'timed out',
    cancelled: 'cancelled',
  },
  step: {
    queued: 'waiting for its turn',
    dispatching: 'handing it to Kimi',
    waiting: 'waiting for Kimi to call back',
    saving: 'saving the result',
    waking: 'waking the agent',
    acknowledging: 'marking it as told',
    awaiting_acknowledgement: 'waiting for the agent to acknowledge',
    awaiting_late_answer: 'a late answer would still be kept',
    closed: 'closed',
  },
  activity: {
    dispatch: (task) => `Hand to Kimi (${task.model})`,
    recordPending: 'Note the pending task',
    persist: (status) => `Save the result: ${status}`,
    wake: 'Wake the agent',
    acknowledge: 'Mark as told',
    verifyCallback: 'Verify that the webhook passed the callback on',
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
  error: {
    timedOut: (ms) => `Kimi did not call back within ${ms / 1000} s`,
    cancelled: 'the task was cancelled',
    queueFull: (limit) =>
      `${limit} tasks are waiting already, so this one was not taken and nothing was sent; dispatch it again later, or raise the limit with kimi-dispatch limits --queue`,
    resultLost:
      'the result file was removed or damaged before it was acknowledged, and could not be written again; the agent had been woken for it',
    notAcknowledged:
      'the agent was woken several times and has not acknowledged; kimi-dispatch inbox lists what it has not seen',
  },
  stream: ({ phase, tokens, repeats }) =>
    ({
      waiting: 'waiting for Kimi’s first word',
      reasoning: `Kimi is thinking, about ${tokens} tokens so far`,
      answering: `Kimi is answering, about ${tokens} tokens so far`,
    })[phase] + (repeats ? '; it repeats the same text over and over' : ''),
  queuePosition: ({ place, expected_wait_ms }) =>
    `${ordinal(place)}${expected_wait_ms === undefined ? '' : `, in ${about(expected_wait_ms)}`}`,
  reasons: {
    no_api_key: 'there is no KIMI_API_KEY where the tasks are sent; set it and dispatch again',
    no_relay_token: 'the worker has no KIMI_RELAY_TOKEN; give it the relay’s and dispatch again',
    bad_relay_token: 'the relay does not know the worker; give both the same KIMI_RELAY_TOKEN',
    foreign_callback_url:
      'the relay calls back one webhook only; give relay and worker the same KIMI_CALLBACK_BASE_URL',
    no_callback_provider:
      'this API never calls back, so nothing was sent; set KIMI_CALLBACKS=relay, or point KIMI_API_URL to one that does',
    interrupted: 'the answer broke off; what had come of it, if anything, is in the result file, as partial_output',
    unreadable_answer:
      'Kimi’s answer came in a form that is not known here, so it is not whole; what could be read is kept. Report it, or use another host',
    unfinished_answer:
      'Kimi stopped before its answer was whole; what came is kept. Dispatch it again, or word it differently',
    tool_calls:
      'Kimi called a tool in place of answering; what came is kept. Dispatch it again, or word it differently',
    repetition: 'Kimi repeated itself and was stopped; what came is kept. Word it differently, or use another model',
    empty_answer: 'Kimi answered without a word; dispatch it again, or word it differently',
    unreachable: 'out of reach; nothing was sent',
    certificate_untrusted:
      'this machine does not trust the host’s certificate, so nothing was sent; set NODE_EXTRA_CA_CERTS to the file of the authority that signed it (in an office often that of the proxy), then restart with kimi-dispatch down and up',
    certificate_expired:
      'the host’s certificate is not valid today, so nothing was sent; check this machine’s clock, and if it is right, ask the host’s operator to renew it',
    certificate_of_another_host:
      'the certificate belongs to another host, so nothing was sent; correct the host’s address, or ask who runs the proxy in between',
    proxy_failed:
      'the proxy did not open a connection to the host, so nothing was sent; correct HTTPS_PROXY (with user name and password where the proxy wants them), or name the host in NO_PROXY',
    outcome_unknown:
      'the connection broke after the request was sent, so it is not known whether Kimi has it; it was not sent again, since that could be paid for twice',
    unauthorized: 'the gateway refused the token; correct OPENCLAW_WAKE_TOKEN',
    retired_model: 'this model is no longer there, so nothing was sent; use its successor',
    bad_parameter: 'the model does not take what was asked, so nothing was sent',
    prompt_too_long: 'the prompt does not fit the model, so nothing was sent',
    content_filter: 'Kimi’s content filter rejected the prompt or the answer; word it differently and dispatch again',
    invalid_authentication_error:
      'Kimi does not accept the key; check KIMI_API_KEY, and that it belongs to this host: keys of api.moonshot.cn and api.moonshot.ai are not the same',
    incorrect_api_key_error: 'Kimi does not know the key; correct KIMI_API_KEY and dispatch again',
    permission_denied_error: 'the key may not do this; see what the account may use, or take another key',
    resource_not_found_error:
      'there is no such model, or the key may not use it; kimi-dispatch models lists what there is',
    exceeded_current_quota_error: 'the account has no quota left; top it up and dispatch again',
    no_plugin:
      'what answers there is not the plugin; load it in the gateway (kimi-dispatch setup openclaw) or correct OPENCLAW_WAKE_URL',
    not_found: 'the gateway has nothing at this address; enable hooks in it or correct OPENCLAW_WAKE_URL',
  },
  summary: (task) => `${task.task_name} · ${task.model}`,
  prompt: 'Prompt',
  details: {
    heading: 'Now',
    task: 'Task',
    state: 'State',
    model: 'Model',
    tokens: 'Tokens',
    cost: 'Cost',
    error: 'Reason',
    wakeError: 'The agent was not woken',
    advice: 'What to do',
    result: 'Result file',
    passed: {
      admitted: (wait) => `its turn came after ${wait}`,
      accepted: (apiId) => `Kimi has taken it: \`${apiId}\``,
      answered: (took, of) => `Kimi called back after ${took} of ${of}`,
      saved: (at) => `saved at ${at}`,
      woken: (at) => `agent woken at ${at}`,
      acknowledged: 'acknowledged: the user knows',
    },
    until: (limit, at) => `at most ${limit}, until ${at}`,
    advise: {
      failed: 'correct what the reason names and dispatch again; kimi-dispatch doctor checks every part',
      mayFollow:
        'a late answer is still kept and told. Where such a job takes longer, raise --timeout or KIMI_TASK_TIMEOUT_MS',
      timedOut: 'no answer came. Dispatch it again, with a longer --timeout or KIMI_TASK_TIMEOUT_MS',
      notWoken: 'the result is not lost: kimi-dispatch inbox lists it. kimi-dispatch doctor says what is wrong',
    },
  },
  limiter: {
    summary: 'Limiter: who may be sent to Kimi, and when',
    heading: 'Limits',
    perMinute: 'Requests in the last 60 s',
    concurrent: 'Tasks under way',
    queued: 'Tasks waiting',
    paused: 'Kimi is too busy; nothing is sent before',
    use: (used, limit) => (limit === 0 ? `${used} (no limit)` : `${used} (limit ${limit})`),
    agent: (inFlight, queued, away) =>
      `under way: ${inFlight}, waiting: ${queued}${away ? '; its worker is away' : ''}`,
  },
  truncated: {
    state: 'done, cut off',
    sentence: 'The answer is cut off: it reached the limit of its length. Ask for more with --max-tokens.',
  },
  reply: {
    heading: {
      done: '✅ Kimi task done!',
      truncated: '✂️ Kimi’s answer is cut off',
      failed: '❌ Kimi task failed',
      timed_out: '⏰ Kimi task timed out',
      cancelled: '🚫 Kimi task cancelled',
    },
    task: (name) => `📋 Task: ${name}`,
    model: (model) => `🤖 Model: ${model}`,
    tokens: ({ prompt, completion, total }) => `💾 Tokens: ${prompt} (prompt) + ${completion} (completion) = ${total}`,
    completedAt: (time) => `⏱️ Completed: ${time}`,
    reason: '⚠️ Reason:',
    summary: '📝 Summary:',
    whole: (file) => `💡 Full result: ${file}`,
    maybeRepeated: '(Sending this was interrupted: you may have seen it before.)',
  },
};
