import type { Problems } from '../../../tasks/problem.ts';

/** What the command line says of maps. */
export const maps = {
  dispatched: (name: string, rows: number) => `✅ Kimi 任務已派發：${name}（${rows} 筆）\n全部結束後會自動通知你！`,
  readAs: (file: string, encoding: string) =>
    `⚠️ ${file} 不是 UTF-8，已當作 ${encoding} 讀取；如果答案裡有亂碼，請另存成 UTF-8 再派發一次。`,
  unusable: ({ file, why, line = 0, most = 0, cells = 0, columns = 0 }: Problems['unusable_rows']) =>
    ({
      format: `${file} 不能使用；檔名必須以 .jsonl、.csv 或 .txt 結尾。`,
      not_text: `${file} 不是文字檔，沒有派發任何任務。`,
      too_large: `${file} 超過 ${most} 位元組，沒有派發任何任務；請分成幾個檔案。`,
      too_many: `${file} 超過 ${most} 筆，沒有派發任何任務；請分成幾個檔案。`,
      empty: `${file} 沒有資料，沒有派發任何任務。`,
      gone: `${file} 的資料沒有保存，沒有派發任何任務；請再給一次檔案。`,
      not_json: `${file} 的第 ${line} 行不是 JSON，沒有派發任何任務。`,
      not_object: `${file} 的第 ${line} 行不是 JSON 物件，沒有派發任何任務；每行必須像 {"text":"…"}。`,
      header: `${file} 的第 ${line} 行必須是欄位名稱，而且不能空白或重複；沒有派發任何任務。`,
      cells: `${file} 的第 ${line} 行有 ${cells} 欄，應該有 ${columns} 欄；沒有派發任何任務。`,
    })[why] ?? `${file} 的第 ${line} 行引號有誤，沒有派發任何任務。`,
  unknownColumn: (column: string, line: number, columns: string[]) =>
    `第 ${line} 行沒有 ${column} 這一欄，沒有派發任何任務；有的是：${columns.join('、')}。`,
  noColumn: (columns: string[]) =>
    `提示詞沒有用到任何一欄，所以每一筆都會問一樣的問題；沒有派發任何任務。請寫上 {{欄位}}，可用的是：${columns.join('、')}。`,
  row: (line: number, why: string) => `第 ${line} 行：${why} 沒有派發任何任務。`,
  noneFailed: (id: string) => `任務 ${id} 的每一筆都有答案，沒有可以重試的。`,
  noMap: (id: string) => `任務 ${id} 不是用 --map 派發的。`,
  rowsGone: (id: string) => `任務 ${id} 的資料已不再保存，不能重試；請用原本的檔案重新派發。`,
  noContinue: '--map 不能與 --continue 一起使用。',
  noAnswer: (id: string) =>
    `任務 ${id} 是用 --map 派發的，本身沒有答案。請印出每一筆的答案：kimi-dispatch result ${id} --all`,
  all: (id: string) => `每一筆的答案：kimi-dispatch result ${id} --all`,
  row_of: (map: string, number: number) => `${map} 的第 ${number} 筆`,
};
