import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/bundle/index.ts';
import { digestFile } from '../../src/platform/digest.ts';
import { sampleHome } from '../support/kiln.ts';

interface Statement {
  _type: string;
  subject: { name: string; digest: { sha256: string } }[];
  predicateType: string;
  predicate: {
    buildDefinition: {
      externalParameters: { recipe: string; variant: string };
      resolvedDependencies: { name: string; digest: { sha256: string } }[];
    };
  };
}

interface Sbom {
  spdxVersion: string;
  creationInfo: { created: string };
  packages: { SPDXID: string; name: string; checksums?: { checksumValue: string }[]; versionInfo?: string }[];
  files: { SPDXID: string; fileName: string; checksums: { algorithm: string; checksumValue: string }[] }[];
  relationships: { spdxElementId: string; relationshipType: string; relatedSpdxElement: string }[];
}

let directory: string;
let manifest: Manifest;

beforeAll(async () => {
  const place = join(await sampleHome(), 'bundles/sample/all');
  const id = readdirSync(place).find((name) => !name.endsWith('.json')) ?? '';
  directory = join(place, id);
  manifest = json('manifest.json') as Manifest;
});

function json(name: string): unknown {
  return JSON.parse(readFileSync(join(directory, name), 'utf8'));
}

describe('the provenance of a bundle', () => {
  it('is an in-toto statement about every file of it, by SLSA 1', async () => {
    const statement = json('provenance.json') as Statement;
    expect(statement._type).toBe('https://in-toto.io/Statement/v1');
    expect(statement.predicateType).toBe('https://slsa.dev/provenance/v1');
    const names = Object.keys(manifest.files).filter(
      (name) => !['provenance.json', 'sbom.spdx.json'].includes(name),
    );
    expect(statement.subject.map(({ name }) => name)).toEqual(names.sort());
    for (const { name, digest } of statement.subject) {
      expect(digest.sha256).toBe((await digestFile(join(directory, name))).sha256);
    }
  });

  it('names kernel, every patch, every fragment and the compiler by digest', () => {
    const { buildDefinition } = (json('provenance.json') as Statement).predicate;
    expect(buildDefinition.externalParameters).toMatchObject({ recipe: 'sample', variant: 'all' });
    const named = buildDefinition.resolvedDependencies.map(({ name, digest }) => [name, digest.sha256]);
    expect(named).toEqual([
      ['kernel', manifest.sources.kernel.sha256],
      ...manifest.sources.patches.map(({ name, sha256 }) => [name, sha256]),
      ...(manifest.config.inputs ?? []).map(({ name, sha256 }) => [`fragment ${name}`, sha256]),
      ['toolchain', manifest.toolchain.fingerprint],
    ]);
    expect(manifest.config.inputs?.map(({ name }) => name)).toEqual(manifest.config.fragments);
  });
});

describe('the SBOM of a bundle', () => {
  it('is SPDX 2.3: every element that a relationship names is there, every file with its SHA-1', async () => {
    const sbom = json('sbom.spdx.json') as Sbom;
    expect(sbom.spdxVersion).toBe('SPDX-2.3');
    const ids = new Set(['SPDXRef-DOCUMENT', ...[...sbom.packages, ...sbom.files].map((one) => one.SPDXID)]);
    for (const { spdxElementId, relatedSpdxElement } of sbom.relationships) {
      expect(ids).toContain(spdxElementId);
      expect(ids).toContain(relatedSpdxElement);
    }
    for (const { fileName, checksums } of sbom.files) {
      const { sha1, sha256 } = await digestFile(join(directory, fileName), ['sha1']);
      expect(checksums.map(({ checksumValue }) => checksumValue)).toEqual([sha1, sha256]);
    }
  });

  it('names what the bundle was made of, and the date that stands in every artifact', () => {
    const sbom = json('sbom.spdx.json') as Sbom;
    const patches = sbom.relationships.filter(({ relationshipType }) => relationshipType === 'PATCH_FOR');
    expect(patches).toHaveLength(manifest.sources.patches.length);
    const compiler = sbom.packages.find(({ name }) => name === 'compiler');
    expect(compiler?.versionInfo).toBe(manifest.toolchain.compiler);
    expect(sbom.creationInfo.created).toBe('2003-08-25T00:00:00Z');
  });
});
