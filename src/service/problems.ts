/** Problems of the services and the stack that a person can fix, in words of both languages. */
import { sayCode } from '../text/system-errors.ts';
import type { Lang } from '../shared/task.ts';

/** Who lacks `WEBHOOK_SECRET`. */
type Program = 'worker' | 'webhook' | 'relay' | 'simulator';

/** Problems by code, and what the sentence of each names. `cause` is a code such as `EACCES`. */
interface Problems {
  another_start: { home: string };
  bucket_unusable: { cause: string };
  child_failed: { name: string; why: string };
  /** `detail` is the last line of the program that downloads. */
  cli_download: { detail: string };
  cli_missing: object;
  cli_not_running: { file: string; detail: string };
  cli_not_temporal: { file: string };
  cli_too_old: { file: string; found: string; needed: string };
  code_missing: { file: string };
  dashboard_open: { host: string };
  dashboard_url: object;
  exited: { name: string; how: string; log: string };
  metrics_port: { port: number; host: string };
  no_ports_without_pages: { ports: number[] };
  no_relay_token: object;
  no_webhook_secret: { program: Program };
  nothing_to_acknowledge: { file: string };
  payload_damaged: { name: string; where: string };
  payload_folder: { cause: string };
  payload_gone: { name: string; where: string };
  payload_key_missing: { key: string; task?: string | undefined };
  payload_key_wrong: { key: string; task?: string | undefined };
  payload_misnamed: { name: string };
  payload_not_stored: { where: string; cause: string };
  payload_unreadable: { name: string; where: string; cause: string };
  ports: { ports: { host: string; port: number; variable: string; code: string }[] };
  program_missing: { file: string; cause: string };
  recordings_folder: { cause: string };
  remains: { pids: number[] };
  program_gone: { file: string };
  result_damaged: { file: string };
  results_folder: { cause: string };
  secret_damaged: { file: string };
  server_older: { home: string; file: string; found: string; written: string };
  tokens_damaged: { file: string };
  upgrade_failed: { file: string; found: string; written: string };
  used_key_missing: { key: string; file: string };
}

export type ServiceProblemCode = keyof Problems;

export type ServiceProblemOf<Code extends ServiceProblemCode> = { code: Code; params: Problems[Code] };

export type ServiceProblem = { [Code in ServiceProblemCode]: ServiceProblemOf<Code> }[ServiceProblemCode];

/** @returns one sentence: what is wrong, and what to do. */
export function describeService({ code, params }: ServiceProblem, lang: Lang): string {
  return (WORDS[lang][code] as (params: ServiceProblem['params']) => string)(params);
}

type Words = { [Code in keyof Problems]: (params: Problems[Code]) => string };

const SECRET_EXAMPLE = '$(openssl rand -hex 32)';

