/** What the commands of tokens say. */
export const token = {
  created: (name: string, scopes: readonly string[]) =>
    `權杖 ${name}（${scopes.join('、')}）已建立，只會顯示這一次；請妥善保存。使用方式：Authorization: Bearer 權杖`,
  notServed: '目前沒有服務接受權杖：請設定 KIMI_API_PORT，再執行 kimi-dispatch up。',
  exists: (name: string) =>
    `已經有名稱是「${name}」的權杖，所以沒有建立。請取別的名稱，或先撤銷它：kimi-dispatch token revoke ${name}`,
  badName: '名稱必須是 1 到 64 個英文字母、數字或 . _ -',
  none: '還沒有權杖。建立一個：kimi-dispatch token create 名稱',
  columns: ['名稱', '權限', '建立時間'],
  unknown: (name: string) => `沒有「${name}」這個權杖。執行 kimi-dispatch token list 可查看有哪些權杖。`,
  revoked: (name: string) => `權杖 ${name} 已撤銷，立即失效；它派發的任務不受影響。`,
};
