import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/scratch.ts'],
    reporters: ['default', './test/summary.ts'],
    // Tests run real compilers and emulators; the limits are there for what hangs, not for what is slow.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
