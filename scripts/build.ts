/** `npm run build`: the workflows, the services, the CLI and the TypeScript client, into dist/; the plugin into its own. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { build, type BuildOptions, type Plugin } from 'esbuild';
import sqlite from 'node-sqlite3-wasm';
import { licencesOf } from './licences.ts';

const from = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

const requireHere = createRequire(import.meta.url);

const { version } = JSON.parse(await readFile(from('package.json'), 'utf8')) as { version: string };

await rm(from('dist'), { recursive: true, force: true });
await rm(from('openclaw/plugin/dist'), { recursive: true, force: true });

/** CommonJS packages expect these identifiers in scope. */
const COMMONJS_WORDS = [
  "import { createRequire as $createRequire } from 'node:module';",
  "import { fileURLToPath as $fileURLToPath } from 'node:url';",
  'const require = $createRequire(import.meta.url);',
  'const __filename = $fileURLToPath(import.meta.url);',
  "const __dirname = $fileURLToPath(new URL('.', import.meta.url));",
].join('');

/** @returns a CommonJS module that exports names of another one, which an expression loads when one of them is first used. */
function atFirstUse(names: string[], module: string): string {
  return names
    .map((name) => `Object.defineProperty(exports, '${name}', { enumerable: true, get: () => ${module}['${name}'] });`)
    .join('\n');
}

/** Modules of the SDK that commands use. */
const ofSdk = new Set<string>();

/** Its names are used by every command. */
const SEARCH_ATTRIBUTES = '@temporalio/common/lib/search-attributes.js';

/** The commands' file of the SDK. */
const SDK_FILE = 'sdk.cjs';

/**
 * Loads the SDK when one of its names is first used: a command that only reads files takes half the CPU time. The modules lie in one file,
 * of which each module exists once.
 */
const sdkAtFirstUse: Plugin = {
  name: 'SDK at first use',
  setup(esbuild) {
    esbuild.onResolve({ filter: /^@temporalio\/(?:client|common|envconfig|proto)(?:\/|$)/ }, ({ path }) => {
      if (path === SEARCH_ATTRIBUTES) return undefined;
      ofSdk.add(path);
      return { path, namespace: 'sdk' };
    });
    esbuild.onLoad({ filter: /./, namespace: 'sdk' }, ({ path }) => ({
      contents: atFirstUse(Object.keys(requireHere(path) as object), `require('./${SDK_FILE}')['${path}']`),
    }));
    esbuild.onResolve({ filter: new RegExp(`^\\./${SDK_FILE}$`), namespace: 'sdk' }, ({ path }) => ({
      path,
      external: true,
    }));
  },
};

/** The SDK without webpack, which it needs only to bundle workflows, as this build does; its native part stays in its package. */
const sdk: Plugin = {
  name: 'sdk',
  setup(esbuild) {
    esbuild.onLoad({ filter: /@temporalio\/worker\/lib\/workflow\/bundler\.js$/ }, () => ({
      contents: `
        exports.defaultWorkflowInterceptorModules = [];
        exports.bundleWorkflowCode = () => { throw new Error('workflows are bundled by npm run build'); };`,
    }));
    esbuild.onLoad({ filter: /@temporalio\/core-bridge\/common\.js$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replace(
        '__dirname',
        "path.dirname(require.resolve('@temporalio/core-bridge/package.json'))",
      ),
    }));
  },
};

