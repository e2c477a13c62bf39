/** Text from other parties, wherever it is printed: it cannot control the terminal, and in JSON it is unchanged. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, inject, it } from 'vitest';
import { fields, harmless, withoutControls } from '../../src/cli/output/terminal.ts';
import type { Callback } from '../../src/shared/callback.ts';
import { passOn } from '../support/callback.ts';
import { cleanHome, resultsOf } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { openWorld } from '../support/world.ts';

/** Characters that control a terminal or reorder a line, except line ends. */
const DRIVES = /(?!\n)\p{Cc}|[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/u;

/** Every control character, bidirectional controls, and sequences: a title, a colour, the clipboard, a cleared screen. */
const CONTROLS = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code)).filter((char) =>
  /\p{Cc}/u.test(char),
);
const BIDI = ['\u202E', '\u202C', '\u2066', '\u2069', '\u200E', '\u200F', '\u061C'];
const HOSTILE = [
  'x\u001B]0;title\u0007\u001B[31mred\u001B[8mhidden\u001B[2J\u009B2J\u009D52;c;eA==\u009C\r\nState  done',
  ...CONTROLS,
  ...BIDI,
  '\u200B\uFEFFx',
].join('');

/** A string of a terminal, such as its title, with its terminator: the text in it is no part of an answer. */
// oxlint-disable-next-line no-control-regex
const STRING = /(?:\u001B[\]PX^_]|[\u0090\u0098\u009D-\u009F])[^\u0007\u001B\u0080-\u009F]*(?:\u0007|\u001B\\|\u009C)/g;

it.each([
  ['harmless', harmless, (text: string) => text],
  ['fields', (text: string) => fields({ a: [text] }).a.join(''), (text: string) => text],
  ['withoutControls', (text: string) => harmless(withoutControls(text)), (text: string) => text.replaceAll(STRING, '')],
])('%s leaves no terminal control, and all letters', (_, clean, without) => {
  const piece = fc.constantFrom('a', '字', '\n', '\t', '\r\n', '\u001B[', '\u001B]', '2J', ';', ...CONTROLS, ...BIDI);
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const text = clean(pieces.join(''));
      expect(text.replaceAll(/\r\n|\t/g, '')).not.toMatch(DRIVES);
      expect(text.split('字')).toHaveLength(without(pieces.join('')).split('字').length);
    }),
    { examples: [[['\u009D', '字', '\u0007']]] },
  );
});

describe('in every command', () => {
  const COMMANDS = [['status'], ['result'], ['watch'], ['list'], ['inbox'], ['usage']];
  const takesTask = new Set(['status', 'result', 'watch']);
  const inJson = COMMANDS.filter(([name]) => name !== 'watch').map((words) => [...words, '--json']);

  /** Runs each command for the task. @returns the output of each, by its arguments. */
  async function printed(env: Record<string, string>, task_id: string, commands: string[][]) {
    const said = commands.map(async ([name = '', ...options]) => {
      const { stdout, stderr } = await inProcess([name, ...(takesTask.has(name) ? [task_id] : []), ...options], env);
      return [[name, ...options].join(' '), stdout + stderr] as const;
    });
    return await Promise.all(said);
  }

  it('of a task whose model, api id and error are hostile', async () => {
    const world = await openWorld();
    const { task_id } = await world.start('x [[simulate: drop=1]]', { model: HOSTILE, ack: 'agent' });
    const callback: Callback = {
      id: HOSTILE,
      model: HOSTILE,
      error: { type: HOSTILE, message: HOSTILE },
      metadata: { task_id, task_name: 'calculator' },
    };
    await passOn(world.handle({ task_id }), callback);
    await expect.poll(async () => await world.results.read(task_id)).toBeDefined();
    const env = await cleanHome({
      TEMPORAL_ADDRESS: inject('engine'),
      KIMI_TASK_QUEUE: world.taskQueue,
      KIMI_RESULTS_DIR: world.results.folder,
    });
    // Visibility is updated shortly after the task.
    await expect.poll(async () => (await inProcess(['list'], env)).stdout).toContain('失敗');
    for (const [words, text] of await printed(env, task_id, [...COMMANDS, ...inJson])) {
      expect(text, words).not.toMatch(DRIVES);
      expect(text, words).toContain('hidden');
      // The forged line is not a line of its own.
      expect(text, words).not.toMatch(/^State {2}done/m);
    }
    const json = JSON.parse((await inProcess(['status', task_id, '--json'], env)).stdout) as { model: string };
    expect(json.model).toBe(HOSTILE);
  });

  it('in a terminal with colours, whole answers included', async () => {
    const env = await cleanHome({ FORCE_COLOR: '1', KIMI_LANG: 'en' });
    const result = {
      task_id: 'kimi-1-1',
      task_name: 'a',
      status: 'done',
      model: HOSTILE,
      output: `# ${HOSTILE}`,
      created_at: '2026-11-24T00:00:00Z',
      completed_at: new Date().toISOString(),
    };
    await mkdir(resultsOf(env), { recursive: true });
    await writeFile(join(resultsOf(env), 'kimi-1-1.json'), JSON.stringify(result));
    for (const words of ['result kimi-1-1', 'result kimi-1-1 --raw', 'watch kimi-1-1', 'inbox', 'result x\u009B2J']) {
      const command = `${process.execPath} dist/kimi-dispatch.cjs ${words}; true`;
      const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null'], { env });
      // oxlint-disable-next-line no-control-regex
      expect(stdout.replaceAll(/\r\n|\t|\u001B\[(?:1|4|22|24)m/g, ''), words).not.toMatch(DRIVES);
    }
  });
});
