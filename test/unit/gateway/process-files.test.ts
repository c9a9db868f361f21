import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connectionsPerListener, openFilesLimit } from "../../../gateway/process-files.ts";
import { startGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";

test("the limit of open files is the soft one of the process, and unknown where the system does not tell", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sluice-files-"));
  const file = join(folder, "limits");
  writeFileSync(
    file,
    "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n",
  );
  expect([openFilesLimit(file), openFilesLimit(join(folder, "none"))]).toEqual([1024, undefined]);
  await rm(folder, { recursive: true });
});

test("listeners share half of what is left of the open files, and have 64 connections at least", () => {
  expect(connectionsPerListener(20_512, 2)).toBe(5_000);
  expect(connectionsPerListener(1024, 3)).toBe(85);
  expect(connectionsPerListener(256, 3)).toBe(64);
  expect(connectionsPerListener(undefined, 3)).toBeUndefined();
});

test("a connection beyond the limit is closed at once and counted, and the others go on", async () => {
  const { kind } = fakeBackend();
  const gateway = await startGateway({
    yaml: "limits: {connections: 2}\nbackends: {a: {kind: fake}}\n",
    kinds: [kind],
  });
  const open = async () => {
    const socket = connect(gateway.port, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    return socket;
  };
  const kept = [await open(), await open()];
  const third = await open();
  await once(third, "close");
  expect((await gateway.metrics()).sum("sluice_connections_refused_total", { listener: "http" })).toBe(1);
  kept[0]?.destroy();
  for (const socket of kept) socket.write("GET /v2/health/live HTTP/1.1\r\nhost: g\r\n\r\n");
  const [bytes] = await once(kept[1]!, "data");
  expect(`${bytes}`).toMatch(/^HTTP\/1\.1 200/);
  kept[1]?.destroy();
  await gateway.close();
});