const WORDS: Record<Lang, Words> = {
  en: {
    another_start: ({ home }) => `another kimi-dispatch is starting or stopping in ${home}; try again in a moment`,
    bucket_unusable: ({ cause }) =>
      `KIMI_PAYLOAD_S3_BUCKET cannot be used (${sayCode(cause, 'en')}); check the AWS_* variables`,
    child_failed: ({ name, why }) => `${name}: ${why}`,
    cli_download: ({ detail }) => detail,
    cli_missing: () => 'no temporal there',
    cli_not_running: ({ file, detail }) => `${file} does not run: ${detail}`,
    cli_not_temporal: ({ file }) => `${file} is not a Temporal CLI with a server in it`,
    cli_too_old: ({ file, found, needed }) => `${file} holds server ${found}; ${needed} or newer is needed`,
    code_missing: ({ file }) => `${file} is missing: run npm run build`,
    dashboard_open: ({ host }) =>
      `KIMI_DASHBOARD=on needs KIMI_DASHBOARD_TOKEN if other machines can reach it (WEBHOOK_HOST=${host}); e.g. KIMI_DASHBOARD_TOKEN=${SECRET_EXAMPLE}`,
    dashboard_url: () =>
      `KIMI_DASHBOARD_URL needs KIMI_DASHBOARD_TOKEN, and a dashboard that is not off; e.g. KIMI_DASHBOARD_TOKEN=${SECRET_EXAMPLE}`,
    exited: ({ name, how, log }) => `${name} ended with ${how}; its log is ${log}`,
    metrics_port: ({ port, host }) =>
      `port ${port} on ${host} cannot be used for metrics; choose others with KIMI_METRICS_PORT and KIMI_METRICS_HOST`,
    no_ports_without_pages: ({ ports }) =>
      `none of the ports that web pages cannot reach is free (${ports.join(', ')}); stop what uses them, e.g. another stack`,
    no_relay_token: () =>
      `KIMI_RELAY_TOKEN is not set, so any client could spend the key; give relay and worker the same token, e.g. KIMI_RELAY_TOKEN=${SECRET_EXAMPLE}`,
    no_webhook_secret: ({ program }) =>
      ({
        worker: 'WEBHOOK_SECRET is not set, so no callback can be verified; set it to the webhook’s value',
        webhook: `WEBHOOK_SECRET is not set, so no callback can be verified; e.g. WEBHOOK_SECRET=${SECRET_EXAMPLE}`,
        relay: 'WEBHOOK_SECRET is not set: the relay signs its callbacks with it',
        simulator: 'WEBHOOK_SECRET is not set: the simulated Kimi signs its callbacks with it',
      })[program],
    nothing_to_acknowledge: ({ file }) => `${file} is missing or damaged: nothing to acknowledge`,
    payload_damaged: ({ name, where }) => `payload ${name} in ${where} is damaged; restore it, or terminate its task`,
    payload_folder: ({ cause }) =>
      `cannot write to the payload folder (${sayCode(cause, 'en')}); choose another with KIMI_PAYLOAD_DIR`,
    payload_gone: ({ name, where }) => `payload ${name} is not in ${where}; restore it, or terminate its task`,
    payload_key_missing: ({ key, task }) =>
      `${payloadOf(task)} is encrypted with the key ${JSON.stringify(key)}, which KIMI_PAYLOAD_KEYS does not hold; add it there, after the first`,
    payload_key_wrong: ({ key, task }) =>
      `${payloadOf(task)} does not open with the key ${JSON.stringify(key)}: it is damaged, or KIMI_PAYLOAD_KEYS holds another key under this id`,
    payload_misnamed: ({ name }) => `${JSON.stringify(name)} is not the name of a payload`,
    payload_not_stored: ({ where, cause }) => `cannot store a payload in ${where}: ${sayCode(cause, 'en')}`,
    payload_unreadable: ({ name, where, cause }) => `cannot read payload ${name} in ${where}: ${sayCode(cause, 'en')}`,
    ports: ({ ports }) =>
      ports
        .map(({ host, port, variable, code }) => {
          const reason = code === 'EADDRINUSE' ? 'is taken' : `cannot be used (${sayCode(code, 'en')})`;
          return `port ${port} on ${host} ${reason}; choose another with ${variable}`;
        })
        .join('; '),
    program_missing: ({ file, cause }) => `${file} cannot be run: ${sayCode(cause, 'en')}`,
    recordings_folder: ({ cause }) =>
      `cannot write to the folder of streamed answers (${sayCode(cause, 'en')}); choose another folder with KIMI_HOME`,
    remains: ({ pids }) =>
      `processes of a stack that was killed do not end: ${pids.join(', ')}; end them and try again`,
    program_gone: ({ file }) =>
      `${file} is missing, because the package was updated or removed; run kimi-dispatch down, then kimi-dispatch up --detach`,
    result_damaged: ({ file }) =>
      `${file} is damaged: it holds no result. Remove it; the engine keeps the task's answer`,
    results_folder: ({ cause }) =>
      `cannot write to the results folder (${sayCode(cause, 'en')}); choose another with KIMI_RESULTS_DIR`,
    secret_damaged: ({ file }) =>
      `${file} is damaged: it does not hold the secret that was written to it; restore it, or remove it and a new one is made`,
    server_older: ({ home, file, found, written }) =>
      `the engine's database in ${home} was written by Temporal server ${written}, and ${file} holds ${found}, which may not understand it, so nothing was started; install ${written} or newer and name it in TEMPORAL_CLI_PATH, or restore a backup from before`,
    tokens_damaged: ({ file }) =>
      `${file} is damaged, so no token is valid; restore it, or remove it and make the tokens again`,
    upgrade_failed: ({ file, found, written }) =>
      `Temporal server ${found} (${file}) cannot open the engine's database, which ${written} wrote; the database was put back as it was and no task is lost; name a server ${written} in TEMPORAL_CLI_PATH`,
    used_key_missing: ({ key, file }) =>
      `what the engine keeps is encrypted with the key "${key}", which KIMI_PAYLOAD_KEYS does not hold; add it there, behind the one for what is new, or remove its line from ${file} once nothing of it is kept`,
  },
  'zh-TW': {
    another_start: ({ home }) => `另一個 kimi-dispatch 正在 ${home} 啟動或停止；請稍後再試`,
    bucket_unusable: ({ cause }) => `無法使用 KIMI_PAYLOAD_S3_BUCKET（${sayCode(cause, 'zh-TW')}）；請檢查 AWS_* 變數`,
    child_failed: ({ name, why }) => `${name}：${why}`,
    cli_download: ({ detail }) => `「${detail}」`,
    cli_missing: () => '沒有 temporal',
    cli_not_running: ({ file, detail }) => `無法執行 ${file}：「${detail}」`,
    cli_not_temporal: ({ file }) => `${file} 不是含有伺服器的 Temporal CLI`,
    cli_too_old: ({ file, found, needed }) => `${file} 的伺服器是 ${found} 版，需要 ${needed} 以上`,
    code_missing: ({ file }) => `找不到 ${file}；請執行 npm run build`,
    dashboard_open: ({ host }) =>
      `其他機器連得到儀表板時（WEBHOOK_HOST=${host}），KIMI_DASHBOARD=on 需要 KIMI_DASHBOARD_TOKEN；例如 KIMI_DASHBOARD_TOKEN=${SECRET_EXAMPLE}`,
    dashboard_url: () =>
      `KIMI_DASHBOARD_URL 需要 KIMI_DASHBOARD_TOKEN，儀表板也不能關閉；例如 KIMI_DASHBOARD_TOKEN=${SECRET_EXAMPLE}`,
    exited: ({ name, how, log }) => `${name} 已結束（${how}）；紀錄在 ${log}`,
    metrics_port: ({ port, host }) =>
      `${host} 的連接埠 ${port} 不能用來提供指標；請用 KIMI_METRICS_PORT 與 KIMI_METRICS_HOST 換一個`,
    no_ports_without_pages: ({ ports }) =>
      `網頁連不到的連接埠全都被占用了（${ports.join('、')}）；請停止占用它們的程式，例如另一組服務`,
    no_relay_token: () =>
      `沒有設定 KIMI_RELAY_TOKEN，任何程式都能使用這把金鑰；請為中繼與 worker 設定相同的權杖，例如 KIMI_RELAY_TOKEN=${SECRET_EXAMPLE}`,
    no_webhook_secret: ({ program }) =>
      ({
        worker: '沒有設定 WEBHOOK_SECRET，無法驗證回呼；請設成與 webhook 相同的值',
        webhook: `沒有設定 WEBHOOK_SECRET，無法驗證回呼；例如 WEBHOOK_SECRET=${SECRET_EXAMPLE}`,
        relay: '沒有設定 WEBHOOK_SECRET，中繼無法簽署回呼',
        simulator: '沒有設定 WEBHOOK_SECRET，模擬的 Kimi 無法簽署回呼',
      })[program],
    nothing_to_acknowledge: ({ file }) => `${file} 不存在或已損壞，沒有可以確認的結果`,
    payload_damaged: ({ name, where }) => `${where} 裡的內容 ${name} 已損壞；請還原它，或終止它的任務`,
    payload_folder: ({ cause }) =>
      `不能寫入存放任務內容的資料夾（${sayCode(cause, 'zh-TW')}）；請用 KIMI_PAYLOAD_DIR 換一個`,
    payload_gone: ({ name, where }) => `${where} 裡沒有內容 ${name}；請還原它，或終止它的任務`,
    payload_key_missing: ({ key, task }) =>
      `${payloadIn(task)}以金鑰 ${JSON.stringify(key)} 加密，而 KIMI_PAYLOAD_KEYS 裡沒有這把金鑰；請加在第一把之後`,
    payload_key_wrong: ({ key, task }) =>
      `${payloadIn(task)}無法用金鑰 ${JSON.stringify(key)} 解密：內容已損壞，或 KIMI_PAYLOAD_KEYS 裡同名的是另一把金鑰`,
    payload_misnamed: ({ name }) => `${JSON.stringify(name)} 不是任務內容的名稱`,
    payload_not_stored: ({ where, cause }) => `無法把任務內容存到 ${where}：${sayCode(cause, 'zh-TW')}`,
    payload_unreadable: ({ name, where, cause }) => `讀不到 ${where} 裡的內容 ${name}：${sayCode(cause, 'zh-TW')}`,
    ports: ({ ports }) =>
      ports
        .map(
          ({ host, port, variable, code }) =>
            `${host} 的連接埠 ${port} 不能使用（${sayCode(code, 'zh-TW')}）；請用 ${variable} 換一個`,
        )
        .join('；'),
    program_missing: ({ file, cause }) => `無法執行 ${file}：${sayCode(cause, 'zh-TW')}`,
    recordings_folder: ({ cause }) =>
      `不能寫入存放串流答案的資料夾（${sayCode(cause, 'zh-TW')}）；請用 KIMI_HOME 換一個`,
    remains: ({ pids }) => `上一組服務被強制結束後，還有程序沒有停止：${pids.join('、')}；請結束它們再試一次`,
    program_gone: ({ file }) =>
      `找不到 ${file}，因為套件已更新或移除；請執行 kimi-dispatch down，再執行 kimi-dispatch up --detach`,
    result_damaged: ({ file }) => `${file} 已損壞，裡面沒有結果。請刪除它；引擎裡仍有這個任務的答案`,
    results_folder: ({ cause }) => `不能寫入結果資料夾（${sayCode(cause, 'zh-TW')}）；請用 KIMI_RESULTS_DIR 換一個`,
    secret_damaged: ({ file }) => `${file} 已損壞，裡面不是當初寫入的密鑰；請還原它，或刪除它，之後會產生新的`,
    server_older: ({ home, file, found, written }) =>
      `${home} 裡引擎的資料庫由 Temporal 伺服器 ${written} 寫入，而 ${file} 是較舊的 ${found}，可能讀不懂，所以什麼都沒有啟動；請安裝 ${written} 或更新的版本並以 TEMPORAL_CLI_PATH 指定，或還原先前的備份`,
    tokens_damaged: ({ file }) => `${file} 已損壞，所有權杖都無效；請還原它，或刪除它並重新建立權杖`,
    upgrade_failed: ({ file, found, written }) =>
      `Temporal 伺服器 ${found}（${file}）打不開引擎的資料庫（由 ${written} 寫入）；資料庫已恢復原狀，沒有遺失任務；請以 TEMPORAL_CLI_PATH 指定 ${written} 版的伺服器`,
    used_key_missing: ({ key, file }) =>
      `引擎裡的資料以金鑰 ${JSON.stringify(key)} 加密，而 KIMI_PAYLOAD_KEYS 裡沒有這把金鑰；請加在新的金鑰之後，或在引擎不再有這些資料時，從 ${file} 移除它那一行`,
  },
};

function payloadOf(task: string | undefined): string {
  return task === undefined ? 'a payload' : `a payload of task ${task}`;
}

function payloadIn(task: string | undefined): string {
  return task === undefined ? '有一份內容' : `任務 ${task} 的內容`;
}
