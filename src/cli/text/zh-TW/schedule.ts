/** What the commands of schedules say. */
export const schedule = {
  added: (name: string, when: string) => `🗓️ 排程已建立：${name}（${when}）`,
  next: (at: string, zone: string) => `下次：${at}，${zone}`,
  paused: (name: string) => `⏸️ 排程已暫停：${name}。暫停期間到的時間不會補；kimi-dispatch schedule resume 恢復。`,
  resumed: (name: string) => `▶️ 排程已恢復：${name}`,
  removed: (name: string) => `排程已移除：${name}。已派發的任務不受影響。`,
  none: '還沒有排程。新增一個：kimi-dispatch schedule add "每天 8:00" -p "…"',
  columns: ['名稱', '時間', '下次', '上次', '內容'],
  all: (parts: string[]) => parts.join('；'),
  isPaused: '已暫停',
  inZone: (at: string, zone: string) => `${at}（${zone}）`,
  lastTask: (id: string, state: string) => `${id} ${state}`,
  overlapped: (at: string, id: string) => `${at} 略過：任務 ${id} 還沒結束`,
  missed: (at: string, times: number) => `到 ${at} 為止有 ${times} 次沒有執行：當時服務沒有在執行`,
  problem: (at: string, why: string) => `${at} 沒有派發：${why}`,
  unknown: (name: string) => `沒有「${name}」這個排程。執行 kimi-dispatch schedule list 可查看有哪些排程。`,
  exists: (name: string) =>
    `已經有名稱是「${name}」的排程，所以沒有新增。請用 -n 取別的名稱，或先移除它：kimi-dispatch schedule remove "${name}"`,
  unknownTimes: (words: string, why?: string) =>
    `看不懂「${words}」是什麼時間${why === undefined ? '' : `（${why}）`}，所以沒有新增。請寫成「每天 8:00」、「每週一、五 9:30」、「平日 18:00」、「每月 1 號 8:00」、「每 2 小時」，或五欄的 cron，例如 "0 8 * * *"。`,
  neverDue: (words: string) => `「${words}」永遠不會到，所以沒有新增。請檢查日期，例如 2 月沒有 30 日。`,
  unknownTimezone: (timezone: string) =>
    `沒有「${timezone}」這個時區，所以沒有新增。請用 IANA 的名稱，例如 Asia/Taipei 或 America/New_York。`,
};
