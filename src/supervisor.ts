/** The supervisor of a stack as a process of its own, for `up --detach` and `run`. The command that starts it sends the plan. */
import { EXIT } from './service/exit.ts';
import { supervise } from './stack/supervise.ts';

process.exit((await supervise(process)) ? EXIT.ok : EXIT.unexpected);
