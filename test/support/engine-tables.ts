/** The tables that a Temporal server makes in a new database, and those of a file. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import sqlite from 'node-sqlite3-wasm';
import { connectWhenReady, freePort } from './engine.ts';

export interface Definition {
  type: 'table' | 'index' | 'trigger';
  name: string;
  /** The table that it belongs to. */
  tbl_name: string;
  sql: string;
}

/** Tables that a virtual table makes for itself. */
const SHADOWS = /_fts_\w+_(config|data|docsize|idx)$/;

/** The server writes texts as `"$.Name"`, which SQLite only takes where it was built to. */
const JSON_PATH = /"(\$\.\w+)"/g;

/** @returns the definitions in a database, which no server has open. */
export function definitionsIn(file: string): Definition[] {
  const database = new sqlite.Database(file, { readOnly: true });
  try {
    const found = database.all('SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL');
    return (found as unknown as Definition[])
      .filter(({ name }) => !SHADOWS.test(name))
      .map((each) => ({ ...each, sql: each.sql.replaceAll(JSON_PATH, "'$1'") }));
  } finally {
    database.close();
  }
}

/** @returns the definitions that a server makes in a new database. @param folder an empty one */
export async function definitionsOf(temporalCli: string, folder: string): Promise<Definition[]> {
  const [file, port] = [join(folder, 'temporal.db'), await freePort()];
  const args = ['server', 'start-dev', '--headless', '--port', String(port), '--db-filename', file];
  const server = spawn(temporalCli, args, { stdio: 'ignore' });
  const ended = once(server, 'exit');
  try {
    const connection = await connectWhenReady(`127.0.0.1:${port}`);
    await connection.close();
  } finally {
    server.kill('SIGTERM');
    await ended;
  }
  return definitionsIn(file);
}
