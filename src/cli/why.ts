import { type Command, InvalidArgumentError } from 'commander';
import { KEYED_STEPS, type KeyedStep } from '../pipeline/plan.ts';
import { planVariants, type VariantPlan } from '../pipeline/planning.ts';
import { chooseVariants } from '../pipeline/recipes.ts';
import { addSourceOptions, contextOf, mirrorFlag, type SourceOptions, sourceChoices } from './context.ts';
import { print, printJson, styled } from './output.ts';
import { stopSignal } from './signals.ts';

export function registerWhy(program: Command): void {
  const command = program
    .command('why')
    .description('say what changed since the last build of a variant, and which steps have to run for it')
    .argument('<RECIPE:VARIANT>', 'a variant; a recipe alone means all of its variants')
    .argument('[STEP]', `only what makes this step run: ${KEYED_STEPS.join(', ')}`, stepNamed);
  addSourceOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  kiln why sample:rtl8139
  kiln why openmosix-2.4.22:rtl8139 compile     what of the changes reaches the compiler`,
    )
    .action(async (reference: string, step: KeyedStep | undefined, options: SourceOptions) => {
      const context = await contextOf(command, mirrorFlag(options));
      const chosen = await chooseVariants([reference]);
      const plans = await planVariants(context.home, chosen, sourceChoices(context, options), stopSignal());
      const answers = plans.map((plan) => answer(plan, step));
      if (context.json) printJson({ variants: answers });
      else print(answers.map(inWords).join('\n\n'));
    });
}

function stepNamed(text: string): KeyedStep {
  const step = KEYED_STEPS.find((one) => one === text);
  if (step === undefined) throw new InvalidArgumentError(`expected one of ${KEYED_STEPS.join(', ')}`);
  return step;
}

/** A plan cut down to one step and what comes before it. */
function answer({ recipe, variant, bundle, changes, steps }: VariantPlan, step: KeyedStep | undefined) {
  const last = step === undefined ? KEYED_STEPS.length : KEYED_STEPS.indexOf(step) + 1;
  const wanted: readonly string[] = step === undefined ? ['fetch', ...KEYED_STEPS] : [step];
  return {
    recipe,
    variant,
    bundle,
    builtBefore: changes !== null,
    changes: (changes ?? []).filter((change) => KEYED_STEPS.indexOf(change.step) < last),
    steps: steps.filter((one) => wanted.includes(one.step)),
  };
}

function inWords({ recipe, variant, builtBefore, changes, steps }: ReturnType<typeof answer>): string {
  const title = styled('bold', `${recipe}:${variant}`, process.stdout);
  const lines = changes.map(({ input, from, to, step }) => {
    const what =
      from === null
        ? `${input} is new: ${to}`
        : to === null
          ? `${input} is gone`
          : `${input}: ${from} -> ${to}`;
    return `  ${what}  (from ${step} on)`;
  });
  const missing = steps.filter(({ status }) => status === 'miss').map(({ step }) => step);
  if (!builtBefore) lines.push('  it was never built in this home');
  else if (changes.length === 0) lines.push('  nothing changed since its last build');
  lines.push(missing.length === 0 ? '  nothing has to run' : `  has to run: ${missing.join(', ')}`);
  return [title, ...lines].join('\n');
}
