// How the tests run: in child processes, since a thread that holds an ONNX session cannot be ended safely; two at a time.

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "main",
          include: ["test/**/*.test.ts"],
          exclude: ["test/packaging/**", "test/fixtures/**"],
          testTimeout: 20_000,
        },
      },
      {
        extends: true,
        // npm, the compiler and a whole installation: seconds, not milliseconds.
        test: {
          name: "packaging",
          include: ["test/packaging/**/*.test.ts"],
          globalSetup: ["test/packaging/setup.ts"],
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
