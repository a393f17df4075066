import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readBase, readFragments } from '../../src/pipeline/inputs.ts';
import { chooseVariants } from '../../src/pipeline/recipes.ts';
import { homeAt } from '../../src/platform/home.ts';
import { DirectoryExchange } from '../../src/queue/exchange.ts';
import { packParcel, unpackParcel } from '../../src/queue/parcel.ts';
import { CHECKOUT, freshDirectory } from '../support/kiln.ts';
import { makePlace, PATCH, reworded, watched } from './fixture.ts';
import { startUpstream } from './upstream.ts';

it('a preferred configuration that a mirror of the coordinator has goes to the worker', async () => {
  const upstream = await startUpstream();
  upstream.files.set('fix-1.patch', PATCH);
  upstream.files.set('fix-2.patch', reworded('two'));
  const place = makePlace({ patches: watched(upstream.url) });
  await place.look();
  await upstream.close();
  const [job] = place.jobs();
  if (job === undefined) throw new Error('nothing was queued');
  const directory = freshDirectory('preferring');
  const mirror = freshDirectory('mirror');
  writeFileSync(join(mirror, 'ltsp.config'), 'CONFIG_NET=y\n');
  const recipe = join(directory, 'preferring.yaml');
  writeFileSync(
    recipe,
    `name: preferring
kernel: {version: 2.4.99, source: {urls: [${join(CHECKOUT, 'recipes/sample/linux-2.4.99.tar.bz2')}]}}
config: {base: none, prefer: ltsp.config}
variants: {a: {}}
channel: own/a
`,
  );
  const queued = {
    ...job,
    variants: ['a'],
    spec: { ...job.spec, references: [`${recipe}:a`], mirrors: [mirror] },
  };
  const { home, signal } = place.context;
  const exchange = new DirectoryExchange(freshDirectory('exchange'));
  const parcel = await packParcel(queued, home, exchange, '1', signal);
  const elsewhere = homeAt(freshDirectory('worker'));
  const spec = await unpackParcel(queued, parcel, elsewhere, exchange, signal);
  const [chosen] = await chooseVariants(spec.references);
  if (chosen === undefined) throw new Error('the parcel has no recipe');
  expect(await readBase(chosen.recipe, spec.mirrors)).toMatchObject({ text: 'CONFIG_NET=y\n' });
});

describe('a revision', () => {
  it('goes to a worker on another machine with all that it names', async () => {
    const upstream = await startUpstream();
    upstream.files.set('fix-1.patch', PATCH);
    upstream.files.set('fix-2.patch', reworded('two'));
    const place = makePlace({ patches: watched(upstream.url) });
    await place.look();
    await upstream.close();
    const [job] = place.jobs();
    if (job === undefined) throw new Error('nothing was queued');
    const { home, signal } = place.context;
    const exchange = new DirectoryExchange(freshDirectory('exchange'));
    const parcel = await packParcel(job, home, exchange, '1', signal);
    const elsewhere = homeAt(freshDirectory('worker'));
    const spec = await unpackParcel(job, parcel, elsewhere, exchange, signal);
    const [chosen] = await chooseVariants(spec.references);
    expect(chosen?.recipe.recipe.patches.map(({ name }) => name)).toEqual(['fix-2']);
    const root = join(elsewhere.cache, 'parcels');
    expect(chosen?.recipe.lockFile.startsWith(`${root}/`)).toBe(true);
    expect(chosen?.recipe.directory.startsWith(`${root}/`)).toBe(true);
    const fragments = await Promise.all(
      (chosen?.variants ?? []).map((variant) =>
        chosen === undefined ? [] : readFragments(chosen.recipe, variant),
      ),
    );
    expect(fragments.flat().map(({ text }) => text)).toEqual([
      'CONFIG_NE2K_PCI=y\n',
      'CONFIG_NE2K_PCI=y\n',
      'CONFIG_8139TOO=y\n',
    ]);
    if (chosen !== undefined) expect(await readBase(chosen.recipe, [])).toBeUndefined();
    expect(readFileSync(chosen?.recipe.lockFile ?? '', 'utf8')).toContain('fix-2.patch');
    expect(dirname(chosen?.recipe.lockFile ?? '')).toMatch(/revisions\/own\/1$/);
  });
});
