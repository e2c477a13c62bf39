/** A process that claims a home when it is told to, and keeps it: `claimer.ts HOME`. */
import { claimHome } from '../../src/stack/home.ts';
import { identify } from '../../src/stack/process-id.ts';
import type { StackState } from '../../src/stack/state.ts';

const [home = ''] = process.argv.slice(2);
process.on('message', () => void claim());
process.send?.('ready');

async function claim(): Promise<void> {
  const claimed = await claimHome(home);
  // A stack that is ready writes its state.
  await claimed?.writeState(identify(process.pid) as StackState);
  process.send?.({ claimed: claimed !== undefined });
}
