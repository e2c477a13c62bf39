/** Buttons under a message, where the channel has them. A button is a command of the user who presses it. */
import type { Press, Presentation } from 'openclaw/plugin-sdk/plugin-entry';
import type { Route } from '../../../src/shared/chat.ts';
import { channelOf } from './channels.ts';
import { chatOfPress, type Chat } from './routes.ts';
import { asData } from './safe-text.ts';

/** What is said in a chat. */
export interface Reply {
  text: string;
  /** The task that was started. */
  task_id?: string;
}

/** Names the plugin in the data of its buttons. */
export const PRESSED = 'kimi-dispatch';

/** @returns the message for the gateway: a task that was started can be cancelled with a button. */
export function messageOf(
  { text, task_id }: Reply,
  channel: string | undefined,
  chat: Chat,
): { text: string; presentation?: Presentation } {
  return { text: asData(text, channel), ...(task_id && buttonOf('cancel', task_id, channel, chat)) };
}

const LABELS = {
  cancel: '取消 Cancel',
  more: '繼續 Continue',
  result: '下一段 Next',
  allow: '照樣送出 Send anyway',
};

/**
 * @param task its id, and what else the command takes
 * @returns the button that runs a command with this task, if presses of that chat reach it.
 */
export function buttonOf(
  verb: keyof typeof LABELS,
  task: string,
  channel: string | undefined,
  chat: Chat,
): { presentation?: Presentation } {
  const { buttons, pressesLoseThread } = channelOf(channel ?? '');
  const isLost = pressesLoseThread === true && typeof chat !== 'string' && chat.thread_id !== undefined;
  if (buttons === undefined || isLost) return {};
  const args = `${verb} ${task}`;
  const label = LABELS[verb];
  const command = { type: 'command' as const, command: `/kimi ${args}` };
  const call = { type: 'callback' as const, value: `${PRESSED}:${args}` };
  const block =
    buttons === 'quickReply'
      ? { type: 'select' as const, options: [{ label, action: command }] }
      : { type: 'buttons' as const, buttons: [{ label, action: buttons === 'callback' ? call : command }] };
  return { presentation: { blocks: [block] } };
}

/**
 * Handles presses in channels that pass them to the plugin.
 *
 * @param answer answers `/kimi …`; `undefined` if it has done so already
 * @param show shows a reply in a chat
 */
export function pressHandler(
  answer: (args: string, asker: { chat: Route; isAuthorized: boolean }) => Promise<Reply | undefined>,
  show: (chat: Route, said: Reply) => Promise<unknown>,
) {
  return async (press: Press): Promise<{ handled: true }> => {
    const chat = chatOfPress(press);
    const said = await answer(press.interaction.payload, { chat, isAuthorized: press.auth.isAuthorizedSender });
    if (said) await show(chat, said);
    return { handled: true };
  };
}
