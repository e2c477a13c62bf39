import { sayCause } from '../../../text/system-errors.ts';

/** Errors in how a command was called. */
export const usage = {
  unknownOption: (name: string, lookUp: string) => `沒有 ${name} 這個選項。${lookUp}`,
  unknownCommand: (name: string, lookUp: string) => `沒有 ${name} 這個指令。${lookUp}`,
  didYouMean: (names: string) => `是不是 ${names}？`,
  listed: '加上 --help 可查看有哪些。',
  missingArgument: (name: string) => `缺少 ${name}。加上 --help 可查看用法。`,
  invalidValue: (name: string, wanted: string) => `${name} 的值不對；${wanted}。`,
  repeated: (name: string) => `${name} 重複出現；請只給一個值。`,
  other: (why: string) => `指令的寫法不對：「${why}」。加上 --help 可查看用法。`,
  emptyWord: '要搜尋的字詞是空的，所以沒有搜尋；請把它拿掉。',
  tooMany: (command: string, most: string, given: string) =>
    `引數太多了：${command} 只接受 ${most} 個，這裡有 ${given} 個，所以沒有執行。含有空白的文字請加上引號。`,
  noPrompt: '沒有內容可以交給 Kimi。請用 -p "內容"、-f 檔案，或 -p - 從標準輸入讀取。',
  oneFormat: '匯出格式只能選一種：--markdown、--json 或 --csv。',
  onePrompt: '要交給 Kimi 的內容只能選一個來源：引數、-p、-f 或 --message。',
  tooLong: (bytes: number, limit: number, continues?: string) =>
    continues === undefined
      ? `內容有 ${bytes} 位元組，上限是 ${limit}。請縮短內容。`
      : `到任務 ${continues} 為止的對話加上新的提示詞有 ${bytes} 位元組，上限是 ${limit}。請接續較早的任務，或附上摘要另開新任務。`,
  inputTooLong: (name: string | undefined, limit: number) =>
    `${name === undefined ? '標準輸入' : `${name} `}太長了，上限是 ${limit} 位元組。請縮短內容。`,
  notText: (file: string) => `${file} 不是 UTF-8 的文字檔；其他編碼的檔案請用 --attach 附上。`,
  noTrigger: '訊息沒有以 Kimi:、Kimi： 或「kimi 」開頭，或後面沒有內容，所以不是 Kimi 任務。',
  unreadable: (file: string, why: string) => `讀不到 ${file}（${sayCause(why, 'zh-TW')}）。`,
  badReceiver: (why: string) => `沒有送出：${why}。`,
  badName:
    '任務名稱只能包含文字、數字、空白與 . _ -，頭尾須是文字或數字，最多 64 個字；也不能是 last、純數字或編號的開頭（kimi-1），因為這些會指到別的任務。',
  badTaskId: (id: string) =>
    `${id} 不是任務編號，也不是任務名稱；編號的格式是 kimi-1707654321-12345，遲到的答案是 kimi-1707654321-12345-late。執行 kimi-dispatch list 可查看有哪些任務。`,
  duration: '必須有單位，例如 120s、5m 或 1h，最長 24 小時',
  model: '必須是 1 到 128 個字元，不含空白',
  temperature: '必須是 0 到 2 的數字',
  amount: '必須是 0.0001 以上的金額，例如 0.5，不加幣別',
  maxTokens: '必須是 1 到 9999999 的整數',
  tools: (names: string) => `只能是 ${names}，以逗號分隔`,
  thinking: '必須是 on、off，或模型支援的強度，例如 low',
  emptyFile: (file: string) => `${file} 是空的。`,
  unusableFile: (file: string, why: string, most = 0) =>
    ({
      empty: `${file} 是空的，不能附上。`,
      folder: `${file} 是資料夾，不能附上；請附上裡面的檔案。`,
      no_file: `${file} 是裝置或管線而不是檔案，不能附上；請把內容存成檔案。`,
      too_large: `${file} 超過單一檔案的上限 ${most} 位元組；請只附上其中一部分。`,
      too_long: `${file} 的文字超過 ${most} 位元組，沒有模型容得下；請只附上其中一部分。`,
      unknown: `${file} 不是文字、圖片（PNG、JPEG、GIF、WebP、BMP）或文件（PDF、Office、OpenDocument、EPUB），不能附上；請另存成其中一種。`,
      old_format: `${file} 的格式只有 Moonshot 讀得懂；請另存成 DOCX、XLSX、PPTX、EPUB 或 PDF。`,
      no_text: `${file} 裡沒有文字，可能是掃描的頁面；請把頁面以圖片（PNG 或 JPEG）附上，或先做文字辨識。`,
      scanned: `${file} 只有掃描的頁面，沒有文字，而這個模型不一定接受圖片；請改用接受圖片的模型（例如 -m kimi-k2.6）、把頁面以圖片（PNG 或 JPEG）附上，或先做文字辨識。`,
      blank: `${file} 裡沒有文字；如果內容是圖片，請把圖片（PNG 或 JPEG）另外附上。`,
      unpacked: `${file} 解壓縮後超過 200 MB；請只附上其中一部分。`,
      locked: `${file} 有密碼保護，無法讀取；請另存成沒有密碼的檔案。`,
      damaged: `${file} 已損壞，無法讀取；請用原本的程式開啟後重新儲存。`,
    })[why] ?? `${file} 太複雜，無法讀取；請另存成文字檔或 PDF。`,
  tooManyFiles: (files: number, most: number) => `附上了 ${files} 個檔案，最多 ${most} 個；請減少檔案。`,
  filesTooLarge: (bytes: number, most: number, images?: true) =>
    `附上的${images ? '圖片' : '檔案'}共 ${bytes} 位元組，上限是 ${most}。請減少或換成較小的檔案。`,
  notSchema: (file: string) =>
    `${file} 不是 JSON Schema；它必須是一個 JSON 物件，並有 type、properties、$ref 等關鍵字，例如 {"type":"object","properties":{}}。`,
  priority: '必須是 1 到 5',
  route: '必須是一個聊天室，寫成含有 channel 與 to 的 JSON，例如 {"channel":"telegram","to":"4242"}',
  limit: '必須是 0 到 100000 的整數；0 表示無上限',
  age: '必須有單位，例如 30d、12h 或 1y，最長 100y',
  choices: (words: string) => `必須是 ${words.replaceAll(', ', '、')} 其中之一`,
  states: (known: [state: string, shown: string][]) =>
    `必須是 ${known.map(([state, shown]) => `${state}（${shown}）`).join('、')}，以逗號分隔`,
  grouping: '必須是 model、day 或 name',
  count: '必須是 1 到 10000 的整數',
};
