/** Files of the gateway that may go to Kimi. */
import { realpath, stat } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import type { InboundContext, InboundFile } from 'openclaw/plugin-sdk/plugin-entry';
import { field } from '../../../src/shared/format.ts';
import { quotedFile } from './prompt.ts';

/** @returns the folder in which the gateway keeps the files that it received. */
export function mediaFolder(stateDir: string): string {
  return join(stateDir, 'media');
}

/**
 * @param from folder that relative paths start from
 * @returns the real path of a file in one of the folders; `undefined` for any other file. Links do not lead out of them, hidden files
 *   hold settings and secrets, and the results of other chats' tasks are in `kimi-dispatch`.
 */
export async function allowedFile(path: string, folders: readonly string[], from = ''): Promise<string | undefined> {
  try {
    const file = await realpath(resolve(from, path));
    if (!(await stat(file)).isFile()) return undefined;
    for (const folder of folders) {
      const [first = '', ...others] = relative(await realpath(folder).catch(() => file), file).split(sep);
      const isHidden = [first, ...others].some((part) => part.startsWith('.'));
      if (first !== '' && first !== 'kimi-dispatch' && !isHidden) return file;
    }
  } catch {
    // It does not exist, or the gateway may not read it.
  }
  return undefined;
}

/**
 * The files of a message: paths of those that go to Kimi, and names of the others.
 *
 * @param isContinuation without the files of the message that is replied to: Kimi wrote them
 */
export async function filesOf(
  ctx: InboundContext,
  media: string,
  isContinuation = false,
): Promise<{ taken: string[]; left: string[] }> {
  const files = (ctx.media ?? []).filter((file) => !(isContinuation && isQuoted(file, ctx)));
  const found = await Promise.all(
    files.map(async ({ path, fileName, contentType, kind }) => ({
      file: path === undefined ? undefined : await allowedFile(path, [media]),
      name: fileName ?? contentType ?? kind ?? basename(path ?? '?'),
    })),
  );
  const quoted = quotedFile(ctx);
  return {
    taken: found.flatMap(({ file }) => file ?? []),
    left: [
      ...found.flatMap(({ file, name }) => (file === undefined ? [field(name)] : [])),
      ...(quoted ? [quoted] : []),
    ],
  };
}

function isQuoted({ path, messageId }: InboundFile, { ReplyToId, ReplyChain = [] }: InboundContext): boolean {
  const isOfReply = messageId !== undefined && messageId === ReplyToId;
  return isOfReply || (path !== undefined && ReplyChain.some(({ mediaPath }) => mediaPath === path));
}

/** @returns the sentence for files that were not taken; `undefined` if there are none. */
export function filesNotTaken(names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  return (
    `📎 附件沒有交給 Kimi（${names.join(', ')}）：閘道沒有把它存成檔案；請把內容貼進訊息。\n` +
    `📎 Kimi did not get the attachment (${names.join(', ')}): the gateway has not stored it as a file; paste its content into the message.`
  );
}
