/**
 * Tokens of programs that use the API over TCP: `tokens.json` in `KIMI_HOME`. It is read at each request, so that a revoked token is
 * refused at once.
 *
 * Only hashes are stored. A token has 256 random bits, which cannot be guessed: unlike passwords, it needs neither salt nor a slow hash.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import { ServiceError } from '../service/exit.ts';
import { takeLock } from '../service/lock.ts';
import { SCOPES, TOKEN_NAME, type Caller, type Scope, type TokenHolder } from '../shared/access.ts';
import { isoSeconds } from '../shared/format.ts';

const entry = z.object({
  name: z.string().regex(TOKEN_NAME),
  scopes: z.array(z.enum(SCOPES)).min(1),
  /** SHA-256 of the token, in hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** ISO 8601, UTC, whole seconds. */
  created_at: z.string(),
});
const tokensFile = z.object({ tokens: z.array(entry) });

type Entry = z.infer<typeof entry>;

/** A token, without anything secret. */
export type Token = Omit<Entry, 'sha256'>;

/** Secret scanners recognize a token by it. */
const PREFIX = 'kimi_dispatch_';

/** A lock whose holder was killed is stale after this time, in milliseconds. */
const STALE_MS = 5_000;

/** @returns the new token, which is stored nowhere; `undefined` if there is one of this name. */
export async function createToken(home: string, name: string, scopes: readonly Scope[]): Promise<string | undefined> {
  const token = PREFIX + randomBytes(32).toString('base64url');
  const made: Entry = {
    name,
    scopes: [...scopes],
    sha256: hashOf(token).toString('hex'),
    created_at: isoSeconds(Date.now()),
  };
  const isNew = await change(home, (before) =>
    before.some((each) => each.name === name) ? before : [...before, made],
  );
  return isNew ? token : undefined;
}

/** @returns whether there was one of this name. */
export async function revokeToken(home: string, name: string): Promise<boolean> {
  return await change(home, (before) => before.filter((each) => each.name !== name));
}

export async function listTokens(home: string): Promise<Token[]> {
  return (await read(home)).map(({ sha256: _, ...token }) => token);
}

/** @returns the holder of a token; `undefined` if the token is unknown. */
export async function holderOf(home: string, token: string): Promise<TokenHolder | undefined> {
  const hash = hashOf(token);
  // Every one is compared, in constant time.
  const [found] = (await read(home)).filter(({ sha256 }) => timingSafeEqual(Buffer.from(sha256, 'hex'), hash));
  return found && { by: 'token', name: found.name, scopes: found.scopes };
}

/** @returns whether a holder, found before, would be found again. */
export async function isStillValid(home: string, caller: Caller): Promise<boolean> {
  if (caller.by !== 'token') return true;
  const found = (await read(home)).find(({ name }) => name === caller.name);
  return found !== undefined && found.scopes.join() === caller.scopes.join();
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function fileIn(home: string): string {
  return join(home, 'tokens.json');
}

/** @throws {ServiceError} if the file is damaged: then no token is valid */
async function read(home: string): Promise<Entry[]> {
  const file = fileIn(home);
  try {
    return tokensFile.parse(JSON.parse(await readFile(file, 'utf8'))).tokens;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new ServiceError('tokens_damaged', { file }, { cause: error });
  }
}

/** @returns whether the change changed anything. */
async function change(home: string, work: (before: Entry[]) => Entry[]): Promise<boolean> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  const file = fileIn(home);
  const release = await takeLock(home, {
    lockfilePath: `${file}.lock`,
    stale: STALE_MS,
    retries: { retries: 50, minTimeout: 20, maxTimeout: 200 },
  });
  try {
    const before = await read(home);
    const tokens = work(before);
    if (tokens.length === before.length) return false;
    await writeFileAtomic(file, `${JSON.stringify({ tokens }, null, 2)}\n`, { mode: 0o600 });
    return true;
  } finally {
    await release();
  }
}
