import type { CliText } from '../zh-TW/index.ts';

/** The service that starts at boot. */
export const service: CliText['service'] = {
  will: (file) => `This writes ${file}:`,
  steps: 'and runs:',
  lingers: 'enable-linger lets your services start at boot, without a login.',
  restarts: 'The running services are stopped first and started by the service; unfinished tasks continue.',
  removes: (file) => `This stops the service, removes ${file} and runs:`,
  question: 'Continue? [y/N]',
  noTerminal:
    'This is not an interactive terminal, so nothing was changed. Check what is shown above, then run this again with --yes.',
  left: 'Nothing was changed.',
  installed: (name) =>
    `The service ${name} is installed and running, and is started again if it fails. kimi-dispatch service status shows it, kimi-dispatch service uninstall removes it.`,
  boot: {
    yes: 'It starts at boot.',
    login: 'It starts when you log in.',
    no_linger: 'It starts only when you log in; to start it at boot, run sudo loginctl enable-linger $USER',
    disabled: 'It does not start at boot; run kimi-dispatch service install',
  },
  uninstalled:
    'The service is removed; tasks, results and configuration are kept. kimi-dispatch up --detach starts by hand.',
  none: 'No service is installed, so nothing starts after a reboot; kimi-dispatch service install installs one.',
  running: (name, pid) => `Running as the service ${name} (process ${pid}).`,
  retrying: (name) => `The service ${name} cannot start and is retried; kimi-dispatch logs up has the reason.`,
  stopped: (name) => `The service ${name} is installed, but not running; run kimi-dispatch up --detach.`,
  starting: (name) => `The service ${name} is starting.`,
  byHand: (name) =>
    `The service ${name} is installed, but it did not start what is running; run kimi-dispatch down, then kimi-dispatch up --detach, to use it.`,
  missing: (files) =>
    `The program of the service no longer exists: ${files} (Node or the package was updated or removed); run kimi-dispatch service install again.`,
  refused: (name) =>
    `Kimi Dispatch is running as the service ${name}, so it was not started here. kimi-dispatch list shows the tasks; to run it here, run kimi-dispatch down first.`,
  here: (name) =>
    `This was started by hand, not by the service ${name}; kimi-dispatch up --detach starts it by the service.`,
  downUntilBoot: 'The service starts again at the next boot; kimi-dispatch service uninstall removes it.',
  otherScope: (name, file) =>
    `There is a service ${name} already (${file}). Run kimi-dispatch service uninstall first, then install it.`,
  simulated: 'The running services use the simulated Kimi. Run kimi-dispatch down first, then install the service.',
  problem: {
    no_manager:
      'This machine was not booted with systemd, so no service was installed. Let your init system or container run kimi-dispatch up and restart it when it fails.',
    no_session:
      'There is no systemd user session for you here, so no service was installed. Use kimi-dispatch service install --system, or log in directly (not through su or sudo) and try again.',
  },
  throughSudo:
    'Do not run this with sudo: the service would belong to root and could not read your configuration. Run kimi-dispatch service install --system as yourself; it calls sudo where it needs it.',
  temporary: (file) =>
    `${file} is in the temporary folder of npx, which may be removed at any time, so no service was installed. Run npm install -g kimi-dispatch first.`,
  secrets: (names, file) =>
    `${names} is only in the environment of this shell: a service cannot read it there, and no secret is written into its definition, so nothing was installed. Write it to ${file} (for example KIMI_API_KEY=sk-…, then chmod 600 ${file}) and run this again.`,
  stepFailed: (command, why) => `${command} failed: ${why}`,
  failed: (why, log) => `The service did not start: ${why} (its log is ${log})`,
  slow: 'it is not ready yet; see kimi-dispatch service status later',
};
