import pico from 'picocolors';
import { tildePath } from '../../service/files.ts';
import type { StackState } from '../../stack/state.ts';
import type { CliText } from '../text/index.ts';
import { columns } from './table.ts';

/** @returns the addresses and folders of running services. */
export function screen(heading: string, state: StackState, model: string | undefined, say: CliText): string {
  const { rows } = say.up;
  const kimi = state.simulated ? `${pico.yellow(say.up.simulated)} ${state.simulator_url}` : state.api_url;
  const lines: [string, string | undefined][] = [
    ['Temporal', state.temporal_address],
    ['Web UI', state.ui_url],
    ['Webhook', state.webhook_url],
    ['HTTP API', state.http_api_url],
    [rows.dashboard, state.dashboard ? `${state.webhook_url}/` : undefined],
    [rows.relay, state.relay_url],
    [rows.kimi, state.has_key ? kimi : pico.yellow(say.up.noKey)],
    [rows.model, model],
    [rows.gateway, state.wake_url],
    ...Object.entries(state.metrics_urls).map(([name, url]): [string, string] => [rows.metrics(name), url]),
    [rows.results, tildePath(state.results_dir)],
    [rows.logs, tildePath(state.logs_dir)],
  ];
  const shown = lines.filter((line): line is [string, string] => line[1] !== undefined);
  return `${pico.bold(pico.green(heading))}\n\n${columns(shown.map(([label, value]) => ['', label, value]))}`;
}
