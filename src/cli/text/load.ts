import type { Lang } from '../../shared/task.ts';
import type { CliText } from './zh-TW/index.ts';

/** Loads the texts of one language only. */
export async function loadText(lang: Lang): Promise<CliText> {
  return lang === 'en' ? (await import('./en/index.ts')).en : (await import('./zh-TW/index.ts')).zhTW;
}
