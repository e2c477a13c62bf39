import type { BudgetPause } from '../shared/budget.ts';
import type { ErrorDetail } from '../shared/error-detail.ts';
import type { QueuePosition } from '../shared/limits.ts';
import type { Rounds, StreamProgress, ToolCalls } from '../shared/relay.ts';
import type { MapCounts } from '../shared/map.ts';
import type { FallbackNote, Tokens } from '../shared/result.ts';
import type { FileNote, Outcome, Task, TaskState, TaskStep, Tool } from '../shared/task.ts';
import { field, fileNote, money } from '../shared/format.ts';
import { dueTime, zoneName } from '../shared/schedule.ts';
import { sayDetail } from './error-details.ts';

function about(ms: number): string {
  return ms < 60_000 ? `約 ${Math.ceil(ms / 1000)} 秒` : `約 ${Math.ceil(ms / 60_000)} 分鐘`;
}

function rows({ rows: all, done, failed, timed_out, cancelled }: MapCounts): string {
  const parts = [
    `完成 ${done}`,
    failed > 0 && `失敗 ${failed}`,
    timed_out > 0 && `逾時 ${timed_out}`,
    cancelled > 0 && `取消 ${cancelled}`,
  ].filter((part) => part !== false);
  return `共 ${all} 筆：${parts.join('、')}`;
}

function calls({ search, fetch, code, excel }: ToolCalls): string {
  const parts = [
    search && `搜尋 ${search} 次`,
    fetch && `讀取網頁 ${fetch} 次`,
    code && `執行程式 ${code} 次`,
    excel && `讀取表格 ${excel} 次`,
  ];
  return parts.filter(Boolean).join('、');
}

function rounds({ round, calls: made, cost }: Rounds): string {
  return `第 ${round} 輪：${calls(made)}${cost ? `，已花 ${money(cost)}` : ''}`;
}

const BUDGET_OF: Record<BudgetPause['of'], string> = {
  day: '今天的預算',
  chat: '這個聊天室今天的預算',
  task: '任務的預算',
};

function overBudget({ of, currency, budget, needs, spent, reserved = 0 }: BudgetPause): string {
  const say = (amount: number): string => money({ amount, currency });
  const used = [spent > 0 && `已花 ${say(spent)}`, reserved > 0 && `進行中的任務最多再花 ${say(reserved)}`]
    .filter((part) => part !== false)
    .join('，');
  return `${BUDGET_OF[of]}是 ${say(budget)}${used && `，${used}`}；這個任務最多可能要 ${say(needs)}`;
}

function resumesAt({ until, timezone, waits }: BudgetPause, now: number): string | undefined {
  if (waits) return '其他任務花得較少時會自動繼續';
  return until && timezone && `${dueTime(until, timezone, 'zh-TW', now)} 會自動繼續`;
}

