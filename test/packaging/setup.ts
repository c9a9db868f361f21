// Packs the package once for all tests, with the Dockerfile's own command, from what reaches a build of the image.

import { mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { copyBuildContext, ROOT, readDockerfile } from "./files.ts";
import { modernPath, must, userEnv } from "./shell.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The packed package, as an absolute path. */
    readonly tarball: string;
  }
}

/** Packs, and gives the tarball's path to the tests. */
export async function setup(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-pack-"));
  const clear = () => rmSync(folder, { recursive: true });
  try {
    project.provide("tarball", await pack(folder));
  } catch (error) {
    clear();
    throw error;
  }
  return clear;
}

async function pack(folder: string): Promise<string> {
  copyBuildContext(folder);
  const [install, packing] = readDockerfile().filter((step) => step.stage === 0 && step.keyword === "RUN");
  // the clone that runs this test was installed with this very command
  if (install?.text !== "npm ci" || packing === undefined) {
    throw new Error(
      `expected deploy/Dockerfile to run npm ci and then npm pack, got ${install?.text}, ${packing?.text}`,
    );
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  await must(packing.text, { cwd: folder, env: userEnv({ PATH: modernPath() }) });
  const tarball = readdirSync(folder).find((name) => /^sluice-gateway-.*\.tgz$/.test(name));
  if (tarball === undefined) throw new Error(`expected ${packing.text} to leave a tarball in ${folder}`);
  return join(folder, tarball);
}
