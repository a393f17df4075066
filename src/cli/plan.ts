import type { Command } from 'commander';
import { planVariants, type VariantPlan } from '../pipeline/planning.ts';
import { chooseVariants } from '../pipeline/recipes.ts';
import { addSourceOptions, contextOf, mirrorFlag, type SourceOptions, sourceChoices } from './context.ts';
import { print, printJson, styled, table } from './output.ts';
import { stopSignal } from './signals.ts';

export function registerPlan(program: Command): void {
  const command = program
    .command('plan')
    .description(
      'show the steps of a build, which are done already, and why the others are not; builds nothing',
    )
    .argument('[RECIPE[:VARIANT]...]', 'recipes under recipes/ or paths of YAML files (default: sample)');
  addSourceOptions(command).action(async (references: string[], options: SourceOptions) => {
    const context = await contextOf(command, mirrorFlag(options));
    const chosen = await chooseVariants(references.length === 0 ? ['sample'] : references);
    const plans = await planVariants(context.home, chosen, sourceChoices(context, options), stopSignal());
    // `kiln why --json` tells the changes one by one.
    if (context.json) printJson({ variants: plans.map(({ changes: _, ...plan }) => plan) });
    else print(plans.map(formatPlan).join('\n\n'));
  });
}

function formatPlan(plan: VariantPlan): string {
  const bundle = plan.bundle ?? 'known once its sources were fetched';
  const title = styled('bold', `${plan.recipe}:${plan.variant}`, process.stdout);
  const rows = plan.steps.map(({ step, status, why }) => [step, status, why]);
  const steps = table(
    ['  STEP', 'STATUS', 'WHY'],
    rows.map(([step = '', ...rest]) => [`  ${step}`, ...rest]),
    (cell, column, row) =>
      column === 1 && row >= 0 ? styled(cell === 'hit' ? 'green' : 'yellow', cell, process.stdout) : cell,
  );
  return `${title}  bundle ${bundle}, channel ${plan.channel}\n${steps}`;
}