const common: BuildOptions = {
  outdir: from('dist'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  logLevel: 'warning',
  metafile: true,
};

/**
 * Every package is bundled, in the version of the lock file, except the two with native parts. Few files load in a fraction of the time, and
 * only code that is used stays in memory.
 */
const programs: BuildOptions = {
  ...common,
  external: ['lmdb'],
  plugins: [sdk],
  splitting: true,
  minifySyntax: true,
  minifyWhitespace: true,
  define: { KIMI_DISPATCH_VERSION: JSON.stringify(version) },
  banner: { js: COMMONJS_WORDS },
};

/** Modules that the commands of the running service load only if they need them. */
const ON_DEMAND = [
  'cli/every-command.ts',
  'cli/local-tasks.ts',
  'cli/error-sentence.ts',
  'cli/output/markdown.ts',
  'cli/map-rows.ts',
  'stack/foreground.ts',
];

/** How the files of the quick commands import others: code that was kept from an earlier run cannot use `import()`. */
const IMPORT_HERE = '"use strict"; var importHere = importHere ?? ((file) => import(file));';

/** Leaves modules out of a bundle: it imports their own files. */
const onDemand: Plugin = {
  name: 'on demand',
  setup(esbuild) {
    const names = ON_DEMAND.map((path) => basename(path));
    esbuild.onResolve({ filter: /\.ts$/ }, ({ path, kind }) =>
      kind === 'dynamic-import' && names.includes(basename(path))
        ? { path: `./${basename(path, '.ts')}.js`, namespace: 'on-demand' }
        : undefined,
    );
    // The bundle waits for what has `then`.
    esbuild.onLoad({ filter: /./, namespace: 'on-demand' }, ({ path }) => ({
      contents: `module.exports = { then: (...settle) => importHere('${path}').then(...settle) };`,
    }));
  },
};

/** Loads modules of Node when they are first used, which most commands do not: commander's, for programs of its own, promises, and cryptography, which takes 4 ms. */
const nodeAtFirstUse: Plugin = {
  name: 'modules of Node at first use',
  setup(esbuild) {
    esbuild.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'require-call' || path === 'node:fs/promises' || path === 'node:crypto'
        ? { path, namespace: kind }
        : undefined,
    );
    esbuild.onLoad({ filter: /^node:/, namespace: 'require-call' }, ({ path }) => ({
      contents: `module.exports = new Proxy({}, { get: (_, name) => process.getBuiltinModule('${path}')[name] });`,
    }));
    esbuild.onLoad({ filter: /^node:/, namespace: 'import-statement' }, ({ path }) => ({
      contents: atFirstUse(Object.keys(requireHere(path) as object), `process.getBuiltinModule('${path}')`),
    }));
  },
};

/** Evaluates modules when they are first used, which few commands do: tables with emoji, colours, sentences about tasks and the configuration, names from prompts. */
const modulesAtFirstUse: Plugin = {
  name: 'modules at first use',
  setup(esbuild) {
    const ours = ['text/index', 'config/problems', 'tasks/task-name'].map((module) => from(`src/${module}.ts`));
    const packages = ['string-width', 'picocolors'];
    esbuild.onResolve({ filter: /^string-width$|^picocolors$|\.ts$/ }, ({ path, kind, resolveDir }) => {
      const module = path.startsWith('.') ? join(resolveDir, path) : path;
      const isLate = packages.includes(module) || ours.includes(module);
      return kind === 'import-statement' && isLate
        ? { path: module, namespace: 'at-first-use', pluginData: resolveDir }
        : undefined;
    });
    esbuild.onLoad({ filter: /./, namespace: 'at-first-use' }, async ({ path, pluginData }) => ({
      contents:
        path === 'string-width'
          ? `module.exports = (text) => require('${path}').default(text);`
          : atFirstUse(
              Object.keys(ours.includes(path) ? ((await import(path)) as object) : (requireHere(path) as object)),
              `require('${path}')`,
            ),
      resolveDir: pluginData as string,
    }));
  },
};

/** Makes the database that a new home starts with, for the version of the server that its tables are of. */
async function makeEngineDatabase(): Promise<void> {
  const sql = await readFile(from('src/stack/engine-tables.sql'), 'utf8');
  const database = new sqlite.Database(from(`dist/engine-${/Temporal server (\S+)/.exec(sql)?.[1]}.db`));
  database.exec(sql);
  database.close();
}

/** Writes the types of the client: TypeScript writes those of every module that it loads, and leaves `.ts` in their imports. */
async function writeTypes(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'kimi-types-'));
  execFileSync(from('node_modules/.bin/tsc'), ['--project', from('src/sdk'), '--outDir', folder], { stdio: 'inherit' });
  for (const module of ['index', 'client', 'errors', 'events', 'types']) {
    const types = await readFile(join(folder, `sdk/${module}.d.ts`), 'utf8');
    await writeFile(from(`dist/sdk/${module}.d.ts`), types.replaceAll(/(from '\.\/\w+)\.ts'/g, "$1.js'"));
  }
  await rm(folder, { recursive: true });
}

const workflowsPath = from('src/workflows/index.ts');
// Loaded once for all workflows instead of once for each: none of these modules holds state.
const preloadModules = [from('src/workflows/stack-traces.ts'), workflowsPath];
const workflows = { workflowsPath, preloadModules, logger: new DefaultLogger('WARN') };
const failureConverterPath = from('src/temporal/payloads/failure-converter.ts');

