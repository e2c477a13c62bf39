import * as nodeModule from 'node:module';

/** Keeps the compiled code of ES modules that are loaded from now on, with Node 22.1 and newer. */
export function useNodesCache(): void {
  (nodeModule as { enableCompileCache?: () => void }).enableCompileCache?.();
}
