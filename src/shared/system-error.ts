/** @returns the code of an error; its message, or its class, if it has none. */
export function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: string };
  return typeof code === 'string' && code !== '' ? code : (name ?? 'Error');
}
