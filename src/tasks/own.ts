/** The operations as the holder of a token may use them. All protocols with tokens use this class, so that none can forget a check. */
import type { NewSchedule, Schedule, Schedules, ServiceSchedules } from '../schedules/schedules.ts';
import { may, ownerSeenBy, scopeFor, type Deed, type TokenHolder } from '../shared/access.ts';
import type { Route } from '../shared/chat.ts';
import type { StoredRows } from '../shared/map.ts';
import type { Question, ResultFile } from '../shared/result.ts';
import type { TaskReference } from '../shared/task-id.ts';
import { OUTCOMES, type TaskFile } from '../shared/task.ts';
import type { Usage } from './limits.ts';
import { Problem } from './problem.ts';
import type { Kept } from './remove.ts';
import type { Rows } from './rows.ts';
import type {
  Acknowledgement,
  Allowance,
  Attachment,
  CallerFilter,
  CallerTasks,
  Cancellation,
  EndedRow,
  NewMap,
  NewTask,
  ServiceTasks,
  Standing,
  StartedMap,
  StartedTask,
  TaskList,
} from './tasks.ts';
import type { NewUpload, Upload, Uploads } from './uploads.ts';

/** Operations on the tasks of a token. A task of another one is unknown to it. */
export class OwnTasks implements CallerTasks {
  readonly schedules: Schedules;
  readonly uploads: Uploads;

  constructor(
    private readonly all: ServiceTasks,
    private readonly holder: TokenHolder,
  ) {
    this.uploads = new OwnUploads(all.uploads, holder);
    this.schedules = new OwnSchedules(all.schedules, holder, async (task) => await this.checked(task));
  }

  async start(task: NewTask, key: string, waitMs: number): Promise<StartedTask> {
    return await this.all.start(await this.checked(task), key, waitMs);
  }

  async keep(file: Attachment): Promise<TaskFile> {
    need(this.holder, 'start');
    return await this.all.keep(file);
  }

  async startMap(map: NewMap, key: string): Promise<StartedMap> {
    if (map.retries !== undefined) await this.check('start', map.retries);
    return await this.all.startMap(await this.checked(map), key);
  }

  async keepRows(file: Attachment): Promise<StoredRows> {
    need(this.holder, 'start');
    return await this.all.keepRows(file);
  }

  async storeRows(file: Pick<StoredRows, 'name' | 'sha256'>, rows: Rows): Promise<StoredRows> {
    need(this.holder, 'start');
    return await this.all.storeRows(file, rows);
  }

  async *rowsOf(task_id: string): AsyncGenerator<EndedRow> {
    await this.check('read', task_id);
    yield* this.all.rowsOf(task_id);
  }

  async list(filter: CallerFilter, limit: number, cursor?: string): Promise<TaskList> {
    need(this.holder, 'read');
    return await this.all.list({ ...filter, ...this.seen() }, limit, cursor);
  }

  async find(task_id: string, chat?: Route): Promise<Standing> {
    await this.check('read', task_id);
    return await this.all.find(task_id, chat);
  }

  async result(task_id?: string, chat?: Route): Promise<ResultFile> {
    if (task_id !== undefined) await this.check('read', task_id);
    else need(this.holder, 'read');
    const { owner } = this.seen();
    if (task_id !== undefined || owner === undefined) return await this.all.result(task_id, chat);
    const newest = await this.all.list({ owner, status: [...OUTCOMES], ...(chat && { route: chat }) }, 1);
    const [task] = newest.tasks;
    if (!task) throw new Problem('no_results', {});
    return await this.all.result(task.task_id, chat);
  }

  async question(task_id: string, chat?: Route): Promise<Question> {
    await this.check('read', task_id);
    return await this.all.question(task_id, chat);
  }

  async unacknowledged(): Promise<ResultFile[]> {
    need(this.holder, 'read');
    return (await this.all.unacknowledged()).filter((result) => may(this.holder, 'read', result));
  }

  async acknowledge(reference: TaskReference, chat?: Route): Promise<Acknowledgement> {
    await this.check('change', reference.task_id);
    return await this.all.acknowledge(reference, chat);
  }

  async cancel(task_id: string, chat?: Route): Promise<Cancellation> {
    await this.check('change', task_id);
    return await this.all.cancel(task_id, chat);
  }

