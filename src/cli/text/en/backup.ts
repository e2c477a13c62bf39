import type { CliText } from '../zh-TW/index.ts';

/** Backup and restore. */
export const backup: CliText['backup'] = {
  exists: (file) => `${file} exists and was not overwritten. Choose another name.`,
  written: (file, kilobytes, pausedMs) =>
    `Backup written: ${file} (${kilobytes} KB).${pausedMs > 0 ? ` The services were paused for ${pausedMs} ms; tasks continue.` : ''}`,
  inside:
    'It holds tasks, prompts, answers and the secrets that sign callbacks: keep it private. The keys and settings of .env are not in it: back them up separately (without KIMI_PAYLOAD_KEYS, encrypted tasks cannot be read).',
  elsewhere:
    'The tasks are on the Temporal server of TEMPORAL_ADDRESS and not in this backup; back up that server itself.',
  none: (file) => `There is no file ${file}, so nothing was restored.`,
  running: 'Services are running, so nothing was restored. Run kimi-dispatch down first.',
  notEmpty: (what) =>
    `There are tasks or results here (${what}), so nothing was restored. With --force they are moved aside first, not deleted.`,
  notABackup: (file) => `${file} was not made by kimi-dispatch backup, or it is damaged; nothing was changed.`,
  newer: (version) =>
    `This backup was made by a newer kimi-dispatch ${version}, so nothing was restored. Update to that version or a newer one first.`,
  restored: (at, version) => `The backup of ${at} is restored (kimi-dispatch ${version}).`,
  replaced: (folders) => `What was here before is in: ${folders}`,
  again:
    'Run kimi-dispatch up --detach now. Tasks that were open at the backup continue: one that was completed since may be sent to Kimi, charged and notified again.',
};
