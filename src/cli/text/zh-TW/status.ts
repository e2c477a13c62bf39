import type { ScheduleNote } from '../../../shared/task.ts';
import type { Text } from '../../../text/index.ts';

/** Labels of `status`. */
export const status = {
  running: 'Kimi Dispatch 正在執行',
  stopped: (up: string) => `沒有服務在執行；請用 ${up} 啟動。`,
  task: '任務',
  question: '問題',
  id: '編號',
  state: '狀態',
  budget: '預算',
  allow: (command: string) => `要照樣送出：${command}`,
  place: '排隊位置',
  step: '正在進行',
  model: '模型',
  files: '檔案',
  rows: '資料',
  rowOf: '屬於',
  continues: '接續',
  schedule: '排程',
  dueAt: ({ name, due_at, timezone }: ScheduleNote, { schedule }: Text) =>
    `${name}（${schedule.at(due_at, timezone, Date.now())}）`,
  apiId: 'API 編號',
  created: '開始',
  deadline: '期限',
  completed: '完成',
  tokens: 'Token',
  cost: '費用',
  error: '原因',
  wakeError: '喚醒失敗',
  event: '事件',
  delivery: (origin: string, state: string, since: string, reason?: string) =>
    `${origin}：${state}，${since}${reason === undefined ? '' : `，${reason}`}`,
  retrying: '目前狀況',
  acknowledged: '已通知 Agent',
  result: '結果',
  gone: (file: string) => `${file}（已刪除，例如由 prune 清理，或已損壞）`,
  web: 'Web UI',
  late: (state: string) => `${state}（遲到的答案）`,
  yes: '是',
  no: '否',
};
