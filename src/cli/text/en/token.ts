import type { CliText } from '../zh-TW/index.ts';

/** What the commands of tokens say. */
export const token: CliText['token'] = {
  created: (name, scopes) =>
    `Token ${name} (${scopes.join(', ')}) created. It is shown this once only: store it. To use it: Authorization: Bearer TOKEN`,
  notServed: 'No service takes tokens yet: set KIMI_API_PORT, then run kimi-dispatch up.',
  exists: (name) =>
    `There is a token named "${name}" already, so none was created. Choose another name, or revoke that one first: kimi-dispatch token revoke ${name}`,
  badName: 'A name has 1 to 64 letters, digits or . _ -',
  none: 'There are no tokens. Create one: kimi-dispatch token create NAME',
  columns: ['Name', 'Scopes', 'Created'],
  unknown: (name) => `There is no token "${name}". kimi-dispatch token list shows which there are.`,
  revoked: (name) => `Token ${name} revoked; it is refused from now on. Tasks that it started continue.`,
};
