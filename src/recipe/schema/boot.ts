import { z } from 'zod';

/** What the console shows: text, or between slashes a regular expression. */
function isExpectation(text: string): boolean {
  const source = /^\/(.+)\/$/.exec(text)?.[1];
  try {
    return source === undefined || new RegExp(source) instanceof RegExp;
  } catch {
    return false;
  }
}

const model = z.string().min(1);

const nic = z
  .union([
    model,
    z
      .array(model)
      .min(1, 'name a card, or leave nic out')
      .refine((all) => new Set(all).size === all.length, 'no card twice'),
  ])
  .describe('Network card of the boot gate: a QEMU model, e.g. rtl8139; of several the gate boots each');

/** What nodes are booted with, and what the boot gate does. */
export const boot = z.strictObject({
  cmdline: z.string().optional().describe('Kernel command line of the boot configurations'),
  nic: nic.optional(),
  expect: z
    .array(z.string().min(1).refine(isExpectation, 'between slashes, a regular expression'))
    .optional()
    .describe(
      'What the console must show for the boot gate to pass; {release}, {id}, {initrd.size} and {initrd.sha256} are filled in. Between slashes: a regular expression',
    ),
  memory: z.int().min(8).max(2048).optional().describe("The gate's machine: MiB of memory"),
  timeout: z.int().min(1).max(3600).optional().describe('Seconds before the gate gives up'),
});
