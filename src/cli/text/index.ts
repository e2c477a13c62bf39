import type { Lang } from '../../shared/task.ts';
import { en } from './en/index.ts';
import { zhTW, type CliText } from './zh-TW/index.ts';

export type { CliText };

const TEXTS: Record<Lang, CliText> = { 'zh-TW': zhTW, en };

export function cliText(lang: Lang): CliText {
  return TEXTS[lang];
}
