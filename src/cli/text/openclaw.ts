/** @returns the command of OpenClaw for a profile. */
export function openclaw(profile: string | undefined): string {
  return profile === undefined ? 'openclaw' : `openclaw --profile ${profile}`;
}
