/** A home whose services call a simulated Kimi outside of them, which outlives them. */
import { join } from 'node:path';
import { createSimulator } from '../../src/simulator/app.ts';
import type { SimulatorEvent } from '../../src/simulator/events.ts';
import { GatewayStub } from '../chaos/gateway.ts';
import { cleanHome } from './cli.ts';
import { lifetime, SECRET, serve, silent } from './resources.ts';

/** @param changes of the environment, e.g. `WEBHOOK_PORT`: where callbacks go after a restart */
export async function homeBesideKimi(changes: Record<string, string>) {
  const events: SimulatorEvent[] = [];
  const onEvent = (event: SimulatorEvent): void => void events.push(event);
  const simulator = createSimulator({ secret: SECRET, delayMs: 0, log: silent, onEvent });
  lifetime()(() => simulator.stop());
  const url = await serve(simulator.app);
  const env = await cleanHome({
    KIMI_CALLBACKS: 'native',
    KIMI_API_URL: `${url}/v1`,
    KIMI_API_KEY: 'sk-test',
    KIMI_MODEL: 'kimi-k2.6',
    KIMI_MAX_TASKS_PER_MINUTE: '0',
    OPENCLAW_WAKE_URL: `${url}/hooks/wake`,
    WEBHOOK_SECRET: SECRET,
    ...changes,
  });
  const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
  return { env, home, events, counts: simulator.counts };
}

/** The same, with a gateway outside of the services too, which notes what it has shown. */
export async function homeBesideKimiAndGateway(changes: Record<string, string>) {
  const gateway = new GatewayStub(() => performance.now());
  await gateway.start();
  lifetime()(async () => await gateway.stop());
  return { gateway, ...(await homeBesideKimi({ OPENCLAW_WAKE_URL: gateway.url, ...changes })) };
}
