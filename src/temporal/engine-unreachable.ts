import type { Lang } from '../shared/task.ts';

/**
 * No Temporal server answers at the configured address, or it rejects our credentials. A module of its own: services and commands
 * that never connect recognize it without loading the SDK.
 */
export class EngineUnreachable extends Error {
  override readonly name = 'EngineUnreachable';

  /** @param why what is wrong with certificates or key; absent if no server answers. */
  constructor(
    readonly address: string,
    readonly why?: CredentialsProblem,
    options?: ErrorOptions,
  ) {
    super(SENTENCE.en(address, why && sayCredentials(why, 'en')), options);
  }

  sentence(lang: Lang): string {
    return SENTENCE[lang](this.address, this.why && sayCredentials(this.why, lang));
  }
}

/** The connection to the engine was lost during a call, whose outcome is unknown. */
export class EngineLost extends EngineUnreachable {}

/** What is wrong with certificates or key. `tls` is Node's or OpenSSL's code, e.g. `SELF_SIGNED_CERT_IN_CHAIN`. */
export type CredentialsProblem =
  | { code: 'key_refused' | 'no_tls' }
  | { code: 'certificate_refused' | 'certificate_untrusted'; tls: string };

/** @returns what is wrong, and which variables to check. */
export function sayCredentials(problem: CredentialsProblem, lang: Lang): string {
  const tls = 'tls' in problem ? problem.tls : '';
  return CREDENTIALS[lang][problem.code](tls);
}

const SENTENCE: Record<Lang, (address: string, why?: string) => string> = {
  en: (address, why) =>
    why === undefined
      ? `no Temporal server answers at ${address}`
      : `the Temporal server at ${address} cannot be used: ${why}`,
  'zh-TW': (address, why) =>
    why === undefined
      ? `連不上位於 ${address} 的 Temporal 伺服器`
      : `無法使用位於 ${address} 的 Temporal 伺服器：${why}`,
};

const CREDENTIALS: Record<Lang, Record<CredentialsProblem['code'], (tls: string) => string>> = {
  en: {
    key_refused: () => 'it refuses our key or certificate; look at TEMPORAL_API_KEY and TEMPORAL_NAMESPACE',
    no_tls: () => 'it does not speak TLS; look at TEMPORAL_TLS',
    certificate_refused: (tls) =>
      `it does not take our certificate (${tls}); look at TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH`,
    certificate_untrusted: (tls) =>
      `its certificate is not trusted (${tls}); look at TEMPORAL_TLS_SERVER_CA_CERT_PATH and TEMPORAL_TLS_SERVER_NAME`,
  },
  'zh-TW': {
    key_refused: () => '它不接受我們的金鑰或憑證；請檢查 TEMPORAL_API_KEY 與 TEMPORAL_NAMESPACE',
    no_tls: () => '它不使用 TLS；請檢查 TEMPORAL_TLS',
    certificate_refused: (tls) =>
      `它不接受我們的憑證（${tls}）；請檢查 TEMPORAL_TLS_CLIENT_CERT_PATH 與 TEMPORAL_TLS_CLIENT_KEY_PATH`,
    certificate_untrusted: (tls) =>
      `它的憑證不受信任（${tls}）；請檢查 TEMPORAL_TLS_SERVER_CA_CERT_PATH 與 TEMPORAL_TLS_SERVER_NAME`,
  },
};
