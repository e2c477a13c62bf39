import { join } from 'node:path';
import { tildePath } from '../service/files.ts';
import { DATABASE } from '../stack/engine-database.ts';
import type { Plan } from '../stack/plan.ts';
import { setAside } from './engine-damage.ts';
import type { CliText } from './text/index.ts';

/** What the supervisor of a stack says, in the user's language; it loads no texts itself. */
export function supervisorSentences(home: string, say: CliText): Plan['say'] {
  const names = ['temporal', 'services', 'simulator'] as const;
  const restarted = (missing?: string): Plan['say']['restarted'] => {
    const sentences = names.map((name) => [name, say.up.restarted(name, missing)]);
    return Object.fromEntries(sentences) as Plan['say']['restarted'];
  };
  const damage = (['not_a_database', 'cut_off', 'damaged'] as const).map((problem) => [
    problem,
    say.damage(tildePath(join(home, DATABASE)), problem, setAside(home)),
  ]);
  return {
    stopping: say.steps.stopping,
    stopped: say.up.stopped,
    homeGone: say.up.homeGone(tildePath(home)),
    hung: say.up.hung,
    restarted: restarted(),
    missing: restarted('{}'),
    damage: Object.fromEntries(damage) as Plan['say']['damage'],
  };
}
