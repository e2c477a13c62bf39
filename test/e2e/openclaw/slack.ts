/** A stand-in for Slack's Events API and Web API. */
import { createHmac } from 'node:crypto';
import {
  buttonsIn,
  ChatService,
  editIn,
  formOf,
  postTo,
  textsIn,
  type Answer,
  type Asked,
  type Pressed,
  type Said,
  type WithButtons,
} from './chat-service.ts';

const SECRET = 'slack-secret';
const BOT = 'UBOT00001';

export class Slack extends ChatService implements WithButtons {
  readonly channel = 'slack';
  readonly owner = 'U0OWNER01';
  readonly group = 'C0TEAM001';
  readonly mention = `<@${BOT}> `;
  readonly direct = 'D0OWNER01';
  override readonly hosts = ['files.slack.com'];
  private readonly earlierOnes = new Map<string, string>();
  private readonly files = new Map<string, { name: string; content: string }>();
  /** Those of users, by path. */
  private readonly shared = new Map<string, Buffer>();

  settings(): object {
    return {
      enabled: true,
      // On a busy machine it would restart a channel that has not started yet, and look again after five minutes.
      healthMonitor: { enabled: false },
      mode: 'http',
      botToken: 'xoxb-stub',
      signingSecret: SECRET,
      dmPolicy: 'allowlist',
      allowFrom: [this.owner],
      groupPolicy: 'open',
      requireMention: false,
      channels: { [this.group]: { requireMention: false } },
    };
  }

  env(): Record<string, string> {
    return { SLACK_API_URL: `${this.url}/api/` };
  }

  earlier(text: string): string {
    const ts = this.timestamp();
    this.earlierOnes.set(ts, text);
    return ts;
  }

  protected async pass(gateway: string, { from, text, group, thread, file }: Said): Promise<string> {
    const id = this.id();
    const ts = this.timestamp();
    const body = JSON.stringify({
      type: 'event_callback',
      team_id: 'T0TEAM001',
      api_app_id: 'A0APP0001',
      event_id: `Ev${id}`,
      event_time: Math.floor(Date.now() / 1_000),
      event: {
        type: 'message',
        user: from,
        // Slack escapes these three.
        text: text.replaceAll('&', '&amp;').replaceAll(/<(?!@)/g, '&lt;'),
        ts,
        event_ts: ts,
        channel: group ?? this.direct,
        channel_type: group === undefined ? 'im' : 'channel',
        ...(thread !== undefined && { thread_ts: thread }),
        ...(file && { subtype: 'file_share', files: [this.share(`F${id}`, file)] }),
      },
    });
    await this.post(gateway, body, 'application/json');
    return ts;
  }

  async press(gateway: string, { from, shown, chat = shown.chat }: Pressed): Promise<void> {
    const { id: ts, thread, text, buttons: [button] = [] } = shown;
    const thread_ts = thread === undefined ? {} : { thread_ts: thread };
    const payload = {
      type: 'block_actions',
      team: { id: 'T0TEAM001' },
      api_app_id: 'A0APP0001',
      user: { id: from },
      trigger_id: `trigger-${this.id()}`,
      container: { type: 'message', message_ts: ts, channel_id: chat, ...thread_ts },
      channel: { id: chat },
      message: { type: 'message', ts, text, ...thread_ts },
      response_url: `${this.url}/response`,
      actions: [{ ...button, block_id: 'buttons', action_ts: this.timestamp() }],
    };
    const body = new URLSearchParams({ payload: JSON.stringify(payload) }).toString();
    await this.post(gateway, body, 'application/x-www-form-urlencoded');
  }

  private share(id: string, { name, type: mimetype, content }: NonNullable<Said['file']>): object {
    const path = `/files-pri/${id}/${name}`;
    this.shared.set(path, content);
    return { id, name, mimetype, size: content.length, url_private_download: `https://files.slack.com${path}` };
  }

