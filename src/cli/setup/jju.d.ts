declare module 'jju' {
  interface UpdateOptions {
    /** Writes what JSON5 allows: trailing commas and names without quotation marks, where the text has them. */
    mode: 'json5';
    /** `replace` keeps names such as `constructor`. */
    reserved_keys: 'replace';
  }
  const jju: { update: (text: string, value: unknown, options: UpdateOptions) => string };
  export default jju;
}
