import type { VariableName } from '../variables.ts';
import type { Entry } from './entry.ts';

/** What the services are set by. */
export const OF_SERVICES = {
  WEBHOOK_SECRET: {
    group: 'webhook',
    en: 'Signs callbacks; at least 16 characters, or `whsec_<base64>`. The same for webhook, relay and worker; `up` makes one and keeps it in `KIMI_HOME`.',
    'zh-TW':
      '簽署回呼的密鑰，至少 16 個字元，或 `whsec_<base64>`。webhook、中繼與 worker 用同一個；`up` 會產生一個並保存在 `KIMI_HOME`。',
  },
  WEBHOOK_ADDITIONAL_SECRETS: {
    group: 'webhook',
    en: 'Further secrets that are accepted during a rotation, separated by spaces.',
    'zh-TW': '更換密鑰期間同時接受的其他密鑰，以空白分隔。',
  },
  WEBHOOK_HOST: {
    group: 'webhook',
    en: 'Address the webhook listens on. For callbacks from other machines, put a reverse proxy in front of it.',
    'zh-TW': 'webhook 監聽的位址。要接收其他機器的回呼，請在它前面放反向代理。',
  },
  WEBHOOK_PORT: {
    group: 'webhook',
    en: 'Port the webhook listens on; 0: any free port.',
    'zh-TW': 'webhook 監聽的連接埠；0：任何空閒的連接埠。',
  },
  KIMI_CALLBACK_BASE_URL: {
    group: 'webhook',
    default: { en: '`http://localhost:$WEBHOOK_PORT`', 'zh-TW': '`http://localhost:$WEBHOOK_PORT`' },
    en: 'Where Kimi, or the relay, reaches the webhook.',
    'zh-TW': 'Kimi 或中繼連到 webhook 的網址。',
  },
  KIMI_JOURNAL_DIR: {
    group: 'webhook',
    default: { en: '`$KIMI_HOME/journal`', 'zh-TW': '`$KIMI_HOME/journal`' },
    en: 'Folder of callbacks that wait for Temporal. On a local disk, not a network share; several webhooks may share it.',
    'zh-TW': '等待 Temporal 的回呼所在的資料夾。必須在本機磁碟上，不能是網路磁碟；幾個 webhook 可以共用。',
  },
  KIMI_JOURNAL_MAX_BYTES: {
    group: 'webhook',
    en: 'How many bytes the waiting callbacks may take; beyond it, the webhook answers 503.',
    'zh-TW': '等待中的回呼總共可占用的位元組數；超過時 webhook 回應 503。',
  },
  KIMI_DASHBOARD: {
    group: 'webhook',
    default: {
      en: '`on` if `WEBHOOK_HOST` is loopback or there is a token',
      'zh-TW': '`WEBHOOK_HOST` 是本機位址或有權杖時為 `on`',
    },
    en: "Live report at the webhook's `/`, `on` or `off`. Set a token if a proxy on this machine forwards more than `/kimi/webhook/`.",
    'zh-TW':
      'webhook 在 `/` 提供的即時報告，`on` 或 `off`。本機的代理伺服器轉送 `/kimi/webhook/` 以外的路徑時，請設定權杖。',
  },
  KIMI_DASHBOARD_URL: {
    group: 'webhook',
    en: 'Address of the live report for phones and other machines, e.g. of a tunnel; needs `KIMI_DASHBOARD_TOKEN`. If it is set, an answer that does not fit into its chat ends with a link to its page: signed, without the token, for that task alone, for 7 days.',
    'zh-TW':
      '手機與其他機器開啟即時報告的網址，例如通道（tunnel）的網址；需要 `KIMI_DASHBOARD_TOKEN`。設定後，聊天室放不下的答案最後會附上該頁的連結：有簽章、不含權杖、只能看那個任務，7 天內有效。',
  },
  KIMI_DASHBOARD_TOKEN: {
    group: 'webhook',
    en: 'Opens the live report from other machines; at least 16 characters. Browsers ask for it as a password; the user name does not matter.',
    'zh-TW': '從其他機器開啟即時報告的權杖，至少 16 個字元。瀏覽器會當成密碼詢問，使用者名稱可隨意填寫。',
  },
  KIMI_API_PORT: {
    group: 'api',
    en: 'Serves the HTTP API over TCP (docs/http-api.md), for programs with a token (`kimi-dispatch token create`); 0: any free port. Without it, the API is a socket for this user only.',
    'zh-TW':
      '以 TCP 提供 HTTP API 的連接埠（docs/http-api.md），供持有權杖的程式使用（`kimi-dispatch token create`）；0：任何空閒的連接埠。未設定時，API 只有這個使用者能用的 socket。',
  },
  KIMI_API_HOST: {
    group: 'api',
    en: 'Address that the HTTP API listens on. For other machines, put a reverse proxy with TLS in front of it: tokens are sent in clear.',
    'zh-TW': 'HTTP API 監聽的位址。要給其他機器使用，請在它前面放有 TLS 的反向代理，因為權杖以明文傳送。',
  },
  KIMI_API_REQUESTS_PER_MINUTE: {
    group: 'api',
    en: 'Most requests of one token in a minute; beyond it, 429. 0: no limit.',
    'zh-TW': '一個權杖每分鐘最多的請求數，超過時回應 429。0：不限制。',
  },
  KIMI_REPLY: {
    group: 'notification',
    default: { en: 'wake at `OPENCLAW_WAKE_URL`', 'zh-TW': '喚醒 `OPENCLAW_WAKE_URL`' },
    en: 'How the user is notified: `hooks` wakes the agent, which acknowledges; with the OpenClaw plugin, `deliver` posts the reply to the chat and `agent` wakes the agent of that chat. Read by the worker and where a task is dispatched.',
    'zh-TW':
      '如何通知使用者：`hooks` 喚醒 Agent，由 Agent 確認；使用 OpenClaw 外掛時，`deliver` 把回覆直接送到聊天室，`agent` 喚醒該聊天室的 Agent。worker 與派發任務的地方都會讀取。',
  },
  KIMI_ACK: {
    group: 'notification',
    default: {
      en: '`agent` if `KIMI_REPLY` is `hooks` or `agent`, else `gateway`',
      'zh-TW': '`KIMI_REPLY` 是 `hooks` 或 `agent` 時為 `agent`，否則 `gateway`',
    },
    en: 'What acknowledges a notification: `gateway`, its 2xx, or `agent`, `kimi-dispatch ack TASK`; the wake is repeated after 1, 5 and 30 minutes until then. Read where a task is dispatched.',
    'zh-TW':
      '通知怎樣才算已確認：`gateway` 是閘道回應 2xx，`agent` 是 Agent 執行 `kimi-dispatch ack TASK`；在那之前會於 1、5、30 分鐘後再次喚醒。在派發任務的地方讀取。',
  },
  OPENCLAW_WAKE_URL: {
    group: 'notification',
    en: "Wake URL of the agent's gateway.",
    'zh-TW': 'Agent 所在閘道的喚醒網址。',
  },
  OPENCLAW_WAKE_TOKEN: {
    group: 'notification',
    en: "The gateway's `hooks.token`.",
    'zh-TW': '閘道的 `hooks.token`。',
  },
  KIMI_NOTIFY_URL: {
    group: 'notification',
    default: { en: 'only the receiver that a task names', 'zh-TW': '只送往任務指定的接收端' },
    en: 'Receives the event of every task that ends and names no receiver itself (docs/webhooks.md). Read by the worker.',
    'zh-TW': '任務結束而沒有自己指定接收端時，事件送到這個網址（docs/webhooks.md）。由 worker 讀取。',
  },
  KIMI_NOTIFY_SECRET: {
    group: 'notification',
    en: 'Signs events: `whsec_<base64>` of at least 24 bytes; during a rotation two, separated by a space, and events have both signatures. `up` makes one and keeps it in `KIMI_HOME`; `kimi-dispatch webhook secret` prints it. Read by the worker.',
    'zh-TW':
      '簽署事件的密鑰：`whsec_<base64>`，至少 24 位元組；更換期間可以有兩個，以空白分隔，事件會帶有兩個簽章。`up` 會產生一個並保存在 `KIMI_HOME`，`kimi-dispatch webhook secret` 可印出它。由 worker 讀取。',
  },
  KIMI_NOTIFY_ALLOW: {
    group: 'notification',
    default: { en: 'public addresses, by https', 'zh-TW': '公開的位址，以 https 連線' },
    en: 'Hosts, addresses and networks that events may be sent to although they are not public, separated by commas; also by http. Read by the worker and where a task is dispatched.',
    'zh-TW': '事件可以送往的非公開主機、位址與網段，以逗號分隔；也可以用 http。worker 與派發任務的地方都會讀取。',
  },
  TEMPORAL_ADDRESS: {
    group: 'temporal',
    default: { en: 'the embedded server', 'zh-TW': '內建的伺服器' },
    en: 'Address of your own Temporal server (docs/cluster.md). The other `TEMPORAL_*` variables count only with it.',
    'zh-TW': '你自己的 Temporal 伺服器的位址（docs/cluster.md）。其他 `TEMPORAL_*` 變數只在設定它時有作用。',
  },
  KIMI_TEMPORAL_PROFILE: {
    group: 'temporal',
    en: 'Profile of `temporal.toml` that names your own Temporal server. `TEMPORAL_PROFILE` and the default profile are not read.',
    'zh-TW':
      '改用 `temporal.toml` 裡的一個 profile 指定 Temporal 伺服器。`TEMPORAL_PROFILE` 與預設的 profile 不會讀取。',
  },
  KIMI_TASK_QUEUE: {
    group: 'temporal',
    en: 'Name of the task queue; with `--simulate`, `-simulated` is added.',
    'zh-TW': 'task queue 的名稱；使用 `--simulate` 時加上 `-simulated`。',
  },
  TEMPORAL_CLI_PATH: {
    group: 'temporal',
    default: { en: 'found on the `PATH`, or fetched', 'zh-TW': '在 `PATH` 裡尋找，或自動下載' },
    en: 'The `temporal` binary of the embedded server.',
    'zh-TW': '內建伺服器所用的 `temporal` 執行檔。',
  },
  KIMI_TEMPORAL_PORT: {
    group: 'temporal',
    en: 'Port of the embedded server; 0: any free port.',
    'zh-TW': '內建伺服器的連接埠；0：任何空閒的連接埠。',
  },
  KIMI_UI_PORT: {
    group: 'temporal',
    en: 'Port of the embedded Web UI; 0: any free port.',
    'zh-TW': '內建 Web UI 的連接埠；0：任何空閒的連接埠。',
  },
  KIMI_PAYLOAD_KEYS: {
    group: 'payloads',
    en: 'Encrypts every payload with AES-256-GCM: `id:base64` of 32 bytes, separated by spaces or commas. The first key encrypts, all decrypt. The same for worker, webhook and command line.',
    'zh-TW':
      '以 AES-256-GCM 加密所有內容：`id:base64`（32 位元組），以空白或逗號分隔。第一把用來加密，全部都能解密。worker、webhook 與命令列用相同的金鑰。',
  },
  KIMI_PAYLOAD_DIR: {
    group: 'payloads',
    default: { en: '`$KIMI_HOME/payloads`', 'zh-TW': '`$KIMI_HOME/payloads`' },
    en: 'Folder of payloads of 256 KiB or more.',
    'zh-TW': '存放 256 KiB 以上內容的資料夾。',
  },
  KIMI_PAYLOAD_S3_BUCKET: {
    group: 'payloads',
    en: 'A bucket in place of the folder; `AWS_*` as the AWS SDK reads them. Set a lifecycle rule for `kimi-dispatch/` that is longer than tasks are open and kept.',
    'zh-TW':
      '以儲存貯體取代資料夾；`AWS_*` 照 AWS SDK 的方式讀取。請為 `kimi-dispatch/` 設定生命週期規則，期限要比任務執行與保留的時間長。',
  },
  KIMI_CODEC_TOKEN: {
    group: 'payloads',
    en: "Serves decrypted payloads to the Web UI on the worker's port; at least 16 characters. Off without it.",
    'zh-TW': '在 worker 的連接埠為 Web UI 提供解密後的內容，至少 16 個字元；未設定時關閉。',
  },
  KIMI_UI_ORIGIN: {
    group: 'payloads',
    default: { en: 'the embedded Web UI', 'zh-TW': '內建的 Web UI' },
    en: 'The one origin that may ask for decrypted payloads, e.g. a reverse proxy in front of the Web UI.',
    'zh-TW': '唯一可以索取解密內容的來源，例如 Web UI 前面的反向代理。',
  },
  KIMI_HOME: {
    group: 'processes',
    en: 'Database, secrets, logs, journal and dead letters; one stack for each.',
    'zh-TW': '資料庫、密鑰、紀錄、等待的回呼與無法投遞的回呼；每個資料夾一組服務。',
  },
  KIMI_CACHE: {
    group: 'processes',
    en: 'The fetched Temporal binary, and the compiled code of commands. It can be removed at any time; a running stack needs the binary.',
    'zh-TW': '下載的 Temporal 執行檔，以及編譯好的指令程式碼。隨時可以刪除；執行中的服務需要那個執行檔。',
  },
  KIMI_WORKER_HOST: {
    group: 'processes',
    en: "Address that the worker's `/healthz` and `/readyz` listen on.",
    'zh-TW': 'worker 的 `/healthz` 與 `/readyz` 監聽的位址。',
  },
  KIMI_WORKER_PORT: {
    group: 'processes',
    en: "Port of the worker's `/healthz` and `/readyz`; 0: any free port.",
    'zh-TW': 'worker 的 `/healthz` 與 `/readyz` 的連接埠；0：任何空閒的連接埠。',
  },
  KIMI_WORKFLOW_THREAD: {
    group: 'processes',
    en: 'Where a worker runs workflows: `own`: in its own thread; `sdk`: in a thread of the Temporal SDK, which ends a workflow that blocks for 5 s, at a quarter more CPU and 45 MB more memory.',
    'zh-TW':
      'worker 在哪裡執行 workflow：`own`：自己的執行緒；`sdk`：Temporal SDK 的執行緒，會中止卡住 5 秒的 workflow，但多用四分之一的 CPU 與 45 MB 記憶體。',
  },
  KIMI_SIMULATOR_PORT: {
    group: 'processes',
    en: 'Port of the simulated Kimi; with `up` any free port, unless it is set.',
    'zh-TW': '模擬的 Kimi 的連接埠；由 `up` 啟動而未設定時，使用任何空閒的連接埠。',
  },
  KIMI_METRICS_PORT: {
    group: 'observability',
    en: 'Serves `/metrics`: alone, a process uses this port; with `up`, the webhook uses it, and worker and relay the next.',
    'zh-TW':
      '提供 `/metrics` 的連接埠：單獨執行的程序使用這個埠；由 `up` 啟動時，webhook 用這個埠，worker 與中繼用下一個。',
  },
  KIMI_METRICS_HOST: {
    group: 'observability',
    en: 'IP address that `/metrics` listens on. It shows how much is done and what it costs.',
    'zh-TW': '`/metrics` 監聽的 IP 位址。那裡看得到任務量與費用。',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    group: 'observability',
    en: 'OpenTelemetry collector that receives a trace of each task (OTLP over HTTP). The other `OTEL_EXPORTER_OTLP_*` and `OTEL_BSP_*` variables are read too.',
    'zh-TW':
      '接收每個任務的追蹤（OTLP over HTTP）的 OpenTelemetry collector。其他 `OTEL_EXPORTER_OTLP_*` 與 `OTEL_BSP_*` 變數也會讀取。',
  },
  KIMI_LOG_LEVEL: {
    group: 'observability',
    en: '`trace`, `debug`, `info`, `warn` or `error`.',
    'zh-TW': '`trace`、`debug`、`info`、`warn` 或 `error`。',
  },
} satisfies Partial<Record<VariableName, Entry>>;
