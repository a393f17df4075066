import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bootConfigs, makeFloppy, makeIso, makeNbi } from '../initrd/index.ts';
import { requireToolsOf } from '../platform/hosttools.ts';
import type { Recipe } from '../recipe/schema.ts';
import type { Variant } from '../recipe/variants.ts';

export interface ImagesRequest {
  /** The bundle's directory, with vmlinuz, initrd.gz and System.map in it; the images join them. */
  readonly staged: string;
  /** Directory for files on the way. */
  readonly workDirectory: string;
  readonly variant: Variant;
  readonly id: string;
  readonly cmdline: string;
  readonly compiler: string;
  readonly epoch: number;
  readonly signal: AbortSignal;
  readonly log: string;
}

type ImageName = Recipe['images'][number];

/** Host tools that an image needs and other builds do not. */
const TOOLS: Readonly<Partial<Record<ImageName, readonly string[]>>> = {
  floppy: ['mtools', 'syslinux'],
  iso: ['xorriso', 'ISOLINUX', "SYSLINUX's modules"],
};

/** @throws KilnError `tool` naming what the images of a recipe need and the machine lacks */
export async function requireImageTools(images: readonly ImageName[]): Promise<void> {
  for (const image of images) {
    const tools = TOOLS[image];
    if (tools !== undefined) await requireToolsOf(tools, `images: [${image}]`);
  }
}

/** Makes the boot images that the recipe asks for. @throws KilnError `failed` for what has no room on one */
export async function makeImages(request: ImagesRequest): Promise<void> {
  const { staged, variant, cmdline, workDirectory, epoch, signal, log } = request;
  const { images, nbi, floppy } = variant.recipe;
  // Held to what a loader takes literally, whichever of them the recipe asks for.
  const configs = bootConfigs({
    id: request.id,
    files: { kernel: 'vmlinuz', initrd: 'initrd.gz' },
    cmdline,
    label: variant.fullName,
  });
  await mkdir(workDirectory, { recursive: true });
  const at = (name: string) => join(staged, name);
  const common = { workDirectory, kernel: at('vmlinuz'), initrd: at('initrd.gz'), cmdline, signal, log };
  const medium = { ...common, label: variant.fullName, epoch };
  if (images.includes('pxe')) await writeFile(at('pxelinux.cfg'), configs['pxelinux.cfg']);
  if (images.includes('ipxe')) await writeFile(at('boot.ipxe'), configs['boot.ipxe']);
  if (images.includes('nbi')) {
    const { compiler } = request;
    await makeNbi(at('vmlinuz.nbi'), {
      ...common,
      compiler,
      systemMap: at('System.map'),
      layout: nbi.layout,
    });
  }
  if (images.includes('floppy')) await makeFloppy(at('floppy.img'), { ...medium, size: floppy.size });
  if (images.includes('iso')) await makeIso(at('boot.iso'), medium);
}