  private async post(gateway: string, body: string, type: string): Promise<void> {
    const at = String(Math.floor(Date.now() / 1_000));
    await postTo(`${gateway}/slack/events`, body, {
      'content-type': type,
      'x-slack-request-timestamp': at,
      'x-slack-signature': `v0=${createHmac('sha256', SECRET).update(`v0:${at}:${body}`).digest('hex')}`,
    });
  }

  private timestamp(): string {
    return `${Math.floor(Date.now() / 1_000)}.${String(this.id()).padStart(6, '0')}`;
  }

  protected async answer(asked: Asked): Promise<Answer> {
    const { path, headers, body } = asked;
    const shared = this.shared.get(path);
    if (shared) return headers.authorization === 'Bearer xoxb-stub' ? { bytes: shared } : { status: 403 };
    if (path.startsWith('/upload/')) {
      const file = this.files.get(path);
      if (file) file.content = body.toString();
      return { bytes: Buffer.from('OK') };
    }
    const form: Record<string, string> = headers['content-type']?.startsWith('multipart/')
      ? (Object.fromEntries(await formOf(asked)) as Record<string, string>)
      : Object.fromEntries(new URLSearchParams(body.toString()));
    return { json: { ok: true, ...this.call(path.replace('/api/', ''), form) } };
  }

  private call(method: string, form: Record<string, string>): object {
    const { channel: to = '', thread_ts } = form;
    // A user is a name of the private chat.
    const channel = to === this.owner ? this.direct : to;
    const thread = thread_ts !== undefined && { thread: thread_ts };
    switch (method) {
      case 'auth.test':
        return {
          team_id: 'T0TEAM001',
          team: 'Team',
          user_id: BOT,
          user: 'javis',
          bot_id: 'B0BOT0001',
          app_id: 'A0APP0001',
        };
      case 'users.info':
        return { user: { id: form['user'], name: 'user', real_name: 'User', profile: { display_name: 'User' } } };
      case 'conversations.info':
        return {
          channel: { id: channel, name: 'team', is_channel: channel.startsWith('C'), is_im: channel.startsWith('D') },
        };
      case 'conversations.open':
        return { channel: { id: this.direct } };
      case 'conversations.replies': {
        const { ts = '' } = form;
        return {
          messages: [{ type: 'message', user: 'U0FRIEND1', ts, thread_ts: ts, text: this.earlierOnes.get(ts) ?? '' }],
        };
      }
      case 'conversations.history':
        return { messages: [] };
      case 'chat.postMessage': {
        const ts = this.timestamp();
        const buttons = buttonsIn(JSON.parse(form['blocks'] ?? '[]'));
        return this.take({ chat: channel, text: textOf(form), id: ts, buttons, ...thread })
          ? { channel, ts }
          : { ok: false, error: 'msg_blocked_by_admin' };
      }
      case 'files.getUploadURLExternal': {
        const path = `/upload/${this.id()}`;
        this.files.set(path, { name: form['filename'] ?? '', content: '' });
        return { upload_url: `${this.url}${path}`, file_id: path };
      }
      case 'files.completeUploadExternal': {
        const [{ id = '' } = {}] = JSON.parse(form['files'] ?? '[]') as { id?: string }[];
        const file = this.files.get(id);
        this.take({
          chat: form['channel_id'] ?? '',
          text: form['initial_comment'] ?? '',
          ...(file && { file }),
          ...thread,
        });
        return { files: [{ id }] };
      }
      case 'chat.update':
        return editIn(this.shown, form['ts'] ?? '', textOf(form))
          ? { channel, ts: form['ts'] }
          : { ok: false, error: 'message_not_found' };
      case 'reactions.add':
      case 'reactions.remove':
      case 'assistant.threads.setStatus':
        return {};
      default:
        this.unknown.push(method);
        return { ok: false, error: 'unknown_method' };
    }
  }
}

function textOf({ text = '', blocks }: Record<string, string>): string {
  return textsIn(JSON.parse(blocks ?? '[]')).join('\n') || text;
}
