import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TASK_ID } from '../shared/task-id.ts';

/** A request that was accepted and not called back yet. */
export interface KeptRequest<Body> {
  /** The API id. */
  id: string;
  /** When it was accepted, in milliseconds since 1970. */
  at: number;
  body: Body;
}

/** How long a task accepts a late answer, in milliseconds. */
const DAY_MS = 86_400_000;

/** Remembers accepted requests, as Kimi does, while the machine that asked is off. The simulation of `up` ends with its stack. */
export class KeptRequests<Body extends { metadata: { task_id: string } }> {
  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** @returns those of a simulation before. Older ones, and what cannot be read, are removed. */
  read(): KeptRequest<Body>[] {
    return readdirSync(this.folder).flatMap((name) => {
      const path = join(this.folder, name);
      try {
        const request = JSON.parse(readFileSync(path, 'utf8')) as KeptRequest<Body>;
        if (Date.now() - request.at < DAY_MS) return [request];
      } catch {
        // A killed process left it half-written.
      }
      rmSync(path, { recursive: true, force: true });
      return [];
    });
  }

  keep(request: KeptRequest<Body>): void {
    const { task_id } = request.body.metadata;
    if (TASK_ID.test(task_id)) writeFileSync(join(this.folder, task_id), JSON.stringify(request), { mode: 0o600 });
  }

  forget(task_id: string): void {
    if (TASK_ID.test(task_id)) rmSync(join(this.folder, task_id), { force: true });
  }
}
