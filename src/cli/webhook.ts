import { type Command, InvalidArgumentError } from 'commander';
import { nowIso } from '../platform/clock.ts';
import { KilnError } from '../platform/errors.ts';
import { deliver } from '../server/notices/deliver.ts';
import {
  addHook,
  findHook,
  hookFile,
  isLetter,
  NOTICES,
  type NoticeType,
  removeHook,
} from '../server/notices/hooks.ts';
import { contextOf } from './context.ts';
import { note, print, printJson, styled, table } from './output.ts';
import { stopSignal } from './signals.ts';

export function registerWebhook(program: Command): void {
  const webhook = program
    .command('webhook')
    .description('who is told when a job fails or nodes boot something else: addresses for kiln serve')
    .addHelpText(
      'after',
      `
Examples:
  kiln webhook add https://chat.example.org/hooks/kiln        prints the secret that messages are signed with
  kiln webhook add mailto:ops@example.org --on failed --link https://kiln.example.org
  kiln webhook test 1f2e3d4c
  kiln webhook list
  kiln webhook remove 1f2e3d4c

Messages are signed as Standard Webhooks are (HMAC-SHA256), and tried again for a day, also after a restart. Letters
go to the sendmail of this machine.`,
    );
  registerAdd(webhook);
  const list = webhook
    .command('list')
    .description('show the webhooks that there are')
    .action(async () => {
      const { home, json } = await contextOf(list);
      const hooks = (await hookFile(home).read()).map(({ secret: _secret, ...hook }) => hook);
      if (json) return printJson({ webhooks: hooks });
      if (hooks.length === 0) return print('No webhooks: nobody is told of anything.');
      const rows = hooks.map(({ id, url, on, since }) => [id, url, on.join(', '), since]);
      print(
        table(['WEBHOOK', 'ADDRESS', 'TOLD OF', 'SINCE'], rows, (cell, _column, row) =>
          row === -1 ? styled('bold', cell, process.stdout) : cell,
        ),
      );
    });
  const test = webhook
    .command('test')
    .description('send a test message now, once')
    .argument('<ID>', 'from kiln webhook list')
    .action(async (id: string) => {
      const { home, json } = await contextOf(test);
      const hook = await findHook(home, id);
      const notice = { type: 'test', at: nowIso() } as const;
      const fault = await deliver(hook, notice, { signal: stopSignal(), answerMs: 10_000 });
      if (fault !== undefined) {
        throw new KilnError('failed', `${hook.url} could not be told: ${fault}`, {
          hint: 'kiln serve would try again, for a day',
        });
      }
      if (json) return printJson({ told: id });
      print(`${hook.url} was told`);
    });
  const remove = webhook
    .command('remove')
    .description('tell somebody no more')
    .argument('<ID>', 'from kiln webhook list')
    .action(async (id: string) => {
      const { home, json } = await contextOf(remove);
      const { url } = await removeHook(home, id);
      if (json) return printJson({ removed: id });
      print(`${url} is told no more`);
    });
  for (const command of webhook.commands) command.exitOverride();
}

function registerAdd(webhook: Command): void {
  const add = webhook
    .command('add')
    .description('tell somebody, from now on')
    .argument('<URL>', 'https://..., http://... or mailto:...')
    .option('--on <WHAT,...>', `of what: ${NOTICES.join(', ')}; all of it by default`, notices, NOTICES)
    .option('--link <URL>', 'where the page is, for the links in messages', '')
    .action(async (url: string, options: { on: readonly NoticeType[]; link: string }) => {
      const { home, json } = await contextOf(add);
      const hook = await addHook(home, url, options.on, options.link);
      if (json) return printJson({ ...hook });
      if (!isLetter(hook)) print(hook.secret);
      note(
        `${url} is told of ${hook.on.join(', ')} while kiln serve runs; kiln webhook test ${hook.id} tries it`,
      );
    });
}

function notices(text: string): readonly NoticeType[] {
  return text.split(',').map((name) => {
    const known = NOTICES.find((one) => one === name.trim());
    if (known === undefined) throw new InvalidArgumentError(`expected of ${NOTICES.join(', ')}.`);
    return known;
  });
}
