import { type Command, InvalidArgumentError, Option } from 'commander';
import { addToken, ROLES, type Role, readTokens, revokeToken } from '../server/tokens.ts';
import { contextOf } from './context.ts';
import { note, print, printJson, styled, table } from './output.ts';

export function registerToken(program: Command): void {
  const token = program
    .command('token')
    .description('who may do what over HTTP: tokens for kiln serve')
    .addHelpText(
      'after',
      `
Examples:
  kiln token add --role publisher --name alice    printed once; only its digest is kept
  kiln token list
  kiln token revoke 1f2e3d4c

A viewer may read, a builder queue and steer jobs, a publisher change channels as well. Reading from this machine
needs no token.`,
    );
  const add = token
    .command('add')
    .description('make a token, and print it: it can not be shown again')
    .addOption(new Option('--role <ROLE>', 'what it is good for').choices(ROLES).makeOptionMandatory())
    .option('--name <NAME>', "who gets it: what channels' histories say of changes", name, 'somebody')
    .action(async (options: { role: Role; name: string }) => {
      const { home, json } = await contextOf(add);
      const { token: text, record } = await addToken(home, options.name, options.role);
      const { id, role, since } = record;
      if (json) return printJson({ token: text, id, name: record.name, role, since });
      print(text);
      note(`${record.name} may act as ${role} with it; kiln token revoke ${id} ends that`);
    });
  const list = token
    .command('list')
    .description('show the tokens that there are')
    .action(async () => {
      const { home, json } = await contextOf(list);
      const tokens = (await readTokens(home)).map(({ id, name: who, role, since }) => ({
        id,
        name: who,
        role,
        since,
      }));
      if (json) return printJson({ tokens });
      if (tokens.length === 0) return print('No tokens: over HTTP nobody can change anything.');
      const rows = tokens.map((one) => [one.id, one.name, one.role, one.since]);
      print(
        table(['TOKEN', 'NAME', 'ROLE', 'SINCE'], rows, (cell, _column, row) =>
          row === -1 ? styled('bold', cell, process.stdout) : cell,
        ),
      );
    });
  const revoke = token
    .command('revoke')
    .description('end a token, at once')
    .argument('<ID>', 'from kiln token list')
    .action(async (id: string) => {
      const { home, json } = await contextOf(revoke);
      const { name: who, role } = await revokeToken(home, id);
      if (json) return printJson({ revoked: id });
      print(`${id}, by which ${who} could act as ${role}, is no token any more`);
    });
  for (const command of token.commands) command.exitOverride();
}

function name(text: string): string {
  if (/^[\w.@ -]{1,60}$/.test(text)) return text;
  throw new InvalidArgumentError('expected letters, digits, blanks and ". @ _ -", 60 at most');
}
