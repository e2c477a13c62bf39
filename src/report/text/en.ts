import type { ReportText } from './zh-TW.ts';

export const en: ReportText = {
  lang: 'en',
  title: 'Kimi Dispatch report',
  period: (from, to) => `${from} to ${to} (UTC)`,
  made: (time) => `As of ${time} (UTC)`,
  lost: 'The service does not answer; this is the last state received.',
  skip: 'Skip to the content',
  contents: 'Contents',
  table: 'Numbers',
  simulation: 'All of these are simulated tasks: they cost nothing, and their tokens are made up.',
  simulated: (n) => `${n} simulated ${n === '1' ? 'task is' : 'tasks are'} not counted: nothing was paid for.`,
  damaged: (n) => `${n} ${n === '1' ? 'file is' : 'files are'} damaged and not counted.`,
  none: 'There are no results in this period.',
  unreadable: 'The results cannot be read now; the webhook’s log says why (kimi-dispatch logs webhook).',
  comma: ', ',
  inFlight: {
    heading: 'Tasks in flight',
    none: 'No task is in flight.',
    away: 'The engine is out of reach, so the tasks in flight are unknown.',
    more: (n) => `And ${n} more.`,
    columns: ['Name', 'State', 'Model', 'For', 'Task id'],
  },
  overview: {
    heading: 'At a glance',
    tasks: 'Tasks',
    done: 'Done',
    tokens: 'Tokens',
    cost: 'Cost',
    saved: 'Less than polling (estimate)',
    truncated: (n) => `${n} cut off`,
    late: (n) => `${n} after the deadline`,
    unacknowledged: (n) => `${n} not notified yet`,
    unpriced: (n) => `${n} without a price`,
    noPrice: 'no price known',
  },
  overTime: {
    heading: 'Tasks and outcomes',
    columns: { hour: 'Hour (UTC)', day: 'Day (UTC)', month: 'Month (UTC)' },
    total: 'Total',
  },
  latency: {
    heading: 'How long each step took',
    about:
      'A bar is the middle half of the tasks, its line the median, its ends the 5th and 95th percentile; each mark of the scale is ten times the one before. Orange marks the target.',
    untimed: (n) =>
      `${n} ${n === '1' ? 'result does' : 'results do'} not say how long the steps took and ${
        n === '1' ? 'is' : 'are'
      } not in here.`,
    steps: {
      queued_ms: 'Queue',
      dispatch_ms: 'Dispatch to accepted',
      kimi_ms: 'Kimi',
      save_ms: 'Callback to saved',
      wake_ms: 'Saved to agent woken',
    },
    columns: ['Step', 'Tasks', 'Median', '95%', '99%', 'Longest', 'Target', 'Met'],
    under: (time) => `< ${time}`,
  },
  usage: {
    heading: 'Tokens and cost',
    tokensOverTime: 'Tokens',
    costOverTime: (currency) => `Cost (${currency})`,
    prompt: 'Prompt',
    completion: 'Completion',
    byModel: 'By model',
    byTime: { hour: 'By hour', day: 'By day', month: 'By month' },
    model: 'Model',
    columns: ['Tasks', 'Prompt', 'cached', 'Completion', 'reasoning', 'Total', 'Cost'],
    total: 'Total',
    unpriced: (n) => `(${n} without a price)`,
  },
  polling: {
    heading: 'Compared with polling (estimate)',
    sentence: (tokens, polled, own, percent) =>
      `Estimate: polling would take 1000 more tokens for each answer, ${tokens} in all; at the original design’s ¥0.6 for 1000 tokens that is ${polled} against ${own}, ${percent} saved. This is a calculation, not a measurement of an agent.`,
  },
  ranked: {
    slowest: 'Slowest tasks',
    dearest: 'Most expensive tasks',
    by: { CNY: 'In CNY', USD: 'In USD', tokens: 'No price is known; by tokens' },
    columns: ['Name', 'Outcome', 'Model', 'Took', 'Tokens', 'Cost', 'Completed (UTC)', 'File'],
    file: 'Result',
    none: 'There is no task to list.',
  },
  failures: {
    heading: 'Why tasks failed',
    none: 'No task failed or timed out.',
    columns: ['Reason', 'Tasks', 'Last task'],
  },
};
