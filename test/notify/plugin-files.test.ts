/** Which files of the gateway's machine the plugin gives to Kimi. */
import { mkdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allowedFile, filesOf, mediaFolder } from '../../openclaw/plugin/src/files.ts';
import { toolsFor } from '../../openclaw/plugin/src/tools.ts';
import { temporaryFolder } from '../support/resources.ts';

/** A gateway's folder with files that may be read, and some that may not. */
async function gateway() {
  const state = await realpath(await temporaryFolder());
  const media = mediaFolder(state);
  const workspace = join(state, 'workspace');
  const files = {
    received: join(media, 'inbound/report---1.pdf'),
    own: join(workspace, 'notes/a.md'),
    hidden: join(workspace, '.env'),
    inHidden: join(workspace, '.git/config'),
    results: join(workspace, 'kimi-dispatch/results/kimi-1-1.json'),
    secret: join(state, 'openclaw.json'),
    link: join(workspace, 'innocent.txt'),
  };
  for (const path of Object.values(files)) await mkdir(join(path, '..'), { recursive: true });
  for (const path of [files.received, files.own, files.hidden, files.inHidden, files.results, files.secret]) {
    await writeFile(path, 'x');
  }
  await symlink(files.secret, files.link);
  return { media, workspace, files };
}

it('only files of its media and of the workspace, not through links, no hidden ones, no results of other chats', async () => {
  const { media, workspace, files } = await gateway();
  const folders = [media, workspace];
  expect(await allowedFile(files.received, folders)).toBe(files.received);
  expect(await allowedFile('notes/a.md', folders, workspace)).toBe(files.own);
  for (const path of [
    files.hidden,
    files.inHidden,
    files.results,
    files.secret,
    files.link,
    '../openclaw.json',
    '/etc/passwd',
    media,
    join(media, 'missing.pdf'),
  ]) {
    expect(await allowedFile(path, folders, workspace), path).toBeUndefined();
  }
});

it('of a message, those that the gateway has stored; the others are named', async () => {
  const { media, files } = await gateway();
  const pdf = { path: files.received, contentType: 'application/pdf', kind: 'document' };
  const ctx = { media: [pdf, { path: files.secret, contentType: 'image/png' }] };
  expect(await filesOf(ctx, media)).toEqual({ taken: [files.received], left: ['image/png'] });
  const lost = [{ fileName: 'a.pdf', kind: 'document' }, { kind: 'audio' }];
  expect(await filesOf({ media: lost }, media)).toEqual({ taken: [], left: ['a.pdf', 'audio'] });
  expect(await filesOf({}, media)).toEqual({ taken: [], left: [] });
});

it('of a reply to Kimi’s answer, those of the reply; of a reply to another message, also its own', async () => {
  const { media, files } = await gateway();
  const answer = join(media, 'inbound/answer.md');
  await writeFile(answer, 'x');
  for (const ctx of [
    { media: [{ path: files.received }, { path: answer }], ReplyChain: [{}, { mediaPath: answer }] },
    { media: [{ path: files.received }, { path: answer, messageId: '7' }], ReplyToId: '7' },
  ]) {
    expect((await filesOf(ctx, media, true)).taken).toEqual([files.received]);
    expect((await filesOf(ctx, media)).taken).toEqual([files.received, answer]);
  }
});

async function dispatch(paths: string[], sandboxed = false) {
  const { media, workspace, files } = await gateway();
  const runs: string[][] = [];
  const run = async (args: string[]) => {
    runs.push(args);
    return { exit: 0, stdout: 'said', stderr: '' };
  };
  const { kimi_dispatch: tool } = toolsFor(run, { workspaceDir: workspace, sandboxed }, media);
  const given = paths.map((path) => path.replace('MEDIA', media));
  const { content } = await tool.execute('1', { prompt: 'x', files: given });
  return { runs, text: content[0]?.text, files };
}

describe('of the agent’s tool', () => {
  it('each is attached', async () => {
    const { runs, files } = await dispatch(['notes/a.md', 'MEDIA/inbound/report---1.pdf']);
    expect(runs).toEqual([['dispatch', '-p', '-', '--json', `--attach=${files.own}`, `--attach=${files.received}`]]);
  });

  it('nothing is started if one is refused', async () => {
    const { runs, text } = await dispatch(['notes/a.md', '/etc/passwd']);
    expect(runs).toEqual([]);
    expect(text).toContain('/etc/passwd cannot be attached');
  });

  it('none of the workspace, if the agent works in a sandbox', async () => {
    expect((await dispatch(['notes/a.md'], true)).runs).toEqual([]);
  });
});
