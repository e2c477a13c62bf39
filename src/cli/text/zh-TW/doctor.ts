import { sayCause } from '../../../text/system-errors.ts';

/** Findings of `doctor`. */
export const doctor = {
  ok: '一切正常。',
  bad: (n: number) => `有 ${n} 項需要處理。`,
  node: (version: string) => `Node ${version}`,
  config: '設定正確',
  results: (folder: string) => `結果資料夾可以寫入：${folder}`,
  resultsBad: (folder: string, why: string) =>
    `結果資料夾 ${folder} 不能寫入（${sayCause(why, 'zh-TW')}）；用 KIMI_RESULTS_DIR 換一個`,
  between: '、',
  disks: (free: string) => `所有磁碟都可寫入，剩餘空間最少的還有 ${free}`,
  diskBad: (folders: string, why: string, variables: string) =>
    `不能寫入 ${folders}：${why}；請排除，或用 ${variables} 換到別處`,
  diskWhy: {
    ENOSPC: '磁碟已滿，任務會失敗，請清出空間',
    EDQUOT: '磁碟配額已用完，任務會失敗，請清出空間',
    EROFS: '磁碟掛載為唯讀',
    EACCES: '沒有寫入權限',
  } as Record<string, string>,
  diskLow: (folders: string, free: string, needed: string, variables: string) =>
    `${folders} 所在的磁碟只剩 ${free}，而一個大的答案在過程中最多會用到 ${needed}；請清出空間，或用 ${variables} 換到別處`,
  engine: (address: string, version: string) => `Temporal ${version}：${address}`,
  nothingRuns: (home: string) =>
    `沒有從 ${home} 啟動的服務；請執行 kimi-dispatch up --detach，要使用別處的 Temporal 伺服器，請設定 TEMPORAL_ADDRESS`,
  engineAway: (address: string) =>
    `執行中的服務的 Temporal 伺服器（${address}）沒有回應；稍後再試，一直如此時看 kimi-dispatch logs temporal`,
  engineBad: (address: string) => `連不上 Temporal（${address}）；請執行 kimi-dispatch up --detach`,
  attributes: '搜尋屬性已登錄',
  attributesBad: (names: string) => `缺少搜尋屬性 ${names}；啟動 worker 會登錄它們`,
  worker: (n: number) => `worker 在線：${n}`,
  workerBad: '沒有 worker 在線；請執行 kimi-dispatch up --detach',
  webhook: (url: string) => `webhook 在線：${url}`,
  webhookBad: (url: string) => `webhook 沒有回應：${url}；請執行 kimi-dispatch up --detach`,
  callbacks: (url: string) => `回呼可以送達：${url}`,
  callbacksBad: (url: string) =>
    `回呼無法送達：${url} 沒有回應；把 KIMI_CALLBACK_BASE_URL 設為 webhook 的位址，例如 http://127.0.0.1:9001`,
  journal: '沒有等待送進引擎的回呼',
  journalWaiting: (n: number, folder: string) =>
    `${n} 個回呼正在等待引擎（${folder}）；引擎恢復後會自動送出；若尚未恢復，請執行 kimi-dispatch up --detach`,
  journalFull: (n: number, folder: string) =>
    `回呼暫存區已滿（${folder}，${n} 個正在等待引擎），引擎停擺時無法再收；請讓引擎恢復，或調高 KIMI_JOURNAL_MAX_BYTES`,
  journalDiskFull: (folder: string) =>
    `回呼暫存資料夾 ${folder} 所在的磁碟放不下一個回呼，回呼可能無法收下；清出空間，或用 KIMI_JOURNAL_DIR 換一個`,
  journalBad: (folder: string) =>
    `回呼暫存資料夾 ${folder} 不能寫入，引擎停擺時無法收下回呼；清出磁碟空間，或用 KIMI_JOURNAL_DIR 換一個`,
  journalSetAside: (n: number, folder: string) =>
    `回呼暫存檔曾經損壞，已移到 ${folder} 裡的 damaged-…（${n} 個）；讀得到的回呼已送出，其餘可能遺失：請供應商重送，再刪除該資料夾`,
  deadLetters: (n: number, folder: string) =>
    `${n} 個已收下的回呼沒有對應的任務（${folder}）；檔案裡有原因與答案，看過之後請刪除`,
  eventsGivenUp: (n: number) =>
    `接收端沒有收下的事件：${n} 個；原因見 kimi-dispatch webhook list，重新傳送請執行 kimi-dispatch webhook resend`,
  secret: 'WEBHOOK_SECRET 已設定',
  secretNone: '沒有 WEBHOOK_SECRET；kimi-dispatch up 第一次啟動時會產生並保存',
  envOpen: (file: string) => `有個含有密鑰的檔案，其他使用者也讀得到；請執行 chmod 600 ${file}`,
  secretKept: (file: string) => `webhook 的密鑰只有你讀得到：${file}`,
  secretOpen: (file: string) => `webhook 的密鑰其他使用者也讀得到；請執行 chmod 600 ${file}，或設定新的 WEBHOOK_SECRET`,
  key: 'KIMI_API_KEY 已設定',
  keyElsewhere: '執行中的服務有 KIMI_API_KEY；這裡沒有那個主機的金鑰，所以沒有查詢餘額與模型',
  keyRefused: (host: string) =>
    `${host} 不接受這把 KIMI_API_KEY；請更正，並確認它屬於這個主機：api.moonshot.cn 與 api.moonshot.ai 的金鑰不通用`,
  authoritiesBad: (file: string, code: string) =>
    `NODE_EXTRA_CA_CERTS：讀不到 ${file}（${sayCause(code, 'zh-TW')}），所以不信任其中的憑證機構；請更正路徑`,
  hostBad: (host: string) => `連不上 ${host}；請檢查網路與 KIMI_API_URL`,
  model: (model: string) => `模型：${model}`,
  modelBad: (model: string, host: string) =>
    `${host} 現在沒有模型 ${model}；執行 kimi-dispatch models 看有哪些，再設定 KIMI_MODEL`,
  balance: (left: string) => `餘額：${left}`,
  balanceBad: (left: string) => `餘額已用完（${left}），Kimi 不會接受任務；請儲值`,
  clock: '時鐘準確',
  clockBad: (seconds: number, host: string) =>
    `這台機器的時鐘比 ${host} ${seconds > 0 ? '快' : '慢'} ${Math.abs(seconds)} 秒；請校正時間，否則期限與簽章會出錯`,
  keyBad: (file: string) => `沒有 KIMI_API_KEY；請在 ${file} 或環境設定它，或用 --simulate`,
  simulated: '使用模擬的 Kimi',
  callsBack: (host: string) => `Kimi API：${host}`,
  callsBackBad: (host: string) =>
    `${host} 只會當場回答，不會回呼；設定 KIMI_CALLBACKS=relay，或把 KIMI_API_URL 指向會回呼的 API`,
  relay: (url: string) => `中繼在線：${url}`,
  relayBad: (url: string) => `中繼沒有回應：${url}；請執行 kimi-dispatch up --detach`,
  metrics: (name: string, url: string) => `${name} 的指標有回應：${url}`,
  metricsBad: (name: string, url: string) => `${name} 的指標沒有回應：${url}；用 kimi-dispatch logs ${name} 看原因`,
  gateway: (url: string) => `OpenClaw 閘道有回應：${url}`,
  plugin: (url: string) => `閘道的外掛在線，也接受我們的權杖：${url}`,
  pluginToken: (url: string) => `閘道的外掛不接受我們的權杖：${url}；把 OPENCLAW_WAKE_TOKEN 設成 hooks.token`,
  pluginNone: (url: string) =>
    `閘道的外掛沒有回應：${url}；執行 kimi-dispatch setup openclaw，再執行 openclaw gateway restart`,
  noTest: 'KIMI_REPLY 不是 deliver 或 agent，所以沒有外掛可以送測試訊息',
  testMessage: 'Kimi Dispatch：測試訊息送到了。',
  testSent: '測試訊息已送給閘道的擁有者',
  testFailed: (why: string) => `測試訊息沒有送到閘道的擁有者：${why}`,
  gatewayBad: (url: string) => `OpenClaw 閘道沒有回應：${url}；啟動 OpenClaw，或修正 OPENCLAW_WAKE_URL`,
};
