import { mkdtemp } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serveTelegram } from './telegram.ts';
import { serveModel } from './model.ts';
import { installOpenClaw, OpenClaw, HOOKS_TOKEN } from './gateway.ts';
import { DIST } from '../../src/paths.ts';
const until = async (f: () => unknown) => {
  for (;;) {
    if (await f()) return;
    await new Promise((r) => setTimeout(r, 50));
  }
};
const t0 = Date.now();
const log = (...x: unknown[]) => console.log(((Date.now() - t0) / 1000).toFixed(1), ...x);
const home = await mkdtemp(join(tmpdir(), 'kimi-play-'));
const telegram = await serveTelegram();
const model = await serveModel();
const gw = new OpenClaw({
  install: await installOpenClaw(),
  home,
  port: 18999,
  telegramUrl: telegram.url,
  modelUrl: model.url,
  allowed: [4242],
  owner: 4242,
  group: -1001,
});
await gw.configure();
const env = {
  PATH: process.env['PATH']!,
  HOME: home,
  KIMI_TEMPORAL_PORT: '0',
  KIMI_UI_PORT: '0',
  WEBHOOK_PORT: '0',
  KIMI_WORKER_PORT: '0',
  KIMI_RELAY_PORT: '0',
  KIMI_MAX_TASKS_PER_MINUTE: '0',
  KIMI_MAX_CONCURRENT_TASKS: '0',
  OPENCLAW_WAKE_URL: 'http://127.0.0.1:18999/hooks/wake',
  OPENCLAW_WAKE_TOKEN: HOOKS_TOKEN,
  KIMI_REPLY: 'deliver',
  TEMPORAL_CLI_PATH: join(process.env['HOME']!, '.cache/kimi-dispatch/temporal-1.9.1'),
};
const stack = spawn(process.execPath, [join(DIST, 'kimi-dispatch.js'), 'up', '--simulate'], { env, cwd: home });
let out = '';
stack.stdout.on('data', (c) => (out += c));
stack.stderr.on('data', (c) => (out += c));
await Promise.all([gw.start(), until(() => out.includes('Ctrl-C'))]);
log('ready');
process.on('exit', () => stack.kill('SIGTERM'));
const n = () => telegram.shown.length;
telegram.say(4242, 'Kimi：寫一個 Python 計算器');
await Promise.race([until(() => n() >= 3), new Promise((r) => setTimeout(r, 15000))]);
log(JSON.stringify(telegram.shown, null, 1), 'model', model.requests.length);
telegram.say(4242, 'kimi group task please [[simulate: size=100]]', { id: -1001 });
await Promise.race([until(() => n() >= 6), new Promise((r) => setTimeout(r, 15000))]);
log(JSON.stringify(telegram.shown.slice(3), null, 1), 'model', model.requests.length);
let m = n();
telegram.say(4242, '/kimi list');
await Promise.race([until(() => n() > m), new Promise((r) => setTimeout(r, 15000))]);
log(JSON.stringify(telegram.shown.slice(m), null, 1), 'model', model.requests.length);
m = n();
telegram.say(4242, '/kimi list', { id: -1001 });
await Promise.race([until(() => n() > m), new Promise((r) => setTimeout(r, 15000))]);
log(JSON.stringify(telegram.shown.slice(m), null, 1), 'model', model.requests.length);
log(await gw.invoke('kimi_status', {}));
const fs = await import('node:fs/promises');
await fs.writeFile('/tmp/gw-play.log', await gw.log());
await gw.stop('SIGTERM');
stack.kill('SIGTERM');
setTimeout(() => process.exit(), 3000);
