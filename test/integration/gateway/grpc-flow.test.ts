// Flow control over gRPC, in both directions: who stops reading stops who writes, and nothing piles up in between.

import { type ChildProcess, spawn } from "node:child_process";
import { connect, constants } from "node:http2";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { InferResponse } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { grpcCaller, inferMessage } from "../../support/gateway-grpc.ts";
import { until } from "../../support/http-client.ts";

const PART_BYTES = 64 * 1024;
/** What the client's transport takes without a reader: HTTP/2's window. */
const WINDOW_BYTES = 1024 * 1024;
const MIB = 1024 * 1024;

let gateway: TestGateway;
const fake = fakeBackend();
const counts = { given: 0, ended: 0, asked: 0, held: [] as (() => void)[] };

beforeAll(async () => {
  // answers without an end, each of them new bytes
  async function* endless(): AsyncGenerator<InferResponse> {
    try {
      for (;;) {
        counts.given += 1;
        const data = new Uint8Array(PART_BYTES).fill(counts.given);
        const outputs = [{ name: "y", datatype: "UINT8", shape: [PART_BYTES], data } as const];
        yield { kind: "whole", model: { name: "endless", version: "1" }, outputs, parameters: NO_PARAMETERS };
      }
    } finally {
      counts.ended += 1;
    }
  }
  fake.put("endless", "1", { service: async () => ({ kind: "stream", parts: endless() }) });
  // takes requests and answers none
  fake.put("stuck", "1", {
    service: (_, call) => {
      counts.asked += 1;
      return new Promise((_resolve, reject) => call.signal.addEventListener("abort", () => reject(call.signal.reason)));
    },
  });
  const yaml = "limits: {body: 1MiB, message: 2MiB, inFlight: 12MiB}\nbackends: {b: {kind: fake}}";
  gateway = await startGateway({ yaml, kinds: [fake.kind] });
});

afterAll(() => gateway.close());

/** Takes away what nobody holds. */
function collect(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}

/** A message with gRPC's prefix: not compressed, its length. */
function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}

/** Looks of 150 ms at which a count must stand still: a busy machine may hold one of the two processes up for one of them. */
const STILL_LOOKS = 3;

/** Lets whatever can still move do so: nothing moves any more when the count stands still over many turns. */
async function settled(count: () => number): Promise<number> {
  let last = count();
  for (let still = 0; still < STILL_LOOKS; ) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    still = count() === last ? still + 1 : 0;
    last = count();
  }
  return last;
}

/** A client that asks for `endless`, reads nothing, and leaves when it is told to. In a process of its own: its memory is not ours. */
function idleReader(): ChildProcess {
  const message = framed(inferMessage({ model: "endless", inputs: [] })).toString("base64");
  const script = `
    const { connect, constants } = require("node:http2");
    const client = connect("http://127.0.0.1:${gateway.grpcPort}", { settings: { initialWindowSize: ${WINDOW_BYTES} } });
    client.on("connect", () => client.setLocalWindowSize(${WINDOW_BYTES}));
    const stream = client.request({
      ":method": "POST",
      ":path": "/inference.GRPCInferenceService/ModelStreamInfer",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => {});
    stream.pause();
    stream.write(Buffer.from("${message}", "base64"));
    process.stdin.once("data", () => stream.close(constants.NGHTTP2_CANCEL));`;
  return spawn(process.execPath, ["-e", script], { stdio: ["pipe", "ignore", "inherit"] });
}

test("a reader who stops stops the backend, within 1 MiB beyond the transport's window; when it leaves, all ends", async () => {
  collect();
  const before = process.memoryUsage().arrayBuffers;
  const child = idleReader();
  try {
    await until(() => counts.given > 0, 5_000);
    const given = await settled(() => counts.given);
    expect([given * PART_BYTES > WINDOW_BYTES / 2, given * PART_BYTES < WINDOW_BYTES + MIB]).toEqual([true, true]);
    // V8 gives buffers back on a thread of its own, which a busy machine lets wait
    await until(() => {
      collect();
      return process.memoryUsage().arrayBuffers - before < MIB;
    }, 5_000);
    const left = performance.now();
    child.stdin?.write("leave");
    await until(() => counts.ended === 1, 1_000);
    expect(performance.now() - left).toBeLessThan(100);
    expect(counts.given).toBe(given);
  } finally {
    child.kill();
  }
});

test("messages that never become whole are held within limits.inFlight, and refused beyond it", async () => {
  const ends: number[] = [];
  // each says 1 MiB and sends all but the end of it
  const calls = Array.from({ length: 24 }, () => {
    const session = connect(`http://127.0.0.1:${gateway.grpcPort}`);
    const stream = session.request({
      ":method": "POST",
      ":path": "/inference.GRPCInferenceService/ModelInfer",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => {});
    stream.on("close", () => ends.push(stream.rstCode));
    stream.write(framed(Buffer.alloc(MIB)).subarray(0, -10));
    return session;
  });
  const held = async () => (await gateway.metrics()).sum("sluice_in_flight_bytes");
  try {
    // 12 of 24 fit: the others are told to calm down
    await until(() => ends.length === 12, 5_000);
    expect(new Set(ends)).toEqual(new Set([constants.NGHTTP2_ENHANCE_YOUR_CALM]));
    await settled(() => ends.length);
    expect(ends.length).toBe(12);
    const bytes = await held();
    expect([bytes > 10 * MIB, bytes <= 12 * MIB]).toEqual([true, true]);
  } finally {
    for (const session of calls) session.destroy();
  }
  await until(async () => (await held()) === 0, 2_000);
});

test("requests that nobody takes up stay with their client", async () => {
  const caller = grpcCaller(gateway.grpcPort);
  const call = caller.open({ method: "ModelStreamInfer" });
  call.on("error", () => {});
  const big = { name: "x", datatype: "UINT8", shape: [PART_BYTES], data: new Uint8Array(PART_BYTES) } as const;
  const message = inferMessage({ model: "stuck", inputs: [big] });
  let sent = 0;
  for (let i = 0; i < 500; i += 1)
    call.write(message, () => {
      sent += 1;
    });
  const asked = await settled(() => counts.asked);
  // 64 in work, one waiting to be, and the window of HTTP/2 (64 KiB) with what the sockets hold
  expect(asked).toBe(64);
  expect(await settled(() => sent)).toBeLessThan(200);
  const metrics = await gateway.metrics();
  expect(metrics.sum("sluice_in_flight_bytes")).toBeLessThanOrEqual(65 * message.byteLength);
  call.cancel();
  await until(async () => (await gateway.metrics()).sum("sluice_in_flight_bytes") === 0, 2_000);
  caller.close();
});