/** What a task says to its user, in Traditional Chinese. English (en.ts) has the same shape. */
export const zhTW = {
  state: {
    queued: '排隊中',
    paused: '等候預算',
    dispatching: '派發中',
    dispatched: '等待回覆',
    done: '完成',
    failed: '失敗',
    timed_out: '逾時',
    cancelled: '已取消',
  } satisfies Record<TaskState, string>,
  step: {
    queued: '排隊等候派發',
    paused: '預算不夠，等候允許',
    dispatching: '正在交給 Kimi',
    waiting: '等待 Kimi 回呼',
    saving: '儲存結果',
    waking: '喚醒 Agent',
    acknowledging: '標記為已通知',
    awaiting_acknowledgement: '等待 Agent 確認',
    awaiting_late_answer: '仍接受遲到的答案',
    closed: '結束',
  } satisfies Record<TaskStep, string>,
  /** Summaries of the activities in the Web UI. */
  activity: {
    dispatch: (task: Task) => `交給 Kimi（${task.model}）`,
    recordPending: '記下等待中的任務',
    persist: (status: string) => `儲存結果：${status}`,
    wake: '喚醒 Agent',
    acknowledge: '標記為已通知',
    verifyCallback: '驗證回呼的憑證',
    mostCost: '估計最高費用',
    ask: '通知使用者預算不夠',
    startRows: (rows: number) => `開始 ${rows} 筆`,
    makeBatch: '把資料交給 Kimi 批次處理',
    answersOfBatch: (rows: number) => `等 Kimi 批次回答 ${rows} 筆`,
    saveMap: '儲存結果',
  },
  /** Summaries of the timers in the Web UI. Milliseconds. */
  timer: {
    deadline: (ms: number) => `等待回呼，最長 ${ms / 1000} 秒`,
    grace: (ms: number) => `等待遲到的答案，最長 ${ms / 3_600_000} 小時`,
  },
  /** Text of the wake (docs/openclaw.md). With the task id: gateways treat two events with one text as one. */
  wake: {
    done: (name: string, id: string) => `Kimi 任務完成：${name}（${id}）`,
    failed: (name: string, id: string) => `Kimi 任務失敗：${name}（${id}）`,
    timed_out: (name: string, id: string) => `Kimi 任務逾時：${name}（${id}）`,
    cancelled: (name: string, id: string) => `Kimi 任務已取消：${name}（${id}）`,
  } satisfies Record<Outcome, unknown>,
  /** The same, of a map. */
  wakeOfMap: (name: string, id: string, counts: MapCounts) => `Kimi 任務結束：${name}（${id}），${rows(counts)}`,
  /** Rows of a map by outcome. */
  rows,
  error: {
    timedOut: (ms: number) => `Kimi 沒有在 ${ms / 1000} 秒內回呼`,
    cancelled: '任務已被取消',
    queueFull: (limit: number) =>
      `已有 ${limit} 個任務在排隊，所以沒有收下這個任務，也沒有送出任何請求；稍後再派發，或用 kimi-dispatch limits --queue 調高上限`,
    resultLost: '結果檔在確認之前被刪除或損壞，無法重新寫入；Agent 先前已被喚醒',
    notAcknowledged: '已多次喚醒 Agent，但它沒有確認；kimi-dispatch inbox 會列出它還沒看的結果',
  },
  /** Progress of an answer that streams in. */
  stream: ({ phase, tokens, repeats, rounds: sofar }: StreamProgress) =>
    ({
      batch: 'Kimi 已收到批次，會在一天內回答',
      using_tools: 'Kimi 正在使用工具',
      reading: 'Kimi 正在讀附上的檔案',
      waiting: '等待 Kimi 開始回答',
      reasoning: `Kimi 正在思考，目前約 ${tokens} 個 Token`,
      answering: `Kimi 正在回答，目前約 ${tokens} 個 Token`,
    })[phase] +
    (repeats ? '，但一再重複同一段文字' : '') +
    (sofar ? `；${rounds(sofar)}` : ''),
  /** Rounds of calls of tools before the answer, and how often each tool was called. */
  rounds,
  calls,
  queuePosition: ({ place, expected_wait_ms }: QueuePosition) =>
    `第 ${place} 位${expected_wait_ms === undefined ? '' : `，預計${about(expected_wait_ms)}後`}`,
  budget: {
    /** Why a task is not sent, and when it will be by itself; `now` in milliseconds since 1970. */
    pause: (pause: BudgetPause, now: number) =>
      [overBudget(pause), resumesAt(pause, now)].filter((part) => part).join('；'),
    /** The notification. `isChat`: its user can answer there. */
    ask: (name: string, id: string, pause: BudgetPause, isChat: boolean, now: number) =>
      [
        `⏸️ Kimi 任務暫停，還沒有送出：${name}`,
        `${overBudget(pause)}。`,
        `要照樣送出：${isChat ? '/kimi' : 'kimi-dispatch'} allow ${id}${resumesAt(pause, now) ? `；否則 ${resumesAt(pause, now)}` : ''}`,
      ].join('\n'),
    balance: (left: string) => `帳戶餘額：${left}`,
  },
  /** What an error says, in this language. */
  detail: (detail: ErrorDetail) => sayDetail(detail, 'zh-TW'),
  withDetail: (sentence: string, detail: string) => `${sentence}（${detail}）`,
  /** Whether messages of errors without a detail are shown: they are in English. */
  quotesMessages: false as boolean,
  /** Sentences for error types, ours and Kimi's. An error without one is shown in Kimi's words. */
  reasons: {
    cancelled: '任務已被取消',
    rows_failed: '有幾筆沒有答案；kimi-dispatch retry --failed 只重新派發這幾筆',
    rows_gone: '保存的資料已經不能讀取，所以其餘的沒有派發；請用原本的檔案重新派發',
    row_lost: '這一筆沒有結果：它的任務在引擎裡被結束了，或編號已被別的任務使用',
    not_started: '這一筆還沒有派發',
    result_gone: '這一筆的結果檔已移除或損壞',
    no_api_key: '送出任務的環境沒有 KIMI_API_KEY；設定後重新派發',
    no_relay_token: 'worker 沒有 KIMI_RELAY_TOKEN；設成與中繼相同後重新派發',
    bad_relay_token: '中繼不認得 worker；兩邊要設相同的 KIMI_RELAY_TOKEN',
    foreign_callback_url: '中繼只回呼一個 webhook；中繼與 worker 要設相同的 KIMI_CALLBACK_BASE_URL',
    no_callback_provider:
      '這個 API 不會回呼，所以沒有送出任何請求；設定 KIMI_CALLBACKS=relay，或把 KIMI_API_URL 指向會回呼的 API',
    interrupted: '答案中斷了；如果已收到一部分，會在結果檔案的 partial_output',
    unreadable_answer: 'Kimi 的答案有無法辨識的格式，所以不完整；讀得到的部分已保留。請回報，或換一個主機',
    unfinished_answer: 'Kimi 還沒答完就停了，已收到的部分已保留；重新派發，或改寫提示詞',
    tool_calls: 'Kimi 沒有作答而是呼叫了工具，已收到的部分已保留；重新派發，或改寫提示詞',
    too_many_calls: 'Kimi 一直使用工具而沒有作答，已停止；請把問題縮小後重新派發',
    no_batch: '這無法以批次送出，所以沒有送出任何請求',
    batch_expired: 'Kimi 沒有在一天內回答批次；請重新派發，或不用 --batch',
    batch_failed: 'Kimi 沒有回答批次；請重新派發，或不用 --batch',
    no_functions: '函式在這裡不能用，所以沒有送出任何請求',
    no_tools: '這些工具在這裡不能用，所以沒有送出任何請求',
    no_tool: 'Moonshot 不提供這個工具，所以沒有送出任何請求',
    repetition: 'Kimi 一再重複同一段文字，已停止；已收到的部分已保留。改寫提示詞，或換一個模型',
    empty_answer: 'Kimi 沒有回答任何內容；重新派發，或改寫提示詞',
    unreachable: '連不上；沒有送出任何請求',
    no_response: '沒有回應；接收端可能已收到事件',
    gateway_unreachable: '連不上 OpenClaw 閘道',
    file_error: '結果資料夾裡有檔案不能使用',
    relay_unreachable: '連不上中繼；沒有送出任何請求',
    relay_unavailable: '中繼的引擎現在不收任務；稍後再試',
    relay_error: '中繼發生意外的錯誤；細節在它的紀錄裡（kimi-dispatch logs relay）',
    invalid_argument: '金鑰含有不能放進標頭的字元，所以沒有送出任何請求；請更正 KIMI_API_KEY',
    no_api_id: 'Kimi 的回應沒有任務編號，不知道它是否收下；為免重複付費，沒有再送',
    no_answer: 'Kimi 的回應不是答案；請檢查 KIMI_API_URL',
    stalled: 'Kimi 的串流停住了；已收到的部分已保留',
    answer_too_long: '答案太長，已停止接收；已收到的部分已保留',
    stream_error: 'Kimi 在答案裡回報了錯誤；如果已收到一部分，會在結果檔案的 partial_output',
    certificate_untrusted:
      '這台機器不信任主機的憑證，所以沒有送出任何請求；請把 NODE_EXTRA_CA_CERTS 設為簽發它的憑證機構的檔案（公司網路通常是代理伺服器的），再執行 kimi-dispatch down 與 up',
    certificate_expired:
      '主機的憑證今天無效，所以沒有送出任何請求；請檢查這台機器的時鐘，時鐘沒錯的話，請主機的管理者更新憑證',
    certificate_of_another_host:
      '憑證屬於另一個主機，所以沒有送出任何請求；請更正主機的位址，或詢問中間那台代理伺服器的管理者',
    proxy_failed:
      '代理伺服器沒有連到主機，所以沒有送出任何請求；請更正 HTTPS_PROXY（代理伺服器要求時附上帳號密碼），或把主機列入 NO_PROXY',
    outcome_unknown: '請求送出後斷線，不知道 Kimi 是否收到；為免重複付費，沒有再送',
    unauthorized: '閘道拒絕了權杖；請更正 OPENCLAW_WAKE_TOKEN',
    retired_model: '這個模型已經停用，所以沒有送出任何請求；請改用後繼的模型',
    bad_parameter: '模型不接受這個要求，所以沒有送出任何請求',
    prompt_too_long: '內容超出模型能容納的長度，所以沒有送出任何請求',
    content_filter: 'Kimi 的內容審查擋下了提示或答案；改寫提示詞後重新派發',
    invalid_authentication_error:
      'Kimi 不接受這把金鑰；請檢查 KIMI_API_KEY，並確認它屬於這個主機：api.moonshot.cn 與 api.moonshot.ai 的金鑰不通用',
    incorrect_api_key_error: 'Kimi 不認得這把金鑰；更正 KIMI_API_KEY 後重新派發',
    permission_denied_error: '這把金鑰沒有權限；請查看帳戶能用什麼，或換一把金鑰',
    resource_not_found_error: '沒有這個模型，或這把金鑰不能用它；kimi-dispatch models 會列出有哪些',
    exceeded_current_quota_error: '帳戶額度已用完；儲值後重新派發',
    no_chat: '沒有聊天室派發這個任務，閘道也沒有設定擁有者；請設定 commands.ownerAllowFrom，例如 ["telegram:4242"]',
    no_agent: '閘道沒有這個 Agent，所以沒有人收到通知；請檢查閘道的 agents.list，或改用 KIMI_REPLY=deliver',
    refused: '聊天頻道拒絕了這則訊息，再送也不會成功；kimi-dispatch inbox 裡有結果',
    no_plugin: '這個位址沒有外掛回應；請在閘道載入外掛（kimi-dispatch setup openclaw），或更正 OPENCLAW_WAKE_URL',
    not_found: '閘道沒有這個位址；請在閘道啟用 hooks，或更正 OPENCLAW_WAKE_URL',
  },
  /** One line for a task in the Web UI. */
  summary: (task: Task) => `${task.task_name} · ${task.model}`,
  files: (files: readonly FileNote[]) => files.map(fileNote).join('、'),
  prompt: '提示',
  schedule: {
    summary: (name: string) => `排程：${name}`,
    /** A time in the schedule's zone; `now` in milliseconds since 1970. */
    at: (time: string, timezone: string, now: number) => dueTime(time, timezone, 'zh-TW', now),
    zone: (timezone: string) => zoneName(timezone, 'zh-TW'),
  },
  /** The current details in the Web UI. Durations as `0:42`, times in ISO 8601. */
  details: {
    heading: '目前進度',
    task: '任務',
    state: '狀態',
    model: '模型',
    files: '檔案',
    rows: '資料',
    tools: '工具',
    continues: '接續',
    tokens: 'Token',
    cost: '費用',
    budget: '預算',
    error: '原因',
    wakeError: 'Agent 沒有被喚醒',
    advice: '該怎麼做',
    result: '結果檔案',
    passed: {
      admitted: (wait: string) => `已放行，排隊 ${wait}`,
      accepted: (apiId: string) => `Kimi 已收下：\`${apiId}\``,
      answered: (took: string, of: string) => `Kimi 已回呼，用了 ${took}（最長 ${of}）`,
      saved: (at: string) => `已儲存，${at}`,
      woken: (at: string) => `已喚醒 Agent，${at}`,
      acknowledged: '已確認',
    },
    until: (limit: string, at: string) => `最長 ${limit}，到 ${at} 為止`,
    /** What to do, if the reason does not say it. */
    advise: {
      failed: '依原因修正後重新派發；kimi-dispatch doctor 會檢查每個部分',
      mayFollow: '遲到的答案仍會儲存並通知。如果這類工作常需要更久，請用 --timeout 或 KIMI_TASK_TIMEOUT_MS 放寬期限',
      timedOut: '沒有等到答案。重新派發，並用 --timeout 或 KIMI_TASK_TIMEOUT_MS 放寬期限',
      notWoken: '結果已儲存，列在 kimi-dispatch inbox；用 kimi-dispatch doctor 檢查閘道',
    },
  },
  /** The limiter in the Web UI and on the command line. */
  limiter: {
    summary: '限流器：管制送往 Kimi 的任務',
    heading: '上限',
    perMinute: '最近 60 秒的請求',
    concurrent: '進行中的任務',
    queued: '排隊中的任務',
    paused: 'Kimi 忙碌中，恢復送出請求的時間',
    budgetOfDay: (day: string) => `${day} 的預算`,
    budgetOfChats: '每個聊天室每天的預算',
    spent: (spent: string, reserved: string, budget?: string) =>
      `已花 ${spent}，進行中的任務最多再花 ${reserved}${budget === undefined ? '' : `（上限 ${budget}）`}`,
    overBudget: '超過當日預算而未送出的請求',
    /** Not as a fraction: a limit that was lowered may be less than its use. */
    use: (used: number, limit: number) => (limit === 0 ? `${used}（無上限）` : `${used}（上限 ${limit}）`),
    /** An agent's share; `queued` as `use` returns it. */
    agent: (inFlight: number, queued: string, away: boolean) =>
      `進行中 ${inFlight}，排隊中 ${queued}${away ? '；它的 worker 不在' : ''}`,
  },
  /** The state of a simulated task. */
  simulated: (state: string) => `${state}（模擬）`,
  /** Below an answer for which Kimi used tools; Markdown. */
  toolUses: {
    heading: 'Kimi 用過的工具：',
    tool: { search: '搜尋：', fetch: '讀取網頁：', code: '執行程式：', excel: '讀取表格：' } satisfies Record<
      Tool,
      string
    >,
    failed: '（沒有結果）',
    notMade: (made: number, more: number) => `已達 ${made} 次的上限，另外 ${more} 次沒有執行`,
  },
  /** Another model was asked than the task's, or with a lower effort. */
  fallback: ({ asked_model, model, effort, overloaded_ms: ms }: FallbackNote) =>
    `${field(asked_model)} 滿載 ${ms < 60_000 ? `${Math.round(ms / 1000)} 秒` : `${Math.round(ms / 60_000)} 分鐘`}，改由 ${field(model)}${effort ? `（思考強度 ${field(effort)}）` : ''} 回答`,
  /** A task that is done with an answer that is cut off: its state, and what that means. */
  truncated: {
    state: '完成，答案被截斷',
    sentence: '答案被截斷：達到 Token 上限，並不完整。可用 --max-tokens 調高上限。',
  },
  /** A task that is done with an answer that asks for functions. */
  functions: {
    state: '完成，要求呼叫函式',
    sentence: 'Kimi 要求呼叫函式；由派發任務的程式執行，並把結果傳回給 Kimi。',
  },
  /** Parts of the notification (docs/openclaw.md). */
  reply: {
    heading: {
      done: '✅ Kimi 任務完成！',
      truncated: '✂️ Kimi 的答案被截斷',
      failed: '❌ Kimi 任務失敗',
      timed_out: '⏰ Kimi 任務逾時',
      cancelled: '🚫 Kimi 任務已取消',
      partly: '⚠️ Kimi 任務結束，有幾筆沒有答案',
    } satisfies Record<Outcome | 'truncated' | 'partly', string>,
    rows: (counts: string) => `📊 ${counts}`,
    row: (number: number, why: string) => `第 ${number} 筆：${why}`,
    moreRows: (more: number) => `還有 ${more} 筆`,
    task: (name: string) => `📋 任務：${name}`,
    model: (model: string) => `🤖 模型：${model}`,
    /** `started` is set if the task was due earlier. */
    schedule: (name: string, due: string, started?: string) =>
      started === undefined
        ? `🗓️ 排程：${name}（${due}）`
        : `🗓️ 排程：${name}，應於 ${due} 執行，但當時服務沒有在執行，${started} 才執行`,
    missed: (times: number) => `🗓️ 在此之前另有 ${times} 次沒有執行，因為當時服務沒有在執行`,
    tokens: ({ prompt, completion, total }: Tokens) => `💾 Token：${prompt} (提示) + ${completion} (生成) = ${total}`,
    cost: (cost: string, budget: string) => `💰 費用：${cost}（預算 ${budget}）`,
    costOfRows: (cost: string, saved?: string) =>
      `💰 費用：${cost}${saved === undefined ? '' : `（批次省下 ${saved}）`}`,
    completedAt: (time: string) => `⏱️ 完成時間：${time}`,
    reason: '⚠️ 原因：',
    summary: '📝 結果摘要：',
    whole: (file: string) => `💡 完整結果：${file}`,
    /** In front of a message that may have been shown before. */
    maybeRepeated: '（上次傳送中斷，你可能已經看過這則訊息）',
    rest: (file: string, next: string) => `（後面還有，但這個聊天室放不下。下一段：${next}\n完整結果：${file}）`,
    /** The address on a line of its own: chats take what follows for a part of it. */
    restAt: (link: string) => `後面還有，但這個聊天室放不下。完整結果：\n${link}`,
  },
};

export type Text = typeof zhTW;
