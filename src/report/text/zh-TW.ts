import type { Timings } from '../../shared/result.ts';

/** Texts of a report in Traditional Chinese. English (en.ts) has the same shape. */
export const zhTW = {
  lang: 'zh-Hant-TW',
  title: 'Kimi Dispatch 報告',
  period: (from: string, to: string) => `${from} 至 ${to} (UTC)`,
  made: (time: string) => `${time} (UTC) 的狀況`,
  lost: '與服務失去聯繫；以下是最後收到的內容。',
  skip: '跳到內容',
  contents: '目錄',
  table: '數據',
  simulation: '這些都是模擬的任務：不收費，Token 數也是模擬的。',
  simulated: (n: string) => `另有 ${n} 個模擬的任務，不收費，未列入統計。`,
  damaged: (n: string) => `有 ${n} 個檔案損壞，未列入統計。`,
  none: '這段期間沒有結果。',
  unreadable: '目前無法讀取結果；原因在 webhook 的紀錄裡（kimi-dispatch logs webhook）。',
  /** Between the parts of an enumeration. */
  comma: '，',
  inFlight: {
    heading: '進行中的任務',
    none: '目前沒有進行中的任務。',
    away: '連不上引擎，所以不知道有哪些任務進行中。',
    more: (n: string) => `另外還有 ${n} 個。`,
    columns: ['名稱', '狀態', '模型', '已經過', '任務編號'],
  },
  overview: {
    heading: '摘要',
    tasks: '任務',
    done: '完成',
    tokens: 'Token',
    cost: '費用',
    saved: '比輪詢省下（估計）',
    truncated: (n: string) => `${n} 個答案被截斷`,
    late: (n: string) => `${n} 個在期限之後才到`,
    unacknowledged: (n: string) => `${n} 個還沒通知使用者`,
    unpriced: (n: string) => `${n} 個沒有價格`,
    noPrice: '沒有價格',
  },
  overTime: {
    heading: '任務與結果',
    columns: { hour: '小時 (UTC)', day: '日期 (UTC)', month: '月份 (UTC)' },
    total: '合計',
  },
  latency: {
    heading: '各步驟的時間',
    about:
      '橫條是中間一半的任務，中線是中位數，兩端是第 5 與第 95 百分位；橫軸每一格是前一格的十倍。橘色短線是目標時間。',
    untimed: (n: string) => `有 ${n} 個結果沒有記下各步驟的時間，不在這裡面。`,
    steps: {
      queued_ms: '排隊',
      dispatch_ms: '派發到收下',
      kimi_ms: 'Kimi 作答',
      save_ms: '回呼到存好',
      wake_ms: '存好到喚醒 Agent',
    } satisfies Record<keyof Timings, string>,
    columns: ['步驟', '任務', '中位數', '95%', '99%', '最長', '目標', '達標率'],
    under: (time: string) => `< ${time}`,
  },
  usage: {
    heading: 'Token 與費用',
    tokensOverTime: 'Token',
    costOverTime: (currency: string) => `費用 (${currency})`,
    prompt: '提示',
    completion: '生成',
    byModel: '依模型',
    byTime: { hour: '依小時', day: '依日期', month: '依月份' },
    model: '模型',
    columns: ['任務', '提示', '其中快取', '生成', '其中思考', '合計', '費用'],
    total: '總計',
    unpriced: (n: string) => `（${n} 個沒有價格）`,
  },
  polling: {
    heading: '若用輪詢（估計）',
    sentence: (tokens: string, polled: string, own: string, percent: string) =>
      `估計：若用輪詢，每個答案多 1000 個 token，共 ${tokens}；以原設計每 1000 個 token ¥0.6 的算法，是 ${polled}，現在是 ${own}，省 ${percent}。這是算式，並未實際量測任何 Agent。`,
  },
  ranked: {
    slowest: '最慢的任務',
    dearest: '最貴的任務',
    by: { CNY: '人民幣', USD: '美元', tokens: '沒有價格，依 Token' },
    columns: ['名稱', '結果', '模型', '費時', 'Token', '費用', '完成時間 (UTC)', '檔案'],
    file: '結果',
    none: '沒有可以列出的任務。',
  },
  failures: {
    heading: '失敗的原因',
    none: '沒有失敗或逾時的任務。',
    columns: ['原因', '任務', '最近一個'],
  },
};

/** The shape of both languages. */
export type ReportText = typeof zhTW;
