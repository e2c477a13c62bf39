import type { EventDelivery } from '../../../tasks/tasks.ts';

/** What the commands of webhooks say. */
export const webhook = {
  accepted: (origin: string, status: number, ms: number) => `${origin} 收下了測試事件：回應 ${status}，${ms} 毫秒。`,
  notAccepted: (why: string) => `接收端沒有收下測試事件：${why}`,
  none: '沒有未送達的事件。',
  noneGivenUp: '沒有已放棄的事件。',
  columns: ['事件', '任務', '接收端', '狀態', '開始', '原因'],
  states: { pending: '重試中', delivered: '已送達', given_up: '已放棄' } satisfies Record<
    EventDelivery['state'],
    string
  >,
  resent: (ids: string[]) => `重新傳送，期限三天：${ids.join('、')}`,
  dropped: (id: string) => `已移除，不再傳送：${id}`,
  unknown: (id: string) => `沒有未送達的事件「${id}」。執行 kimi-dispatch webhook list 可查看有哪些事件。`,
  notGivenUp: (id: string) => `沒有已放棄的事件「${id}」。執行 kimi-dispatch webhook list 可查看有哪些事件。`,
};
