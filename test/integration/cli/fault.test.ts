// A process that serves and throws in nobody's name: it drains, lets go of everything and ends with a code of its own.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { main } from "../../../gateway/cli.ts";
import { startChaosServer } from "../../support/chaos-http.ts";
import { memoryIo } from "../../unit/gateway/cli/memory-io.ts";

test("a fault that belongs to no request ends sluice serve whole, with code 70", { timeout: 60_000 }, async () => {
  const server = await startChaosServer();
  const folder = await mkdtemp(join(tmpdir(), "sluice-fault-"));
  const file = join(folder, "sluice.yaml");
  await writeFile(
    file,
    `log: {level: silent}
drainDelay: 0s
backends: {b: {kind: oip, dialect: plain, endpoints: ["127.0.0.1:${server.port}"]}}
models: {line: {backend: b}}
`,
  );
  const io = memoryIo();
  let fault = (_: unknown) => {};
  const onFault = (callback: (error: unknown) => void) => {
    fault = callback;
    return () => {};
  };
  const listen = ["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
  const code = main(["serve", "--config", file, ...listen], { ...io, cwd: folder, onFault });
  await vi.waitUntil(() => io.written().includes("/metrics"), { timeout: 30_000, interval: 10 });
  const held: (() => void)[] = [];
  server.spoil((ask) => void held.push(ask.right));
  const url = /at (http:\/\/127\.0\.0\.1:\d+)/.exec(io.written())?.[1] ?? "";
  const isReady = async () => (await fetch(`${url}/v2/models/line/ready`)).status === 200;
  await vi.waitUntil(isReady, { timeout: 10_000, interval: 10 });
  const inputs = [{ name: "x", datatype: "INT32", shape: [1], data: [4] }];
  const asked = fetch(`${url}/v2/models/line/infer`, { method: "POST", body: JSON.stringify({ inputs }) });
  await vi.waitUntil(() => held.length === 1, { timeout: 10_000, interval: 5 });
  fault(new Error("broken in nobody's name"));
  // what is in flight is answered before the end
  held[0]?.();
  expect((await asked).status).toBe(200);
  expect(await code).toBe(70);
  await server.close();
  await rm(folder, { recursive: true });
});
