// The Dockerfile's last stage, run command by command in an empty folder instead of an image.

import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, inject, test } from "vitest";
import { samplesAnswered } from "./answers.ts";
import { copyBuildContext, readDockerfile, readText } from "./files.ts";
import { modernPath, must, paste, type Running, run, start, userEnv } from "./shell.ts";

const folder = mkdtempSync(join(tmpdir(), "sluice-image-"));
let running: Running | undefined;
afterAll(() => {
  running?.kill();
  rmSync(folder, { recursive: true });
});

const steps = readDockerfile().filter((step) => step.stage === 1);
const textOf = (keyword: string) => steps.filter((step) => step.keyword === keyword).map(({ text }) => text);
const wordsOf = (keyword: string) => steps.find((step) => step.keyword === keyword)?.words ?? [];

/** The text with each of the image's own words replaced, which must stand in it exactly once. */
function moved(text: string, places: Readonly<Record<string, string>>): string {
  let result = text;
  for (const [from, to] of Object.entries(places)) {
    expect(text.split(from).length, `${from} in ${text}`).toBe(2);
    result = result.replace(from, () => to);
  }
  return result;
}

test("the image's commands install, start, check and stop the gateway", async () => {
  const context = join(folder, "context");
  const cwd = join(folder, "opt");
  copyBuildContext(context);
  await must(`mkdir ${cwd}`, { cwd: folder, env: userEnv() });
  copyFileSync(inject("tarball"), join(cwd, "sluice-gateway.tgz"));

  const env = userEnv({ PATH: modernPath(), ONNXRUNTIME_NODE_INSTALL: "" });
  const place = { cwd, env: { ...env, npm_config_prefer_offline: "true" } };
  for (const line of textOf("RUN")) await must(line, place);
  // without its script the package of Node brings none, and the image needs none
  expect(existsSync(join(cwd, "node_modules", "node", "bin", "node"))).toBe(false);
  expect(existsSync(join(cwd, "node_modules", "vitest"))).toBe(false);

  const config = join(folder, "sluice.yaml");
  const listen = {
    "0.0.0.0:8000": "127.0.0.1:0",
    "127.0.0.1:8002": "127.0.0.1:0",
    "repository: /models": `repository: ${context}/models`,
  };
  writeFileSync(config, moved(readText("deploy/sluice.yaml"), listen));
  const variables = moved(textOf("ENV").join(" "), { "/etc/sluice/sluice.yaml": config });
  const command = [...wordsOf("ENTRYPOINT"), ...wordsOf("CMD")].join(" ");
  running = start(`env ${variables} ${command}`, { cwd, env });
  const [, admin] = await running.until(/http:\/\/(\S+)\/readyz/, 60_000);
  const [curl] = await running.until(/^curl .*$/m, 10_000);
  expect(samplesAnswered(JSON.parse(await paste(curl, place)))).toHaveLength(1);

  const [check] = textOf("HEALTHCHECK");
  const words = JSON.parse(
    moved(check?.replace(/^CMD /, "") ?? "", { "127.0.0.1:8002": admin ?? "" }),
  ) as readonly string[];
  const health = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  expect(await run(health, place)).toEqual({ code: 0, out: "", err: "" });

  const stopped = running.stop("SIGTERM");
  await expect.poll(async () => (await run(health, place)).code, { timeout: 4000 }).toBe(1);
  expect((await stopped).code).toBe(0);
  expect(textOf("STOPSIGNAL")).toEqual(["SIGTERM"]);
});
