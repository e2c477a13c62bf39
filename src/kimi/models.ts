/** The request parameters a model is given besides model and messages. */
export interface ModelParameters {
  temperature?: number;
  max_tokens?: number;
}

/**
 * What the contract sends to the models it names. Newer Kimi models fix their temperature and refuse another one with
 * 400 (`invalid temperature: only 1 is allowed for this model`), and count their reasoning into the token limit, so
 * they, and models unknown here, get no parameters of our invention.
 */
export function parametersFor(model: string): ModelParameters {
  return model.startsWith('moonshot-v1-') ? { temperature: 0.3, max_tokens: 8000 } : {};
}

/** Hosts of Moonshot's own API, which answers in place and never calls back. */
const MOONSHOT_HOSTS = new Set(['api.moonshot.cn', 'api.moonshot.ai']);

/** @returns whether the API at this address calls back when the answer is there. */
export function callsBack(apiUrl: string): boolean {
  return !MOONSHOT_HOSTS.has(new URL(apiUrl).hostname.replace(/\.$/, ''));
}