  async remove(task_id: string, chat?: Route): Promise<Kept | undefined> {
    await this.check('change', task_id);
    return await this.all.remove(task_id, chat);
  }

  async limits(): Promise<Usage> {
    need(this.holder, 'read');
    return await this.all.limits();
  }

  async allow(task_id: string, chat?: Route): Promise<Allowance> {
    await this.check('allow', task_id);
    return await this.all.allow(task_id, chat);
  }

  private seen(): { owner?: string } {
    const owner = ownerSeenBy(this.holder);
    return owner === undefined ? {} : { owner };
  }

  /** @returns a task to start, as one of this token. */
  private async checked<T extends NewTask>(task: T): Promise<T> {
    need(this.holder, 'start');
    if (task.route) need(this.holder, 'notify');
    // The event that is sent contains the answer.
    if (task.notify) need(this.holder, 'read');
    if (task.notify_as !== undefined) await this.check('read', task.notify_as);
    if (task.continue !== undefined) await this.check('start', task.continue);
    return { ...task, owner: this.holder.name };
  }

  /** @throws {Problem} `not_allowed`; `unknown_task` for the task of another token, so that its existence is not disclosed */
  private async check(deed: Deed, task_id: string): Promise<void> {
    need(this.holder, deed);
    if (may(this.holder, deed, {})) return;
    if (!may(this.holder, deed, { owner: await this.all.ownerOf(task_id) })) {
      throw new Problem('unknown_task', { task_id });
    }
  }
}

/** A file of another token is unknown. */
class OwnUploads implements Uploads {
  constructor(
    private readonly all: Uploads,
    private readonly holder: TokenHolder,
  ) {}

  async add(file: NewUpload): Promise<Upload> {
    need(this.holder, 'start');
    return await this.all.add({ ...file, owner: this.holder.name });
  }

  async list(): Promise<Upload[]> {
    need(this.holder, 'read');
    return (await this.all.list()).filter((file) => may(this.holder, 'read', file));
  }

  async find(id: string): Promise<Upload | undefined> {
    return await this.mine('read', id);
  }

  async content(id: string): Promise<Buffer | undefined> {
    return (await this.mine('read', id)) && (await this.all.content(id));
  }

  async remove(id: string): Promise<boolean> {
    return (await this.mine('change', id)) !== undefined && (await this.all.remove(id));
  }

  private async mine(deed: Deed, id: string): Promise<Upload | undefined> {
    need(this.holder, deed);
    const file = await this.all.find(id);
    return file && may(this.holder, deed, { owner: file.owner }) ? file : undefined;
  }
}

class OwnSchedules implements Schedules {
  constructor(
    private readonly all: ServiceSchedules,
    private readonly holder: TokenHolder,
    private readonly checked: (task: NewTask) => Promise<NewTask>,
  ) {}

  async add(wanted: NewSchedule, key: string): Promise<Schedule> {
    return await this.all.add({ ...wanted, task: await this.checked(wanted.task) }, `${this.holder.name} ${key}`);
  }

  async list(chat?: Route): Promise<Schedule[]> {
    need(this.holder, 'read');
    return (await this.all.list(chat)).filter((schedule) => may(this.holder, 'read', schedule));
  }

  async pause(name: string, chat?: Route): Promise<Schedule> {
    await this.check('change', name);
    return await this.all.pause(name, chat);
  }

  async resume(name: string, chat?: Route): Promise<Schedule> {
    await this.check('change', name);
    return await this.all.resume(name, chat);
  }

  async run(name: string, key: string, waitMs: number, chat?: Route): Promise<StartedTask> {
    await this.check('start', name);
    return await this.all.run(name, key, waitMs, chat);
  }

  async remove(name: string, chat?: Route): Promise<void> {
    await this.check('change', name);
    await this.all.remove(name, chat);
  }

  private async check(deed: Deed, name: string): Promise<void> {
    need(this.holder, deed);
    if (may(this.holder, deed, {})) return;
    if (!may(this.holder, deed, { owner: await this.all.ownerOf(name) }))
      throw new Problem('unknown_schedule', { name });
  }
}

/** @throws {Problem} `not_allowed` */
function need(holder: TokenHolder, deed: Deed): void {
  if (!may(holder, deed)) throw new Problem('not_allowed', { scope: scopeFor(deed) });
}
