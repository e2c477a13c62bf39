import type { CliText } from '../zh-TW/index.ts';

/** What the commands of schedules say. */
export const schedule: CliText['schedule'] = {
  added: (name, when) => `🗓️ Schedule added: ${name} (${when})`,
  next: (at, zone) => `Next: ${at}, ${zone}`,
  paused: (name) =>
    `⏸️ Schedule paused: ${name}. Times that pass meanwhile are not made up for; kimi-dispatch schedule resume resumes it.`,
  resumed: (name) => `▶️ Schedule resumed: ${name}`,
  removed: (name) => `Schedule removed: ${name}. Tasks that it started continue.`,
  none: 'There are no schedules. Add one: kimi-dispatch schedule add "every day 8:00" -p "…"',
  columns: ['Name', 'When', 'Next', 'Last', 'Prompt'],
  all: (parts) => parts.join('; '),
  isPaused: 'paused',
  inZone: (at, zone) => `${at} (${zone})`,
  lastTask: (id, state) => `${id} ${state}`,
  overlapped: (at, id) => `${at} skipped: task ${id} was still in progress`,
  missed: (at, times) => `${times} until ${at} did not run: the services did not run then`,
  problem: (at, why) => `${at} not started: ${why}`,
  unknown: (name) => `There is no schedule "${name}". kimi-dispatch schedule list shows which there are.`,
  exists: (name) =>
    `There is a schedule named "${name}" already, so none was added. Give another name with -n, or remove that one first: kimi-dispatch schedule remove "${name}"`,
  unknownTimes: (words, why) =>
    `"${words}" is not understood as a time${why === undefined ? '' : ` (${why})`}, so no schedule was added. Write "every day 8:00", "every Monday and Friday 9:30", "weekdays 18:00", "every month on the 1st 8:00", "every 2 hours", or five fields of cron, e.g. "0 8 * * *".`,
  neverDue: (words) =>
    `"${words}" never comes, so no schedule was added. Check the date: there is no 30 February, for example.`,
  unknownTimezone: (timezone) =>
    `There is no time zone "${timezone}", so no schedule was added. Give an IANA name, e.g. Asia/Taipei or America/New_York.`,
};
