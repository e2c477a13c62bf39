import { it } from 'vitest'; import '../support/cli.ts'; it('x', () => {});
