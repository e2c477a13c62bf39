import type { Lang } from '../../shared/task.ts';
import { en } from './en.ts';
import { zhTW, type ReportText } from './zh-TW.ts';

export type { ReportText };

const TEXTS: Record<Lang, ReportText> = { 'zh-TW': zhTW, en };

export function reportText(lang: Lang): ReportText {
  return TEXTS[lang];
}
