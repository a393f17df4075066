import { type FetchOptions, fetchSource, type SourceSpec } from '../../src/sources/index.ts';

/** Fetches what its argument describes; sends each status to its parent and prints the result. */
const { spec, cacheDirectory } = JSON.parse(process.argv[2] ?? '') as {
  spec: SourceSpec;
  cacheDirectory: string;
};
const options: FetchOptions = {
  cacheDirectory,
  mirrors: [],
  onEvent: (event) => process.send?.(event.status),
};
const source = await fetchSource(spec, options);
process.stdout.write(JSON.stringify(source));
process.disconnect();
