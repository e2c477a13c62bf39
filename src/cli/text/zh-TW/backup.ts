/** Backup and restore. */
export const backup = {
  exists: (file: string) => `${file} 已經存在，沒有覆寫。請換一個檔名。`,
  written: (file: string, kilobytes: number, pausedMs: number) =>
    `已備份到 ${file}（${kilobytes} KB）。${pausedMs > 0 ? `服務暫停了 ${pausedMs} 毫秒，任務照常繼續。` : ''}`,
  inside:
    '裡面有任務、提示、答案，以及簽署回呼用的密鑰，請妥善保管；沒有 .env 裡的金鑰與設定，請另外備份（KIMI_PAYLOAD_KEYS 遺失後，加密的任務無法讀取）。',
  elsewhere: '任務存在 TEMPORAL_ADDRESS 指定的 Temporal 伺服器上，不在這個備份裡；請另外備份那個伺服器。',
  none: (file: string) => `沒有 ${file} 這個檔案，所以沒有還原。`,
  running: '服務執行中，所以沒有還原。請先執行 kimi-dispatch down。',
  notEmpty: (what: string) =>
    `這裡已經有任務或結果（${what}），所以沒有還原。加上 --force 會先把它們移到一旁（不會刪除），再還原。`,
  notABackup: (file: string) => `${file} 不是 kimi-dispatch backup 做的備份，或已損壞；什麼都沒有改動。`,
  newer: (version: string) =>
    `這個備份由較新的 kimi-dispatch ${version} 製作，所以沒有還原。請先更新到這個版本或更新的版本。`,
  restored: (at: string, version: string) => `已還原 ${at} 的備份（kimi-dispatch ${version}）。`,
  replaced: (folders: string) => `原本的檔案移到：${folders}`,
  again:
    '接著執行 kimi-dispatch up --detach。備份當時還沒完成的任務會繼續：後來已完成的，可能再次送給 Kimi、再次收費，並再次通知。',
};
