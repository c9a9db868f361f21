// A real server of the tests starts the same wherever the tests are started from.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { startServer } from "../../interop/support/server.ts";

let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "sluice-home-"));
  await writeFile(join(home, ".bashrc"), "export PATH=/a/folder/of/the/profile:$PATH\n");
});

afterEach(() => vi.unstubAllEnvs());

afterAll(() => rm(home, { recursive: true }));

test.each([
  ["as the first command of a background job, whose bash thinks that rshd started it", "SHLVL", () => "0"],
  ["where the environment names a start-up file for bash", "BASH_ENV", () => join(home, ".bashrc")],
])("no profile changes the environment of a server, %s", async (_what, name, value) => {
  vi.stubEnv("HOME", home);
  vi.stubEnv(name, value());
  const file = join(home, "path");
  const server = await startServer({
    command: "sh",
    args: ["-c", `echo "$PATH" > "${file}.new" && mv "${file}.new" "${file}" && exec sleep 60`],
    ready: () => readFile(file).then(() => true),
    timeoutMs: 10_000,
  });
  await server.close();
  expect(await readFile(file, "utf8")).toBe(`${process.env.PATH}\n`);
  await rm(file);
});
