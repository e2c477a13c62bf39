import type { Lang } from '../../shared/task.ts';

export type Words = Record<Lang, string>;

/** Titles of the groups, in the order of the documentation. */
export const GROUPS = {
  kimi: { en: 'Kimi', 'zh-TW': 'Kimi' },
  limits: { en: 'Limits', 'zh-TW': '上限' },
  relay: { en: 'Relay', 'zh-TW': '中繼' },
  results: { en: 'Language and results', 'zh-TW': '語言與結果' },
  webhook: { en: 'Webhook', 'zh-TW': 'Webhook' },
  api: { en: 'HTTP API', 'zh-TW': 'HTTP API' },
  notification: { en: 'Notification', 'zh-TW': '通知' },
  temporal: { en: 'Temporal', 'zh-TW': 'Temporal' },
  payloads: { en: 'Payloads', 'zh-TW': '任務內容的加密與存放' },
  processes: { en: 'Folders and processes', 'zh-TW': '資料夾與程序' },
  observability: { en: 'Logs, metrics and traces', 'zh-TW': '紀錄、指標與追蹤' },
} as const satisfies Record<string, Words>;

export interface Entry extends Words {
  group: keyof typeof GROUPS;
  /** Its default, if the table of variables does not say it. */
  default?: Words;
}
