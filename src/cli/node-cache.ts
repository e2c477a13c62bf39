/** Keeps the compiled code of ES modules that are loaded from now on, with Node 22.1 and newer. */
export function useNodesCache(): void {
  (process.getBuiltinModule('node:module') as { enableCompileCache?: () => void }).enableCompileCache?.();
}
