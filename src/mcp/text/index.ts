import type { Lang } from '../../shared/task.ts';
import { en } from './en.ts';
import { zhTW, type McpText } from './zh-TW.ts';

export type { McpText };

const TEXTS: Record<Lang, McpText> = { 'zh-TW': zhTW, en };

export function mcpText(lang: Lang): McpText {
  return TEXTS[lang];
}