const [clear, encrypted, commands, ...bundles] = await Promise.all([
  bundleWorkflowCode(workflows),
  bundleWorkflowCode({ ...workflows, failureConverterPath }),
  // The other commands share no files with the services. The report is rendered in a thread of its own.
  build({
    ...programs,
    plugins: [sdk, sdkAtFirstUse],
    entryPoints: {
      ...Object.fromEntries(ON_DEMAND.map((path) => [basename(path, '.ts'), from(`src/${path}`)])),
      supervisor: from('src/supervisor.ts'),
      'report-thread': from('src/report/thread.ts'),
      'answer-thread': from('src/report/answer-thread.ts'),
      'document-thread': from('src/documents/thread.ts'),
    },
  }),
  build({
    ...programs,
    entryPoints: {
      ...Object.fromEntries(
        ['worker', 'webhook', 'relay', 'services', 'simulator'].map((name) => [name, from(`src/${name}.ts`)]),
      ),
      'journal-check': from('src/webhook/journal-check.ts'),
      // The SDK's workflow thread: the SDK looks for it by this name in this folder.
      'workflow-worker-thread': from('node_modules/@temporalio/worker/lib/workflow/workflow-worker-thread.js'),
    },
  }),
  // The SDK loads this one by its path, with `require`.
  build({
    ...common,
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    entryPoints: [failureConverterPath],
  }),
  // The commands of the running service start for every dispatch: one file, whose modules are evaluated when they are needed. It is
  // CommonJS, which Node loads in less time than an ES module, and its compiled code is kept: the entry point, another file, loads it.
  build({
    ...programs,
    format: 'cjs',
    splitting: false,
    outExtension: { '.js': '.cjs' },
    entryPoints: { 'kimi-dispatch': from('src/cli.ts'), starter: from('src/starter.ts') },
    define: { ...programs.define, 'import.meta.dirname': '__dirname' },
    // Chinese characters would make the whole file a text of two bytes a character.
    charset: 'ascii',
    banner: { js: IMPORT_HERE },
    plugins: [onDemand, nodeAtFirstUse, modulesAtFirstUse],
  }),
  // Loaded by programs: `import { KimiDispatch } from 'kimi-dispatch'`.
  build({ ...common, outdir: from('dist/sdk'), entryPoints: [from('src/sdk/index.ts')], splitting: true }),
  // Loaded by the gateway, which provides its own modules.
  build({
    ...common,
    outdir: from('openclaw/plugin/dist'),
    target: 'node24',
    entryPoints: { index: from('openclaw/plugin/src/index.ts') },
    external: ['openclaw/*'],
  }),
]);
const commandsSdk = await build({
  ...common,
  format: 'cjs',
  minifySyntax: true,
  minifyWhitespace: true,
  outdir: undefined,
  outfile: from(`dist/${SDK_FILE}`),
  stdin: {
    contents: [...ofSdk]
      .map((path) => `Object.defineProperty(exports, '${path}', { get: () => require('${path}') });`)
      .join('\n'),
    resolveDir: from('.'),
  },
});
await writeFile(from('dist/workflows.cjs'), clear.code);
await writeFile(from('dist/workflows-encrypted.cjs'), encrypted.code);
await writeTypes();
await makeEngineDatabase();
const metafiles = [commands, commandsSdk, ...bundles].map(({ metafile }) => metafile);
const licenceOfTables = await readFile(from('scripts/temporal-cli-licence.txt'), 'utf8');
await writeFile(
  from('dist/licences.txt'),
  await licencesOf(metafiles, from('.'), `Tables of Temporal’s server: MIT\n\n${licenceOfTables}`),
);
// Read by the package source-map, from its own folder.
await copyFile(from('node_modules/source-map/lib/mappings.wasm'), from('dist/mappings.wasm'));
await chmod(from('dist/kimi-dispatch.cjs'), 0o755);
// It is read as text of one byte a character (src/cli/code-cache.ts); esbuild leaves the characters of regular expressions as they are.
const starter = await readFile(from('dist/starter.cjs'), 'utf8');
const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
await writeFile(from('dist/starter.cjs'), starter.replaceAll(/[^\0-\x7f]/g, escaped));

// Lets a command detect whether the running services are of the installed build.
const hash = createHash('sha256');
const files = (await readdir(from('dist'), { withFileTypes: true })).filter((entry) => entry.isFile());
for (const name of files.map((file) => file.name).toSorted()) hash.update(await readFile(from(`dist/${name}`)));
await writeFile(from('dist/build-id'), hash.digest('hex'));
