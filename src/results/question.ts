/** What was asked, in a result file: encrypted with the keys of the engine's payloads if there are any. */
import type { KeyObject } from 'node:crypto';
import { decrypt, encrypt } from '../service/aes-gcm.ts';
import { ServiceError } from '../service/exit.ts';
import { questionOf, withoutQuestion, type Question, type ResultFile } from '../shared/result.ts';

type Keys = ReadonlyMap<string, KeyObject>;

/** @returns the result as its file has it: with keys, its question is encrypted with the first one. */
export function sealQuestion<T extends Partial<ResultFile>>(result: T, keys: Keys): T {
  const [first] = keys;
  const question = questionOf(result);
  if (!first || !question) return result;
  const [key, secret] = first;
  const data = encrypt(Buffer.from(JSON.stringify(question)), secret).toString('base64');
  return { ...(withoutQuestion(result) as T), encrypted_question: { key, data } };
}

/**
 * @returns the question of a result; `undefined` if it has none.
 * @throws {ServiceError} if its key is missing, or another one
 */
export function openQuestion(result: ResultFile, keys: Keys): Question | undefined {
  const { encrypted_question: sealed, task_id: task } = result;
  if (!sealed) return questionOf(result);
  const key = keys.get(sealed.key);
  if (!key) throw new ServiceError('payload_key_missing', { key: sealed.key, task });
  try {
    return JSON.parse(decrypt(Buffer.from(sealed.data, 'base64'), key).toString('utf8')) as Question;
  } catch {
    throw new ServiceError('payload_key_wrong', { key: sealed.key, task });
  }
}
