/** A stand-in for Telegram's Bot API: messages of users are passed to the bot, messages of the bot are recorded. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Found } from './chat-service.ts';

/** What a bot has shown in a chat. */
export interface Shown {
  chat: number;
  text: string;
  /** A document's name and content. */
  file?: { name: string; content: string };
  thread?: number;
  id: number;
  /** Its buttons: what each sends back when it is pressed. */
  buttons: { text: string; callback_data?: string }[];
  /** The texts that replaced the first one. */
  edits: string[];
  /** `performance.now()` of its arrival. */
  at: number;
}

/** What a message has besides its text. */
export interface More {
  /** The message that it replies to, and the part of it that was selected. */
  repliesTo?: { id: number; part?: string };
  /** The text is its caption. */
  file?: { name: string; type: string; content: Buffer };
}

export interface Telegram {
  url: string;
  /** In order. */
  shown: Shown[];
  /** @returns the id of the message. */
  say(from: number, text: string, chat?: { id: number; thread?: number }, more?: More): number;
  /** The next matching message that a chat is shown, see {@link Found}. */
  next(chat: number, fits: RegExp): Promise<Shown>;
  /** A user presses the first button of a message. */
  press(from: number, shown: Shown): void;
  /** Called with each message before it is answered; if it throws, that is the response. */
  onSend: (shown: Shown) => Promise<void> | void;
  stop(): void;
}

/** An error response of the Bot API. */
export class TelegramRefusal extends Error {
  constructor(
    readonly code: number,
    readonly description: string,
  ) {
    super(description);
  }
}

const BOT = {
  id: 99,
  is_bot: true,
  first_name: 'Javis',
  username: 'javis_bot',
  can_join_groups: true,
  can_read_all_group_messages: true,
};

