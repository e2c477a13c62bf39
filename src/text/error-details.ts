/** The sentences for details of errors, in both languages. Loaded by workflows. */
import type { Cause, Details, ErrorDetail, GatewayAdvice, Refusal } from '../shared/error-detail.ts';
import { SCHEMA_TYPES } from '../shared/json-schema.ts';
import type { Lang } from '../shared/task.ts';
import { sayCause, sayCode } from './system-errors.ts';

/** The options that a sentence may advise about, as the command line names them. */
const OPTIONS = {
  thinking: '--thinking',
  max_tokens: '--max-tokens',
  temperature: '--temperature',
  batch: '--batch',
  search: '--search',
  tools: '--tools',
};

export type OptionNames = typeof OPTIONS;

/**
 * @param names of options, where they are not those of the command line
 * @returns the sentence for a detail; `undefined` for an unknown code. It leaves out what to do if the sentence of the error's type
 * (`reasons`) has it.
 */
export function sayDetail(detail: ErrorDetail, lang: Lang, names = OPTIONS): string | undefined {
  const words = WORDS[lang];
  return Object.hasOwn(words, detail.code)
    ? (words[detail.code] as (detail: ErrorDetail, names: OptionNames) => string)(detail, names)
    : undefined;
}

/** @returns the English message, for logs and programs. */
export function messageOf(said: string | ErrorDetail): string {
  return typeof said === 'string' ? said : (sayDetail(said, 'en') ?? '');
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

/** Advice for the English message, which logs have alone. For users, the sentence of the error's type (`reasons`) has it. */
const GATEWAY_ADVICE: Record<GatewayAdvice, string> = {
  hooks: ': enable hooks in the gateway or correct OPENCLAW_WAKE_URL',
  plugin:
    ', and it was not the plugin kimi-dispatch: load the plugin in the gateway (kimi-dispatch setup openclaw) or correct OPENCLAW_WAKE_URL',
  owner:
    ': no chat asked for this task and the gateway names no owner: set commands.ownerAllowFrom, e.g. ["telegram:4242"]',
  token: ': set OPENCLAW_WAKE_TOKEN to the gateway’s hooks.token',
};

const REFUSALS: Record<Lang, Record<Refusal, string>> = {
  en: {
    no_url: 'events need an http or https address of at most 2048 characters',
    credentials: 'an address for events has no user name and password; the receiver checks the signature instead',
    private: 'events are sent to public addresses only; if this one is meant, add its host to KIMI_NOTIFY_ALLOW',
    clear: 'events are sent by https only; if http is meant, add the host to KIMI_NOTIFY_ALLOW',
  },
  'zh-TW': {
    no_url: '接收事件的網址必須是 http 或 https，最多 2048 個字元',
    credentials: '接收事件的網址不能有使用者名稱與密碼；接收端應改為檢查簽章',
    private: '事件只送往公開的位址；確定要送到這裡時，請把主機加入 KIMI_NOTIFY_ALLOW',
    clear: '事件只以 https 傳送；確定要用 http 時，請把主機加入 KIMI_NOTIFY_ALLOW',
  },
};

type Words = { [Code in keyof Details]: (params: Details[Code], names: OptionNames) => string };

const WORDS: Record<Lang, Words> = {
  en: {
    always_thinks: ({ model, effort }, { thinking }) =>
      `${model} always thinks; ${effort ? `use ${thinking} ${effort}` : `leave ${thinking} out`}`,
    answered: ({ status, words, elsewhere }) =>
      `Kimi answered ${status}${words ? `: ${words}` : ''}${elsewhere ? '; is KIMI_API_URL right?' : ''}`,
    broke: ({ address, cause }) => `the connection to ${address} broke after the request was sent: ${inEnglish(cause)}`,
    file: ({ cause }) => sayCode(cause, 'en'),
    file_gone: ({ name }) => `${name} is not stored any more, so nothing was sent; attach it again`,
    cap: ({ model, context }, { max_tokens }) => `${model} has room for ${context} tokens; lower ${max_tokens}`,
    gateway: ({ address, status, words, advice }) =>
      `${address} answered ${status}${words ? `: ${words}` : ''}${advice ? GATEWAY_ADVICE[advice] : ''}`,
    gateway_unreachable: ({ address, cause }) => `cannot reach ${address}: ${inEnglish(cause)}`,
    function_choice: ({ model, choice, mayNotThink }) =>
      `${model} cannot be made to call a function (${choice}) while it thinks; let it choose${mayNotThink ? ', or answer without thinking' : ''}`,
    functions_and_tools: () =>
      'Kimi cannot use your functions and tools that Moonshot runs in the same task; leave one of them out',
    no_functions: ({ simulated }) =>
      `only a relay receives which functions Kimi asks for; leave the functions out, or set KIMI_CALLBACKS=relay${simulated ? ' and start again' : ''}`,
    no_effort: ({ model, effort, efforts }) => `${model} has no thinking effort ${effort}; use ${efforts.join(', ')}`,
    no_efforts: ({ model, hasSwitch }, { thinking }) =>
      `${model} has no thinking effort; ${hasSwitch ? `use ${thinking} on or off` : `leave ${thinking} out`}`,
    no_images: ({ model, successor }) => `${model} accepts no images; use a model that does, e.g. ${successor}`,
    no_schema: ({ type }) => `JSON Schema has no type ${type}; use ${SCHEMA_TYPES.join(', ')}`,
    no_batch: ({ model, tools, functions }, names) =>
      functions
        ? `a batch has no functions; leave ${names.batch} or the functions out`
        : tools
          ? `a batch has no tools; leave ${names.batch} or ${names.search} and ${names.tools} out`
          : model === undefined
            ? `only Moonshot answers batches, and tasks do not go there; leave ${names.batch} out, or set KIMI_API_URL=https://api.moonshot.cn/v1`
            : `${model} answers no batches; use kimi-k2.6 or kimi-k2.7-code, or leave ${names.batch} out`,
    no_tools: ({ tools, simulated }, names) =>
      `${tools.join(', ')}: only Moonshot runs tools for Kimi, and tasks do not go there; leave ${names.search} and ${names.tools} out, or set ${simulated ? 'KIMI_CALLBACKS=relay and start again' : 'KIMI_API_URL=https://api.moonshot.cn/v1'}`,
    no_tool: ({ tool, words }) => `Moonshot does not offer ${tool} (${words}), so nothing was paid; leave it out`,
    not_resumed: ({ why, requests }) =>
      `${why}; ${requests > 1 ? `Kimi was asked ${requests} times, and is not asked again` : 'it was not asked again, since it could be paid for twice'}; kimi-dispatch retry asks it as a new task`,
    process_lost: () => 'the process that did this was stopped',
    reach: ({ address, cause }) => `cannot reach ${address}: ${inEnglish(cause)}`,
    receiver: ({ address, status }) =>
      `${address} answered ${status}${isRedirect(status) ? '; redirects are not followed, so give the address that it leads to' : ''}`,
    receiver_private: ({ address }) =>
      `${address} resolves to an address that is not public; if that is meant, add its host to KIMI_NOTIFY_ALLOW`,
    receiver_refused: ({ why }) => REFUSALS.en[why],
    no_receiver: () => 'the event has no receiver: KIMI_NOTIFY_URL is not set any more',
    no_response: ({ address, cause }) => `${address}: ${sayCause(cause, 'en')}`,
    no_notify_secret: () => 'the worker has no KIMI_NOTIFY_SECRET, so the event cannot be signed',
    said: ({ words }) => words,
    reported: ({ words }) => `Kimi reported an error in its answer: ${words}`,
    retired: ({ model, date, successor }) => `${model} was retired at Moonshot on ${date}; use ${successor}`,
    temperature: ({ model, only }, { temperature }) =>
      `${model} accepts only temperature ${only}; leave ${temperature} out`,
    unpriced: ({ model, host }) =>
      `the price of ${model} at ${host} is not known, so no budget can be kept; use a model of kimi-dispatch models with a price, or leave the budget out`,
    unreached: ({ cause }) => inEnglish(cause),
    unread_file: ({ name, words }) =>
      words === undefined
        ? `${name} has no text: its pages may be scanned; attach the pages as pictures (PNG or JPEG)`
        : `Kimi cannot read ${name} (${words}), so nothing was paid; attach it in another form, e.g. as PDF or text`,
    unread_documents: ({ names }) =>
      `${names.join(', ')} had to be read by Moonshot, to which tasks do not go any more; attach it again`,
    too_long: ({ tokens, at_least, model, room, larger, conversation }) =>
      `the ${conversation ? 'conversation with the new prompt' : 'prompt'} has ${at_least ? 'at least ' : ''}${tokens} tokens, and ${model} has room for ${room}; ${conversation ? 'continue an earlier task of it' : 'shorten it'}${larger ? `, or use ${larger}` : ''}`,
  },
  'zh-TW': {
    always_thinks: ({ model, effort }, { thinking }) =>
      `${model} 一定會思考；請${effort ? `用 ${thinking} ${effort}` : `拿掉 ${thinking}`}`,
    answered: ({ status, words, elsewhere }) =>
      `Kimi 回應 ${status}${words ? `：「${words}」` : ''}${elsewhere ? '；請檢查 KIMI_API_URL' : ''}`,
    broke: ({ address, ...cause }) => `${address}：${causeOf(cause)}`,
    file: ({ cause }) => sayCode(cause, 'zh-TW'),
    file_gone: ({ name }) => `${name} 已不再保存，所以沒有送出任何請求；請重新附上`,
    no_schema: ({ type }) => `JSON Schema 沒有 ${type} 這種型別；可用 ${SCHEMA_TYPES.join('、')}`,
    no_batch: ({ model, tools, functions }, names) =>
      functions
        ? `批次不能用函式；請拿掉 ${names.batch} 或函式`
        : tools
          ? `批次不能用工具；請拿掉 ${names.batch}，或拿掉 ${names.search} 與 ${names.tools}`
          : model === undefined
            ? `只有 Moonshot 有批次，但任務不送往那裡；請拿掉 ${names.batch}，或設定 KIMI_API_URL=https://api.moonshot.cn/v1`
            : `${model} 沒有批次；請用 kimi-k2.6 或 kimi-k2.7-code，或拿掉 ${names.batch}`,
    no_tools: ({ tools, simulated }, names) =>
      `${tools.join('、')}：只有 Moonshot 會替 Kimi 執行工具，但任務不送往那裡；請拿掉 ${names.search} 與 ${names.tools}，或設定 ${simulated ? 'KIMI_CALLBACKS=relay 後重新啟動' : 'KIMI_API_URL=https://api.moonshot.cn/v1'}`,
    no_tool: ({ tool, words }) => `Moonshot 不提供 ${tool}（${words}），所以沒有花費；請拿掉它`,
    cap: ({ model, context }, { max_tokens }) => `${model} 最多容納 ${context} 個 Token；請調低 ${max_tokens}`,
    gateway: ({ address, status, words }) => `OpenClaw 閘道 ${address} 回應 ${status}${words ? `：「${words}」` : ''}`,
    gateway_unreachable: ({ address, ...cause }) => `${address}：${causeOf(cause)}`,
    function_choice: ({ model, choice, mayNotThink }) =>
      `${model} 思考時不能指定呼叫函式（${choice}）；請讓它自己決定${mayNotThink ? '，或關閉思考' : ''}`,
    functions_and_tools: () => '同一個任務不能同時使用您的函式與 Moonshot 執行的工具；請拿掉其中一種',
    no_functions: ({ simulated }) =>
      `只有 relay 能收到 Kimi 要求呼叫的函式；請拿掉函式，或設定 KIMI_CALLBACKS=relay${simulated ? ' 後重新啟動' : ''}`,
    no_effort: ({ model, effort, efforts }) => `${model} 沒有 ${effort} 這種思考強度；可用 ${efforts.join('、')}`,
    no_efforts: ({ model, hasSwitch }, { thinking }) =>
      `${model} 沒有思考強度；請${hasSwitch ? `用 ${thinking} on 或 off` : `拿掉 ${thinking}`}`,
    no_images: ({ model, successor }) => `${model} 不接受圖片；請改用接受圖片的模型，例如 ${successor}`,
    not_resumed: ({ requests }) =>
      `接收答案的連線或 relay 中斷了，${requests > 1 ? `已問過 Kimi ${requests} 次，不再詢問` : '為避免重複付費，沒有再問一次'}；可用 kimi-dispatch retry 以新任務重問`,
    process_lost: () => '執行這一步的程序停止了',
    reach: ({ address, ...cause }) => `${address}：${causeOf(cause)}`,
    receiver: ({ address, status }) =>
      `${address} 回應 ${status}${isRedirect(status) ? '；不會跟隨轉址，請改用轉址後的網址' : ''}`,
    receiver_private: ({ address }) =>
      `${address} 解析到非公開的位址；確定要送到那裡時，請把主機加入 KIMI_NOTIFY_ALLOW`,
    receiver_refused: ({ why }) => REFUSALS['zh-TW'][why],
    no_receiver: () => '事件沒有接收端：KIMI_NOTIFY_URL 已不再設定',
    no_response: ({ address, ...cause }) => `${address}：${causeOf(cause)}`,
    no_notify_secret: () => 'worker 沒有 KIMI_NOTIFY_SECRET，所以無法簽署事件',
    said: ({ words }) => `「${words}」`,
    reported: ({ words }) => `Kimi 在答案裡回報錯誤：「${words}」`,
    retired: ({ model, date, successor }) => `${model} 於 ${date} 在 Moonshot 停用，後繼的是 ${successor}`,
    temperature: ({ model, only }, { temperature }) => `${model} 只接受 temperature ${only}；請拿掉 ${temperature}`,
    unpriced: ({ model, host }) =>
      `不知道 ${model} 在 ${host} 的價格，所以無法守住預算；請改用 kimi-dispatch models 裡有價格的模型，或不設預算`,
    unreached: (cause) => causeOf(cause),
    unread_file: ({ name, words }) =>
      words === undefined
        ? `${name} 裡沒有文字，可能是掃描的頁面；請把頁面以圖片（PNG 或 JPEG）附上`
        : `Kimi 讀不了 ${name}（「${words}」），所以沒有付費；請換一種格式附上，例如 PDF 或文字檔`,
    unread_documents: ({ names }) => `${names.join('、')} 要由 Moonshot 讀取，而任務已不再送往 Moonshot；請重新附上`,
    too_long: ({ tokens, at_least, model, room, larger, conversation }) =>
      `${conversation ? '對話加上新的提示詞' : '提示詞'}${at_least ? '至少' : ''}有 ${tokens} 個 Token，而 ${model} 只容得下 ${room} 個；請${conversation ? '接續較早的任務' : '縮短'}${larger ? `，或改用 ${larger}` : ''}`,
  },
};

/** Those of the system are known and can be searched for; those of undici say nothing to a user. */
function inEnglish(cause: string): string {
  return cause.startsWith('UND_ERR_') ? sayCause(cause, 'en') : cause;
}

function causeOf({ cause, proxy, status, why = cause }: Cause): string {
  if (status !== undefined) return `代理伺服器 ${proxy} 回應 ${status}；請檢查 HTTPS_PROXY 與 NO_PROXY`;
  const words = sayCause(why, 'zh-TW');
  return proxy === undefined ? words : `無法使用代理伺服器 ${proxy}：${words}`;
}
