import type { VariableName } from '../variables.ts';
import type { Entry } from './entry.ts';

/** What tasks, Kimi, relay and results are set by. */
export const OF_TASKS = {
  KIMI_API_KEY: {
    group: 'kimi',
    default: { en: 'the value of `MOONSHOT_API_KEY`', 'zh-TW': '`MOONSHOT_API_KEY` 的值' },
    en: 'Your API key. Only the relay reads it; with `KIMI_CALLBACKS=native`, only the worker.',
    'zh-TW': '你的 API 金鑰。只有中繼會讀取；`KIMI_CALLBACKS=native` 時只有 worker 會讀取。',
  },
  KIMI_API_URL: {
    group: 'kimi',
    en: 'Base URL of the API. Keys of `api.moonshot.cn` and `api.moonshot.ai` are not interchangeable.',
    'zh-TW': 'API 的基底網址。`api.moonshot.cn` 與 `api.moonshot.ai` 的金鑰不通用。',
  },
  KIMI_CALLBACKS: {
    group: 'kimi',
    default: {
      en: "`relay` at Moonshot's hosts, `native` elsewhere",
      'zh-TW': 'Moonshot 的主機：`relay`；其他：`native`',
    },
    en: 'Who calls back: `relay`, if the API answers in the response, or `native`, if the API takes a `callback_url`.',
    'zh-TW': '由誰回呼：API 直接在回應裡作答時用 `relay`；API 接受 `callback_url` 時用 `native`。',
  },
  KIMI_MODEL: {
    group: 'kimi',
    default: {
      en: "`kimi-k2.6` at Moonshot's hosts and in a simulation, `moonshot-v1-128k` elsewhere",
      'zh-TW': 'Moonshot 的主機與模擬：`kimi-k2.6`；其他：`moonshot-v1-128k`',
    },
    en: 'Model of tasks that name none. `kimi-dispatch models` lists the models.',
    'zh-TW': '任務沒有指定模型時使用的模型。`kimi-dispatch models` 會列出所有模型。',
  },
  KIMI_TASK_TIMEOUT_MS: {
    group: 'kimi',
    default: { en: '`1800000` with the relay, `120000` without', 'zh-TW': '經由中繼：`1800000`；其他：`120000`' },
    en: 'How long Kimi may take from its acceptance, behind the relay from the head of its answer, to the callback. Milliseconds; as for every `_MS`, at most 1728000000 (20 days).',
    'zh-TW':
      '從 Kimi 接受請求（經由中繼時，從它開始回應）到回呼的時限，以毫秒計；所有 `_MS` 最多 1728000000（20 天）。',
  },
  KIMI_GRACE_MS: {
    group: 'kimi',
    en: 'How long a task that timed out or was cancelled still accepts a late answer. Milliseconds.',
    'zh-TW': '任務逾時或取消之後，多久之內仍接受遲到的答案，以毫秒計。',
  },
  KIMI_MAX_TASKS_PER_MINUTE: {
    group: 'limits',
    en: 'Requests to Kimi in any 60 seconds, over all workers; 0: no limit. `kimi-dispatch limits` changes it at run time.',
    'zh-TW': '任何 60 秒內送給 Kimi 的請求數，所有 worker 合計；0：無上限。執行中可用 `kimi-dispatch limits` 變更。',
  },
  KIMI_MAX_CONCURRENT_TASKS: {
    group: 'limits',
    en: 'Tasks between dispatch and outcome; 0: no limit.',
    'zh-TW': '已派發但還沒有結果的任務數；0：無上限。',
  },
  KIMI_MAX_QUEUED_TASKS: {
    group: 'limits',
    en: 'Queued tasks; a dispatch beyond it is refused. 0: no limit.',
    'zh-TW': '排隊中的任務數，超過時拒絕派發；0：無上限。',
  },
  KIMI_MAX_TASKS_PER_CHAT_HOUR: {
    group: 'limits',
    en: 'Tasks that one chat may start in any hour; 0: no limit. Read where a task is dispatched.',
    'zh-TW': '一個聊天室在任何一小時內可派發的任務數；0：無上限。在派發任務的地方讀取。',
  },
  KIMI_BUDGET_PER_DAY: {
    group: 'limits',
    default: { en: 'no budget', 'zh-TW': '不設預算' },
    en: 'What all tasks of a day may cost, in the currency of the account’s host. Before a task is sent, the most that it may cost is reserved; one that exceeds the budget is paused until the next day, or until its user allows it (`kimi-dispatch allow`). Read by the worker, and where a task is dispatched.',
    'zh-TW':
      '一天內所有任務的花費上限，幣別是帳戶主機的幣別。送出之前會先保留任務可能的最高費用；超出預算的任務會暫停，到隔天或使用者允許（`kimi-dispatch allow`）時才送出。worker 與派發任務的地方都會讀取。',
  },
  KIMI_BUDGET_PER_CHAT_DAY: {
    group: 'limits',
    default: { en: 'no budget', 'zh-TW': '不設預算' },
    en: 'The same, for the tasks of each chat.',
    'zh-TW': '同上，每個聊天室各自計算。',
  },
  KIMI_BUDGET_PER_TASK: {
    group: 'limits',
    default: { en: 'no budget', 'zh-TW': '不設預算' },
    en: 'What a task may cost that is dispatched without `--budget`; one that may cost more is paused. Read where a task is dispatched.',
    'zh-TW': '沒有以 `--budget` 指定時，一個任務的花費上限；可能超過的任務會暫停。在派發任務的地方讀取。',
  },
  KIMI_LIMITER: {
    group: 'limits',
    default: { en: 'one for each task queue', 'zh-TW': '每個 task queue 各自一個' },
    en: 'Agents that share an account set the same name: they share its limits and take turns (docs/cluster.md). Read by worker, relay and where a task is dispatched.',
    'zh-TW':
      '共用一個帳號的 Agent 設定相同的名稱，就會共用上限、輪流派發（docs/cluster.md）。worker、中繼與派發任務的地方都會讀取。',
  },
  KIMI_ON_INTERRUPT: {
    group: 'relay',
    en: 'What happens to an interrupted answer that cannot be resumed: `fail` keeps what was received, `retry` sends the request again, which may be charged twice.',
    'zh-TW': '答案中斷而無法接續時：`fail` 保留已收到的部分，`retry` 重新請求，可能重複付費。',
  },
  KIMI_FALLBACK: {
    group: 'relay',
    default: { en: 'only the model of the task', 'zh-TW': '只用任務的模型' },
    en: 'Models that are asked while Kimi is overloaded, in order, e.g. `10m,kimi-k3:high,kimi-k2.6`: the next one whenever Kimi has refused every request for 10 minutes (10 minutes without a time in front). Read by the worker.',
    'zh-TW':
      'Kimi 滿載時依序改用的模型，例如 `10m,kimi-k3:high,kimi-k2.6`：請求連續 10 分鐘都被拒絕，就改用下一個；開頭沒有時間就是 10 分鐘。由 worker 讀取。',
  },
  KIMI_ON_REPEAT: {
    group: 'relay',
    en: 'What happens to an answer that repeats the same text over 4,000 characters: `continue`, or `stop` and keep what was received as `partial_output`.',
    'zh-TW':
      '答案連續 4,000 個字元都在重複同一段文字時：`continue` 繼續接收，`stop` 停止，已收到的部分放在 `partial_output`。',
  },
  KIMI_STALL_TIMEOUT_MS: {
    group: 'relay',
    en: 'How long a stream may send nothing before it counts as interrupted. Milliseconds.',
    'zh-TW': '串流多久沒有內容就視為中斷，以毫秒計。',
  },
  KIMI_RELAY_STREAMS: {
    group: 'relay',
    en: 'Concurrent streams of each relay process.',
    'zh-TW': '每個中繼程序同時接收的串流數。',
  },
  KIMI_RELAY_TOKEN: {
    group: 'relay',
    en: 'Authenticates the worker to the relay; at least 16 characters. `up` makes one and keeps it in `KIMI_HOME`.',
    'zh-TW': 'worker 向中繼證明身分的權杖，至少 16 個字元。`up` 會產生一個並保存在 `KIMI_HOME`。',
  },
  KIMI_RELAY_URL: {
    group: 'relay',
    default: { en: '`http://127.0.0.1:$KIMI_RELAY_PORT`', 'zh-TW': '`http://127.0.0.1:$KIMI_RELAY_PORT`' },
    en: 'Where the worker reaches the relay.',
    'zh-TW': 'worker 連到中繼的網址。',
  },
  KIMI_RELAY_HOST: { group: 'relay', en: 'Address the relay listens on.', 'zh-TW': '中繼監聽的位址。' },
  KIMI_RELAY_PORT: {
    group: 'relay',
    en: 'Port the relay listens on; 0: any free port.',
    'zh-TW': '中繼監聽的連接埠；0：任何空閒的連接埠。',
  },
  KIMI_LANG: {
    group: 'results',
    en: 'Language of messages and reports: `zh-TW` or `en`.',
    'zh-TW': '訊息與報告的語言：`zh-TW` 或 `en`。',
  },
  KIMI_RESULTS_DIR: { group: 'results', en: 'Folder of the results.', 'zh-TW': '存放結果的資料夾。' },
  KIMI_RESULTS_KEEP: {
    group: 'results',
    default: { en: 'for ever', 'zh-TW': '永久保留' },
    en: 'How long acknowledged results are kept, e.g. `90d`. Others are never removed.',
    'zh-TW': '已確認的結果保留多久，例如 `90d`；其他結果不會移除。',
  },
} satisfies Partial<Record<VariableName, Entry>>;
