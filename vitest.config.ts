// How the tests run: in child processes, since a thread that holds an ONNX session cannot be ended safely; two at a time.

import { defineConfig } from "vitest/config";

/**
 * The tests against real servers and clients run only when asked for: `all` of them, or those of these kinds, which must
 * then not skip. `npm run test:interop` sets it, and .ci/run names the kinds that CI tests.
 */
const interop = (process.env.SLUICE_INTEROP ?? "").split(/[\s,]+/).filter((kind) => kind !== "");

const interopProject = {
  extends: true,
  // A venv may have to be installed first. After all the others, and one server at a time: they want the machine.
  test: {
    name: "interop",
    include: interop.includes("all")
      ? ["test/interop/*.test.ts"]
      : interop.map((kind) => `test/interop/${kind}{,-*}.test.ts`),
    testTimeout: 60_000,
    hookTimeout: 600_000,
    maxWorkers: 1,
    sequence: { groupOrder: 1 },
  },
} as const;

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
          exclude: ["test/packaging/**", "test/interop/**", "test/fixtures/**"],
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
      ...(interop.length > 0 ? [interopProject] : []),
    ],
  },
});
