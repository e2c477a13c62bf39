/** Texts of `setup mcp`. */
const NEXT: Record<string, string> = {
  'claude-code':
    '重新啟動 Claude Code，/mcp 會列出 kimi-dispatch。要在任務結束時被喚醒，請以 claude --dangerously-load-development-channels server:kimi-dispatch 啟動。',
};

export const mcp = {
  unusable: (file: string, why: string) => `不能使用 ${file}（${why}），所以沒有改動任何檔案。更正後再執行一次。`,
  nothingToUndo: (client: string) => `${client} 的設定裡沒有 kimi-dispatch，不需要復原。`,
  undone: (client: string) => `已復原。請重新啟動 ${client}。`,
  done: (title: string, client: string) =>
    [
      '已寫入。',
      NEXT[client] ?? `重新啟動 ${title}，它就有 kimi_dispatch 等工具。`,
      '服務要在執行中：kimi-dispatch up --detach',
      `要復原時：kimi-dispatch setup mcp --client ${client} --undo`,
    ].join('\n'),
};
