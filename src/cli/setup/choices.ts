/** What options of `setup` may be. Loaded for its help: it must stay small. */
export const REPLIES = ['deliver', 'agent', 'hooks'] as const;

/** The MCP clients that can be set up. */
export const CLIENTS = ['claude-code', 'codex', 'kimi', 'gemini', 'opencode', 'cursor'] as const;

export type ClientName = (typeof CLIENTS)[number];
