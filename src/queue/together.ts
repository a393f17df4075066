/** Things that are done at once: their writes share commits, and their questions trips to Redis. */
const LANES = 64;

/** Does something with each of many, some at once; all of it is done before the first error is thrown. */
export async function together<T>(many: Iterable<T>, action: (one: T) => Promise<void>): Promise<void> {
  const rest = many[Symbol.iterator]();
  const errors: unknown[] = [];
  const lane = async () => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) {
      try {
        await action(next.value);
      } catch (error) {
        errors.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  if (errors.length > 0) throw errors[0];
}