export async function serveTelegram(): Promise<Telegram> {
  const updates: { update_id: number }[] = [];
  const waiting = new Set<() => void>();
  const messages = new Map<number, object>();
  /** Files by the path from which they are downloaded. */
  const files = new Map<string, Buffer>();
  const shown: Shown[] = [];
  const found = new Found(shown);
  let ids = 1;

  const poll = async (offset: number, seconds: number): Promise<unknown> => {
    const pending = () => updates.filter(({ update_id }) => update_id >= offset);
    if (pending().length > 0 || seconds === 0) return pending();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, seconds * 1_000);
      waiting.add(done);
    });
    return pending();
  };

  const take = async (form: Map<string, string>, file?: Shown['file']): Promise<unknown> => {
    const shown: Shown = {
      chat: Number(form.get('chat_id')),
      text: form.get('text') ?? form.get('caption') ?? '',
      at: performance.now(),
      id: ids++,
      buttons: buttonsOf(form.get('reply_markup')),
      edits: [],
      ...(file && { file }),
      ...(form.has('message_thread_id') && { thread: Number(form.get('message_thread_id')) }),
    };
    telegram.shown.push(shown);
    await telegram.onSend(shown);
    const said = message(shown.chat, BOT, shown.text, shown.thread, {
      ...(file && { file: { name: file.name, type: 'text/markdown', content: Buffer.from(file.content) } }),
    });
    messages.set(shown.id, { ...said, message_id: shown.id });
    return messages.get(shown.id);
  };

  const edit = (form: Map<string, string>): unknown => {
    const shown = telegram.shown.find(({ id }) => id === Number(form.get('message_id')));
    if (!shown) throw new TelegramRefusal(400, 'Bad Request: message to edit not found');
    const text = form.get('text');
    if (text !== undefined) shown.edits.push(text);
    return { ...message(shown.chat, BOT, text ?? shown.text), message_id: shown.id };
  };

  const message = (chat: number, from: object, text: string, thread?: number, { repliesTo, file }: More = {}) => {
    const message_id = ids++;
    const said = {
      message_id,
      date: Math.floor(Date.now() / 1_000),
      from,
      chat:
        chat < 0
          ? { id: chat, type: 'supergroup', title: 'Team', ...(thread && { is_forum: true }) }
          : { id: chat, type: 'private', first_name: 'U' },
      ...(thread && { message_thread_id: thread, is_topic_message: true }),
      ...(file ? { caption: text, ...attached(file, `${message_id}`) } : { text, ...entitiesOf(text) }),
      ...(repliesTo && { reply_to_message: messages.get(repliesTo.id) }),
      ...(repliesTo?.part !== undefined && { quote: { text: repliesTo.part, position: 0, is_manual: true } }),
    };
    messages.set(message_id, said);
    return said;
  };

  const attached = ({ name, type, content }: NonNullable<More['file']>, file_id: string): object => {
    files.set(file_id, content);
    const file = { file_id, file_unique_id: file_id, file_size: content.length };
    if (!type.startsWith('image/')) return { document: { ...file, file_name: name, mime_type: type } };
    return { photo: [{ ...file, width: 8, height: 8 }] };
  };

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { pathname } = new URL(request.url ?? '/', 'http://x');
      const method = pathname.split('/').at(-1) ?? '';
      const file = pathname.startsWith('/file/') ? files.get(method) : undefined;
      if (file) {
        response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(file);
        return;
      }
      void answer(method, request.headers['content-type'] ?? '', Buffer.concat(chunks), response);
    });
  });

  async function answer(method: string, type: string, body: Buffer, response: ServerResponse): Promise<void> {
    const { form, file } = readForm(type, body);
    try {
      const result = await (method === 'getMe'
        ? BOT
        : method === 'getUpdates'
          ? poll(Number(form.get('offset') ?? 0), Number(form.get('timeout') ?? 0))
          : method === 'sendMessage' || method === 'sendDocument'
            ? take(form, file)
            : method === 'getFile'
              ? { file_id: form.get('file_id'), file_path: `files/${form.get('file_id')}` }
              : method === 'editMessageText' || method === 'editMessageReplyMarkup'
                ? edit(form)
                : true);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ ok: true, result }));
    } catch (error) {
      if (!(error instanceof TelegramRefusal)) {
        response.destroy();
        return;
      }
      const { code, description } = error;
      response
        .writeHead(code, { 'content-type': 'application/json' })
        .end(JSON.stringify({ ok: false, error_code: code, description }));
    }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const telegram: Telegram = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    shown,
    next: async (chat, fits) => await found.next((one) => one.chat === chat && fits.test(one.text)),
    say: (from, text, chat, more) => {
      found.said();
      const update_id = ids++;
      const sender = { id: from, is_bot: false, first_name: `user-${from}`, language_code: 'zh-hant' };
      const said = message(chat?.id ?? from, sender, text, chat?.thread, more);
      updates.push({ update_id, message: said } as { update_id: number });
      for (const done of waiting) done();
      return said.message_id;
    },
    press: (from, { chat, id, text, buttons }) => {
      const sender = { id: from, is_bot: false, first_name: `user-${from}`, language_code: 'zh-hant' };
      const update_id = ids++;
      updates.push({
        update_id,
        callback_query: {
          id: String(update_id),
          from: sender,
          chat_instance: '1',
          message: { ...message(chat, BOT, text), message_id: id },
          data: buttons[0]?.callback_data,
        },
      } as { update_id: number });
      for (const done of waiting) done();
    },
    onSend: () => {},
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return telegram;
}

/** Telegram marks commands; the gateway treats unmarked ones as text. */
function entitiesOf(text: string): object {
  const [command] = /^\/[\w@]+/.exec(text) ?? [];
  return command ? { entities: [{ type: 'bot_command', offset: 0, length: command.length }] } : {};
}

function buttonsOf(markup = '{}'): Shown['buttons'] {
  return (JSON.parse(markup) as { inline_keyboard?: Shown['buttons'][] }).inline_keyboard?.flat() ?? [];
}

function readForm(type: string, body: Buffer): { form: Map<string, string>; file?: { name: string; content: string } } {
  if (type.startsWith('application/json')) {
    const json = JSON.parse(body.toString() || '{}') as Record<string, unknown>;
    return {
      form: new Map(
        Object.entries(json).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
      ),
    };
  }
  const boundary = /boundary="?([^";]+)/.exec(type)?.[1];
  if (boundary === undefined) return { form: new Map(new URLSearchParams(body.toString())) };
  const form = new Map<string, string>();
  let file: { name: string; content: string } | undefined;
  for (const part of body.toString().split(`--${boundary}`)) {
    const [head = '', ...rest] = part.split('\r\n\r\n');
    const content = rest.join('\r\n\r\n').replace(/\r\n$/, '');
    const name = /;name="([^"]*)"/.exec(head.replaceAll('; ', ';'))?.[1];
    const filename = /filename="?([^";\r]*)/.exec(head)?.[1];
    if (filename !== undefined) file = { name: filename, content };
    else if (name !== undefined) form.set(name, content);
  }
  return { form, ...(file && { file }) };
}
