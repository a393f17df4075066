import { z } from 'zod';

/** The tools that build. */
export const toolchain = z
  .strictObject({
    compiler: z
      .string()
      .min(1)
      .default('gcc')
      .describe('The C compiler: a command or a path, as seen where the toolchain is'),
    chroot: z
      .string()
      .min(1)
      .optional()
      .describe('The root of another system whose tools build, e.g. by debootstrap; relative to the recipe'),
    container: z
      .string()
      .min(1)
      .optional()
      .describe('An image of podman or docker whose tools build; it has to be there, nothing is pulled'),
    compat: z
      .enum(['auto', 'off'])
      .default('auto')
      .describe("Whether Kiln's compat rules for today's compilers are applied to the tree"),
  })
  .refine(
    ({ chroot, container }) => chroot === undefined || container === undefined,
    'either chroot or container',
  );
