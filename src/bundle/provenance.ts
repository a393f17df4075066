import type { Manifest, SourceRecord } from './manifest.ts';

/** Files that are made from the manifest, and that say nothing of themselves. */
export const PROVENANCE = 'provenance.json';
export const SBOM = 'sbom.spdx.json';

/**
 * Where the bundle comes from: an in-toto statement (https://in-toto.io/Statement/v1) with SLSA's provenance
 * (https://slsa.dev/spec/v1.0/provenance). It tells neither time nor machine, so that the same inputs give
 * the same bytes; who vouches for it is what the signature says.
 */
export function formatProvenance(manifest: Manifest): string {
  const { recipe, variant, release, arch, boot, config, initrd, toolchain, key } = manifest;
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: subjects(manifest).map(([name, { sha256 }]) => ({ name, digest: { sha256 } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'urn:kiln:bundle:1',
        externalParameters: {
          recipe,
          variant,
          arch,
          base: config.base,
          fragments: config.fragments,
          accepted: config.accepted,
          kit: initrd.kit,
          cmdline: boot.cmdline,
        },
        internalParameters: {
          release,
          key,
          sourceDateEpoch: manifest.sourceDateEpoch,
          compat: toolchain.compat,
        },
        resolvedDependencies: [
          ...sources(manifest).map(({ name, file, sha256, substituted }) => ({
            name,
            uri: `urn:kiln:source:${encodeURIComponent(file)}`,
            digest: { sha256 },
            ...(substituted === true ? { annotations: { substituted: true } } : {}),
          })),
          ...(config.inputs ?? []).map(({ name, sha256 }) => ({
            name: `fragment ${name}`,
            uri: `urn:kiln:fragment:${encodeURIComponent(name)}`,
            digest: { sha256 },
          })),
          {
            name: 'toolchain',
            uri: 'urn:kiln:toolchain',
            digest: { sha256: toolchain.fingerprint },
            annotations: {
              compiler: toolchain.compiler,
              binutils: toolchain.binutils,
              make: toolchain.make,
              ...(toolchain.within === undefined ? {} : { within: toolchain.within }),
            },
          },
        ],
      },
      runDetails: {
        builder: { id: 'urn:kiln:builder:1' },
        metadata: { invocationId: `urn:kiln:key:${key}` },
      },
    },
  };
  return `${JSON.stringify(statement, null, 2)}\n`;
}

/** A file's digests as SPDX wants them: SHA-1 is mandatory there (SPDX 2.3, 8.4). */
export interface FileChecksums {
  readonly sha1: string;
  readonly sha256: string;
}

/**
 * What is in the bundle and what it was made of, as SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/). Its date is the
 * one that stands in every artifact, not that of the build.
 */
export function formatSbom(manifest: Manifest, checksums: Readonly<Record<string, FileChecksums>>): string {
  const { id, key, recipe, variant, toolchain, sourceDateEpoch } = manifest;
  const bundle = 'SPDXRef-bundle';
  const kernel = 'SPDXRef-kernel';
  const inputs = inputPackages(manifest);
  const files = subjects(manifest).map(([name], index) => ({
    SPDXID: `SPDXRef-file-${index + 1}`,
    fileName: `./${name}`,
    checksums: [
      { algorithm: 'SHA1', checksumValue: checksums[name]?.sha1 },
      { algorithm: 'SHA256', checksumValue: checksums[name]?.sha256 },
    ],
  }));
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `${recipe}:${variant} ${id}`,
    documentNamespace: `urn:kiln:spdx:${key}`,
    creationInfo: {
      created: new Date(sourceDateEpoch * 1000).toISOString().replace('.000Z', 'Z'),
      creators: ['Tool: kiln'],
    },
    packages: [
      {
        ...basics(bundle, id),
        versionInfo: manifest.release,
        primaryPackagePurpose: 'OPERATING-SYSTEM',
        licenseDeclared: 'GPL-2.0-only',
      },
      ...inputs.map(({ relation: _, ...described }) => described),
      {
        ...basics('SPDXRef-compiler', 'compiler'),
        versionInfo: toolchain.compiler,
        primaryPackagePurpose: 'APPLICATION',
      },
      {
        ...basics('SPDXRef-binutils', 'binutils'),
        versionInfo: toolchain.binutils,
        primaryPackagePurpose: 'APPLICATION',
      },
    ],
    files,
    relationships: [
      relation('SPDXRef-DOCUMENT', 'DESCRIBES', bundle),
      ...inputs.map(({ SPDXID, relation: type }) =>
        type === 'PATCH_FOR' ? relation(SPDXID, type, kernel) : relation(bundle, type, SPDXID),
      ),
      relation('SPDXRef-compiler', 'BUILD_TOOL_OF', bundle),
      relation('SPDXRef-binutils', 'BUILD_TOOL_OF', bundle),
      ...files.map(({ SPDXID }) => relation(bundle, 'CONTAINS', SPDXID)),
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function inputPackages(manifest: Manifest) {
  const { kernel, patches, kit } = manifest.sources;
  const source = (SPDXID: string, one: SourceRecord, relation: string) => ({
    ...basics(SPDXID, one.name),
    packageFileName: one.file,
    checksums: [{ algorithm: 'SHA256', checksumValue: one.sha256 }],
    primaryPackagePurpose: 'SOURCE',
    ...(one.substituted === true ? { comment: 'another input in the place of what the recipe names' } : {}),
    relation,
  });
  return [
    {
      ...source('SPDXRef-kernel', kernel, 'GENERATED_FROM'),
      licenseDeclared: 'GPL-2.0-only',
    },
    ...patches.map((patch, index) => source(`SPDXRef-patch-${index + 1}`, patch, 'PATCH_FOR')),
    ...(kit === undefined ? [] : [source('SPDXRef-kit', kit, 'GENERATED_FROM')]),
    ...(manifest.config.inputs ?? []).map(({ name, sha256 }, index) => ({
      ...basics(`SPDXRef-fragment-${index + 1}`, `fragment ${name}`),
      checksums: [{ algorithm: 'SHA256', checksumValue: sha256 }],
      primaryPackagePurpose: 'SOURCE',
      relation: 'GENERATED_FROM',
    })),
  ];
}

function basics(SPDXID: string, name: string) {
  return { SPDXID, name, downloadLocation: 'NOASSERTION', filesAnalyzed: false };
}

function relation(spdxElementId: string, relationshipType: string, relatedSpdxElement: string) {
  return { spdxElementId, relationshipType, relatedSpdxElement };
}

function sources({ sources: { kernel, patches, kit } }: Manifest): SourceRecord[] {
  return [kernel, ...patches, ...(kit === undefined ? [] : [kit])];
}

/** The files that provenance and SBOM speak of: all but themselves, sorted by name. */
function subjects(manifest: Manifest) {
  return Object.entries(manifest.files)
    .filter(([name]) => name !== PROVENANCE && name !== SBOM)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
