// The README's commands, run as they stand there, and their output compared with what it shows.

import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { onnx } from "../../backends/onnx/onnx.ts";
import { loadConfig } from "../../config/load.ts";
import { policyKinds } from "../../policies/registry.ts";
import { ROOT, startGateway, type TestGateway } from "../support/gateway.ts";
import { openWorkplace, type Workplace } from "../support/gateway-process.ts";

const readme = readFileSync(join(ROOT, "README.md"), "utf8");

interface Shown {
  readonly command: string;
  readonly output: string;
}

/** Each `$ command` of the console blocks with the lines that follow it. */
const shown: readonly Shown[] = [...readme.matchAll(/```console\n([\s\S]*?)```/g)].flatMap(([, block = ""]) =>
  block
    .split(/^\$ /m)
    .slice(1)
    .map((text) => {
      const end = text.indexOf("\n");
      return { command: text.slice(0, end), output: text.slice(end + 1).trim() };
    }),
);

/** Sections whose commands go, one after the other, to a gateway that is started with the config that they name. */
const STORIES = ["canary", "guarded"].map((name) => {
  const section = readme.split(/^## /m).find((text) => text.includes(`config/${name}.yaml`)) ?? "";
  return { name, section, has: ({ command }: Shown) => section.includes(`$ ${command}\n`) };
});
const commandsOf = (name: string) => shown.filter(STORIES.find((story) => story.name === name)?.has ?? (() => false));

let gateway: TestGateway;
let workplace: Workplace;
const told = new Map<string, { readonly http: number; readonly admin: number }>();

beforeAll(async () => {
  gateway = await startGateway({ yaml: `backends: {local: {kind: onnx, repository: ${ROOT}models}}\n`, kinds: [onnx] });
  workplace = await openWorkplace();
  for (const { name } of STORIES) {
    const config = readFileSync(join(ROOT, `config/${name}.yaml`), "utf8");
    const served = await workplace.serve(config.replace(/^listen:.*$/m, "").replace("../models", `${ROOT}models`));
    told.set(name, await served.ports());
  }
}, 60_000);

afterAll(async () => {
  await gateway.close();
  await workplace.clear();
});

test.each(shown)("$command", async (one) => {
  const story = STORIES.find(({ has }) => has(one));
  const { http, admin } = told.get(story?.name ?? "") ?? { http: gateway.port, admin: gateway.adminPort };
  const url = `http://127.0.0.1:${http}`;
  const here = one.command
    .replaceAll("http://127.0.0.1:8000", url)
    .replaceAll("http://127.0.0.1:8002", `http://127.0.0.1:${admin}`)
    .replace(/^npx sluice infer/, `node bin/sluice.js infer --url ${url}`)
    .replace(/^npx sluice/, "node bin/sluice.js");
  expect(stable(await outputOf(here))).toBe(stable(one.output));
});

test("the canary's story has its five commands", () => expect(commandsOf("canary").length).toBe(5));

test("the story of cache, breaker, retries and limits shows the config that it starts, in 25 lines at most", () => {
  expect(commandsOf("guarded").length).toBe(5);
  const [, yaml = ""] = /```yaml\n([\s\S]*?)```/.exec(STORIES[1]?.section ?? "") ?? [];
  expect(readFileSync(join(ROOT, "config/guarded.yaml"), "utf8").endsWith(`\n\n${yaml}`)).toBe(true);
  expect(yaml.split("\n").length).toBeLessThanOrEqual(25);
});

test("every page of docs is in the README", () => {
  const pages = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  expect(pages.length).toBeGreaterThan(15);
  expect(pages.filter((name) => !readme.includes(`(docs/${name})`))).toEqual([]);
});

test("the README has commands to run", () => expect(shown.length).toBeGreaterThan(4));

test("the README's config is right", () => {
  const text = /```yaml\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const loaded = loadConfig(
    { text, file: join(ROOT, "sluice.yaml"), env: {} },
    { backends: [onnx], policies: policyKinds },
  );
  expect(loaded).toMatchObject({ ok: true, config: { models: [{ name: "digits" }, { name: "language" }] } });
});

async function outputOf(command: string): Promise<string> {
  const run = promisify(execFile);
  try {
    const { stdout } = await run("bash", ["-c", `${command} 2>&1`], {
      cwd: ROOT,
      env: { ...process.env, NO_COLOR: "1" },
    });
    return stdout.trim();
  } catch (error) {
    // a command that refuses exits with 1 and says why
    return String((error as { readonly stdout: string }).stdout).trim();
  }
}

/** Without what differs from run to run. */
function stable(output: string): string {
  return output
    .replaceAll("\r", "")
    .replace(/\d+(\.\d+)? ms/g, "N ms")
    .replace(/"at":"[^"]*"/g, '"at":"T"')
    .replace(/^(age|retry-after): \d+/gm, "$1: N")
    .replace(/fits in [\d.]+s/g, "fits in N");
}
