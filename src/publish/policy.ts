import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { type Manifest, type StoredBundle, signatureFaults, trustedKeys } from '../bundle/index.ts';
import { KilnError } from '../platform/errors.ts';
import { readTextIfAny } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';

/** What a bundle has to be for nodes to get it. */
const policySchema = z.strictObject({
  /** Signed by the home's own key or one in keys/trusted/. */
  signed: z.boolean().default(true),
  /** What its build may have run in, as the manifest has it; empty: anything. */
  sandbox: z.array(z.enum(['bubblewrap', 'container', 'off', 'none'])).default(['bubblewrap', 'container']),
  /** Whether sources may have been substituted (`--source`). */
  substituted: z.boolean().default(false),
});

export type Policy = z.output<typeof policySchema>;

/** The policy of a home, which every publish and rollback is held to where there is one. */
export function policyPath(home: Home): string {
  return join(home.root, 'policy.yaml');
}

/** Kiln's own policy, for a look at a home that has none: signed, sandboxed, from the sources that the recipe names. */
export const STRICT: Policy = policySchema.parse({});

/** Reads a policy file; undefined where there is none. @throws KilnError `invalid` */
export async function readPolicy(file: string): Promise<Policy | undefined> {
  const text = await readTextIfAny(file);
  if (text === undefined) return undefined;
  let raw: unknown;
  try {
    raw = parse(text) ?? {};
  } catch (error) {
    throw invalid(file, (error as Error).message.split('\n')[0] ?? '');
  }
  const read = policySchema.safeParse(raw);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw invalid(file, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a policy'}`);
}

function invalid(file: string, sentence: string): KilnError {
  return new KilnError('invalid', sentence, {
    place: { file },
    hint: 'a policy has signed (true, false), sandbox (a list of bubblewrap, container, off, none), substituted (true, false)',
  });
}

/** What a policy has against a bundle, a sentence each; empty when nothing. */
export async function objections(home: Home, bundle: StoredBundle, policy: Policy): Promise<string[]> {
  const { manifest } = bundle;
  const found: string[] = [];
  if (policy.signed) {
    const faults = await signatureFaults(bundle, await trustedKeys(home));
    found.push(...faults.map(({ sentence }) => sentence));
  }
  const sandbox = manifest.build?.sandbox;
  if (policy.sandbox.length > 0 && (sandbox === undefined || !policy.sandbox.includes(sandbox))) {
    const was = sandbox === undefined ? 'an unknown sandbox' : `sandbox: ${sandbox}`;
    found.push(`it was built with ${was}; the policy asks for ${policy.sandbox.join(' or ')}`);
  }
  if (!policy.substituted) {
    found.push(...substitutes(manifest).map((name) => `its source ${name} was substituted`));
  }
  return found;
}

function substitutes({ sources }: Manifest): string[] {
  return [sources?.kernel, ...(sources?.patches ?? [])]
    .filter((source) => source?.substituted === true)
    .map((source) => source?.name ?? '');
}

/** @throws KilnError `integrity` when the home has a policy and the bundle does not meet it */
export async function assertPolicy(home: Home, bundle: StoredBundle): Promise<void> {
  const policy = await readPolicy(policyPath(home));
  if (policy === undefined) return;
  const [first, ...others] = await objections(home, bundle, policy);
  if (first === undefined) return;
  throw new KilnError('integrity', `the policy refuses bundle ${bundle.manifest.id}: ${first}`, {
    place: { file: policyPath(home) },
    lines: others,
    hint: 'kiln verify --policy says what it has against which bundle',
  });
}
