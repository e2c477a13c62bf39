/** @returns an address fit to be shown or recorded: without the user info and query, where people put secrets. */
export function publicAddress(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
