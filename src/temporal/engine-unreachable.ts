/**
 * No Temporal server answers at the configured address, or it rejects our credentials. A module of its own: services and commands
 * that never connect recognize it without loading the SDK.
 */
export class EngineUnreachable extends Error {
  override readonly name = 'EngineUnreachable';

  /** @param why what is wrong with certificates or key, and which variables to check; absent if no server answers. */
  constructor(
    readonly address: string,
    readonly why?: string,
    options?: ErrorOptions,
  ) {
    super(
      why === undefined
        ? `no Temporal server answers at ${address}`
        : `the Temporal server at ${address} cannot be used: ${why}`,
      options,
    );
  }
}
