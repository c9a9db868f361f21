// A process that serves: its config file is written anew, replaced, broken; it is told by a signal; it is rolled back.

import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { main } from "../../../gateway/cli.ts";
import { memoryIo } from "../../unit/gateway/cli/memory-io.ts";

const SAMPLES = new URL("../../../models/", import.meta.url).pathname;
const TOKEN = "0123456789abcdef";

let folder = "";
let file = "";
let code: Promise<number>;
let admin = "";
let hangUp = () => {};
const io = memoryIo();

const configWith = (percent: number) => `log: {level: silent}
admin: {token: ${TOKEN}}
backends: {local: {kind: onnx, repository: ${JSON.stringify(SAMPLES)}, workers: 1}}
models:
  digits:
    versions: {1: {backend: local, version: 1}, 2: {backend: local, version: 2}}
    route: {canary: {stable: 1, candidate: 2, percent: ${percent}, unit: {header: x-user-id}}}
`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-changes-"));
  file = join(folder, "sluice.yaml");
  await writeFile(file, configWith(0));
  const listen = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
  const onHangup = (callback: () => void) => {
    hangUp = callback;
    return () => {};
  };
  code = main(["serve", "--config", file, ...listen], { ...io, cwd: folder, onHangup });
  await vi.waitUntil(() => io.written().includes("curl"), { timeout: 15_000, interval: 10 });
  admin = /metrics {2}(http:\S+)\/metrics/.exec(io.written())?.[1] ?? "";
});

afterAll(async () => {
  io.signal("SIGINT");
  expect(await code).toBe(0);
  await rm(folder, { recursive: true });
});

interface Entry {
  readonly id: number;
  readonly how: string;
  readonly who: string;
}

async function history(): Promise<readonly Entry[]> {
  const answer = await fetch(`${admin}/admin/history`, { headers: { authorization: `Bearer ${TOKEN}` } });
  return ((await answer.json()) as { readonly entries: readonly Entry[] }).entries;
}

async function run(...args: readonly string[]) {
  const asked = memoryIo({ env: { SLUICE_ADMIN_TOKEN: TOKEN, USER: "me" } });
  const exit = await main([...args, "--url", admin], asked);
  return { exit, out: asked.written(), err: asked.complained() };
}

const route = async () => (await run("explain", "--model", "digits", "--header", "x-user-id=42")).out;

test("a file that is written, replaced or asked for is in force; a broken one is not; and there is a way back", async () => {
  expect(await route()).toContain("digits: version 1");
  await writeFile(file, configWith(100));
  await vi.waitUntil(async () => (await history()).length === 2, { timeout: 10_000, interval: 20 });
  expect(await route()).toContain("digits: version 2");

  // as editors do it: another file in its place
  await writeFile(`${file}.new`, configWith(0));
  await rename(`${file}.new`, file);
  await vi.waitUntil(async () => (await history()).length === 3, { timeout: 10_000, interval: 20 });
  expect(await route()).toContain("digits: version 1");

  const back = await run("rollback", "--why", "again");
  expect(back).toEqual({ exit: 0, out: "rollback to 2: in force as 4\n", err: "" });
  expect(await route()).toContain("digits: version 2");
  expect((await history())[0]).toMatchObject({ how: "rollback to 2", who: "me", why: "again" });

  hangUp();
  await vi.waitUntil(async () => (await history()).length === 5, { timeout: 10_000, interval: 20 });
  expect((await history())[0]).toMatchObject({ how: "file", who: "SIGHUP" });
  expect(await route()).toContain("digits: version 1");

  await writeFile(file, configWith(101));
  hangUp();
  await writeFile(file, configWith(100));
  await vi.waitUntil(async () => (await history()).length === 6, { timeout: 10_000, interval: 20 });
  expect(await route()).toContain("digits: version 2");
});

test("a way back that there is not is said in one line", async () => {
  const { exit, err } = await run("rollback", "--to", "99");
  expect(exit).toBe(1);
  expect(err).toContain("sluice: to: expected one of 6, 5, 4, 3, 2, 1, got 99 (400)");
});

test("without the token nothing is changed", async () => {
  const asked = memoryIo();
  expect(await main(["rollback", "--url", admin], asked)).toBe(1);
  expect(asked.complained()).toContain("(admin.token), got none (401)");
  expect(await history()).toHaveLength(6);
});
