import { InvalidArgumentError, Option, type Command } from 'commander';
import { createToken, listTokens, revokeToken } from '../../api/tokens.ts';
import { langOf } from '../../config/early.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { SCOPES, TOKEN_NAME, type Scope } from '../../shared/access.ts';
import { readContext } from '../context.ts';
import { CliError } from '../exit.ts';
import { command, ending, printing } from '../options.ts';
import { table } from '../output/table.ts';
import { when } from '../output/time.ts';
import type { CliText } from '../text/index.ts';

export function tokenCommand(say: CliText): Command {
  const { help } = say;
  const token = command('token', say, help.token, [
    'kimi-dispatch token create ci --scope submit,read',
    'kimi-dispatch token list',
    'kimi-dispatch token revoke ci',
  ]).helpCommand(false);
  token.addCommand(
    command('create', say, help.tokenCreate, ['kimi-dispatch token create ci > token'])
      .argument('<NAME>', help.tokenName, tokenName(say))
      .addOption(
        new Option('--scope <SCOPES>', help.tokenScope)
          .argParser(scopes(say))
          .default(['submit', 'read'] satisfies Scope[], 'submit,read'),
      )
      .action(printing(async (name: string, { scope }: { scope: Scope[] }) => await create(name, scope))),
  );
  token.addCommand(
    command('list', say, help.tokenList, ['kimi-dispatch token list --json | jq -r .[].name'])
      .option('--json', help.json)
      .action(printing(list)),
  );
  token.addCommand(
    command('revoke', say, help.tokenRevoke, ['kimi-dispatch token revoke ci'])
      .argument('<NAME>', help.tokenNamed)
      .action(ending(revoke)),
  );
  return token;
}

function tokenName(say: CliText): (value: string) => string {
  return (value) => {
    if (!TOKEN_NAME.test(value)) throw new InvalidArgumentError(say.token.badName);
    return value;
  };
}

function scopes(say: CliText): (value: string) => Scope[] {
  return (value) => {
    const words = value.split(',').map((word) => word.trim());
    if (!words.every(isScope)) throw new InvalidArgumentError(say.usage.choices(SCOPES.join(', ')));
    return [...new Set(words)];
  };
}

function isScope(word: string): word is Scope {
  return (SCOPES as readonly string[]).includes(word);
}

/** Standard output has the token alone, for a file or a variable. */
async function create(name: string, scope: readonly Scope[]): Promise<Exit> {
  const { config, stack, say } = await readContext();
  const token = await createToken(config.KIMI_HOME, name, scope);
  if (token === undefined) throw new CliError(EXIT.usage, say.token.exists(name));
  console.log(token);
  const isServed = stack?.http_api_url !== undefined || config.KIMI_API_PORT !== undefined;
  console.error([say.token.created(name, scope), ...(isServed ? [] : [say.token.notServed])].join('\n'));
  return EXIT.ok;
}

async function list({ json }: { json?: true }): Promise<Exit> {
  const { config, say } = await readContext();
  const tokens = await listTokens(config.KIMI_HOME);
  if (json) console.log(JSON.stringify(tokens, null, 2));
  else if (tokens.length === 0) console.log(say.token.none);
  else {
    const rows = tokens.map(({ name, scopes: its, created_at }) => [name, its.join(', '), when(created_at, langOf())]);
    console.log(table(say.token.columns, rows));
  }
  return EXIT.ok;
}

async function revoke(name: string): Promise<Exit> {
  const { config, say } = await readContext();
  if (!(await revokeToken(config.KIMI_HOME, name))) throw new CliError(EXIT.usage, say.token.unknown(name));
  console.log(say.token.revoked(name));
  return EXIT.ok;
}
