/** `npm run build`: the workflows, the services and the CLI, into dist/; the plugin into its own. */
import { createHash } from 'node:crypto';
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { build, type BuildOptions } from 'esbuild';

const from = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

await rm(from('dist'), { recursive: true, force: true });
await rm(from('openclaw/plugin/dist'), { recursive: true, force: true });

const common: BuildOptions = {
  outdir: from('dist'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  logLevel: 'warning',
};

/** Packages in CommonJS find these words in scope. */
const COMMONJS_WORDS = [
  "import { createRequire as $createRequire } from 'node:module';",
  "import { fileURLToPath as $fileURLToPath } from 'node:url';",
  'const require = $createRequire(import.meta.url);',
  'const __filename = $fileURLToPath(import.meta.url);',
].join('');

const workflowsPath = from('src/workflows/index.ts');
// Loaded once for all workflows, and not once for each: no module of theirs holds state.
const preloadModules = [from('src/workflows/stack-traces.ts'), workflowsPath];
const workflows = { workflowsPath, preloadModules, logger: new DefaultLogger('WARN') };
const failureConverterPath = from('src/temporal/payloads/failure-converter.ts');

const [clear, encrypted] = await Promise.all([
  bundleWorkflowCode(workflows),
  bundleWorkflowCode({ ...workflows, failureConverterPath }),
  // The services load their packages from node_modules: native parts cannot be bundled.
  build({
    ...common,
    packages: 'external',
    entryPoints: {
      ...Object.fromEntries(
        ['worker', 'webhook', 'relay', 'services', 'simulator'].map((name) => [name, from(`src/${name}.ts`)]),
      ),
      'journal-check': from('src/webhook/journal-check.ts'),
    },
  }),
  // The SDK loads this one by its path, with `require`.
  build({
    ...common,
    packages: 'external',
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    entryPoints: [failureConverterPath],
  }),
  // The CLI starts for every dispatch: few files load in a fraction of the time, and only what a command needs. What draws the
  // report is a thread of its own.
  build({
    ...common,
    entryPoints: {
      'kimi-dispatch': from('src/cli.ts'),
      starter: from('src/starter.ts'),
      supervisor: from('src/supervisor.ts'),
      'report-thread': from('src/report/thread.ts'),
    },
    external: ['@temporalio/testing', '@aws-sdk/client-s3', '@opentelemetry/*'],
    splitting: true,
    minifySyntax: true,
    minifyWhitespace: true,
    banner: { js: COMMONJS_WORDS },
  }),
  // The gateway loads it; what it needs of the gateway is there.
  build({
    ...common,
    outdir: from('openclaw/plugin/dist'),
    target: 'node24',
    entryPoints: { index: from('openclaw/plugin/src/index.ts') },
    external: ['openclaw/*'],
  }),
]);
await writeFile(from('dist/workflows.cjs'), clear.code);
await writeFile(from('dist/workflows-encrypted.cjs'), encrypted.code);
await chmod(from('dist/kimi-dispatch.js'), 0o755);

// Tells a command whether the services that run are those that are installed.
const hash = createHash('sha256');
for (const name of (await readdir(from('dist'))).toSorted()) hash.update(await readFile(from(`dist/${name}`)));
await writeFile(from('dist/build-id'), hash.digest('hex'));
