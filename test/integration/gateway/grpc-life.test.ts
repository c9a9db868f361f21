// The gRPC listener's life: opened, drained, closed; and what hostile or broken clients may do to it.

import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HEALTH_ANSWER, HEALTH_REQUEST } from "../../../wire/grpc-health.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { type GrpcCaller, grpcCaller, inferMessage, int32 } from "../../support/gateway-grpc.ts";
import { until } from "../../support/http-client.ts";
import { scripted, wholeReply } from "../../support/scripted.ts";

let gateway: TestGateway;
let caller: GrpcCaller;
let script = scripted();

beforeEach(async () => {
  script = scripted();
  const fake = fakeBackend();
  fake.put("m", "1", { service: script.service });
  const yaml = "drainLimit: 500ms\nlimits: {requestTimeout: 300ms}\nbackends: {b: {kind: fake}}";
  gateway = await startGateway({ yaml, kinds: [fake.kind] });
  caller = grpcCaller(gateway.grpcPort);
});

afterEach(async () => {
  caller.close();
  await gateway.close();
});

const message = inferMessage({ model: "m", inputs: [int32("x", 1)] });
const infer = (by = caller) => by.ask({ method: "ModelInfer", messages: [message] });
const live = async (by = caller) => (await by.ask({ method: "ServerLive", messages: [Buffer.alloc(0)] })).code;

test("an address that is taken is said with its word", async () => {
  const fake = fakeBackend();
  fake.put("m", "1", { service: script.service });
  const taken = gateway.running.addresses.grpc;
  await expect(
    startGateway({ yaml: "backends: {b: {kind: fake}}", kinds: [fake.kind], grpc: `127.0.0.1:${taken?.port}` }),
  ).rejects.toThrow(`listen.grpc: cannot listen on 127.0.0.1:${taken?.port}: the port is in use`);
});

test("while draining, what is in flight is answered and whoever comes is served; then nobody gets in", async () => {
  const inFlight = infer();
  const one = await script.handle.next();
  const stopped = gateway.running.stop({ drainDelayMs: 300 });
  const late = grpcCaller(gateway.grpcPort);
  expect(await live(late)).toBe(0);
  // the same client, told to go, comes back over a new connection
  expect(await live()).toBe(0);
  one.reply(wholeReply("m", "1"));
  expect((await inFlight).code).toBe(0);
  expect(await stopped).toBe("whole");
  expect(await live(late)).toBe(14);
  late.close();
});

test("connections are told to go by GOAWAY without an error, and close by themselves once they are idle", async () => {
  const session = connectHttp2(`http://127.0.0.1:${gateway.grpcPort}`);
  await once(session, "connect");
  const told = once(session, "goaway");
  const closed = once(session, "close");
  const stopped = gateway.running.stop({ drainDelayMs: 0 });
  expect((await told)[0]).toBe(constants.NGHTTP2_NO_ERROR);
  await closed;
  expect(await stopped).toBe("whole");
});

test("what outlasts the drain limit is cut off, and its backend told", async () => {
  const inFlight = infer();
  const one = await script.handle.next();
  one.call.signal.addEventListener("abort", () => one.fail(one.call.signal.reason));
  const from = performance.now();
  await gateway.running.stop({ drainDelayMs: 0 });
  const took = performance.now() - from;
  expect([took > 450, took < 3_000]).toEqual([true, true]);
  await until(() => one.call.signal.aborted, 1_000);
  expect([1, 14]).toContain((await inFlight).code);
});

test("whoever watches the health is told that it ends, and holds no shutdown up", async () => {
  const call = caller.open({ method: "/grpc.health.v1.Health/Watch" });
  const states: string[] = [];
  call.on("data", (bytes: Buffer) => states.push(HEALTH_ANSWER.decode(bytes).status));
  call.end(Buffer.from(HEALTH_REQUEST.encode({ service: "" })));
  await until(() => states.length === 1, 2_000);
  const from = performance.now();
  await Promise.all([gateway.running.stop({ drainDelayMs: 0 }), once(call, "end")]);
  expect(performance.now() - from).toBeLessThan(450);
  expect(states).toEqual(["SERVING", "NOT_SERVING"]);
});

test("a client that begins a request and does not go on is told so after limits.requestTimeout", async () => {
  const call = caller.open({ method: "ModelInfer" });
  call.on("error", () => {});
  call.write(message);
  const status = await new Promise((resolve) => call.on("status", resolve));
  expect(status).toMatchObject({ code: 4, details: "the request was not sent within 300 ms" });
  expect((await gateway.metrics()).sum("sluice_in_flight_bytes")).toBe(0);
});

/** Ends when the server has closed the connection, or fails after a while. */
async function isClosed(session: ClientHttp2Session): Promise<void> {
  if (!session.destroyed) await once(session, "close");
}

test("a flood of requests that are reset at once ends its connection, and only that", async () => {
  const session = connectHttp2(`http://127.0.0.1:${gateway.grpcPort}`);
  session.on("error", () => {});
  let opened = 0;
  while (!session.destroyed && opened < 50_000) {
    for (let i = 0; i < 200 && !session.destroyed && !session.closed; i += 1) {
      const stream = session.request({
        ":method": "POST",
        ":path": "/inference.GRPCInferenceService/ModelInfer",
        "content-type": "application/grpc",
      });
      stream.on("error", () => {});
      stream.close(constants.NGHTTP2_CANCEL);
      opened += 1;
    }
    await new Promise((resolve) => setImmediate(resolve));
    if (session.closed) break;
  }
  await isClosed(session);
  expect(opened).toBeLessThan(50_000);
  expect(await live()).toBe(0);
  await until(async () => (await gateway.metrics()).sum("sluice_in_flight_requests") === 0, 2_000);
});

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const frame = (type: number, flags: number, payload: Uint8Array, stream = 0) => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};
const SETTINGS = frame(4, 0, Buffer.alloc(0));
const PING = frame(6, 0, Buffer.alloc(8));
// HEADERS without END_HEADERS, and then CONTINUATION without an end
const HEADERS = frame(1, 0, Buffer.from([0x82]), 1);
const CONTINUATION = frame(9, 0, Buffer.from([0x40, 1, 0x61, 1, 0x62]), 1);

function rawSocket(): Socket {
  const socket = connect(gateway.grpcPort, "127.0.0.1");
  socket.on("error", () => {});
  return socket;
}

test.each([
  ["pings", PING, Buffer.alloc(0)],
  ["settings", SETTINGS, Buffer.alloc(0)],
  ["header continuations", CONTINUATION, HEADERS],
])("a flood of %s from a client that reads nothing ends its connection, and only that", async (_, flood, before) => {
  const socket = rawSocket();
  socket.pause();
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write(Buffer.concat([PREFACE, SETTINGS, before]));
  const many = Buffer.concat(Array.from({ length: 1_000 }, () => flood));
  let sent = 0;
  for (; sent < 3_000 && !socket.destroyed && socket.writable; sent += 1) {
    if (!socket.write(many)) {
      const drained = new Promise((resolve) => socket.once("drain", resolve));
      await Promise.race([drained, closed, new Promise((resolve) => setTimeout(resolve, 50))]);
    }
  }
  socket.resume();
  await closed;
  expect(sent).toBeLessThan(3_000);
  expect(await live()).toBe(0);
});

test.each([
  ["HTTP/1.1", "GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n"],
  ["noise", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 what is this\r\n\r\n"],
  ["nothing at all", ""],
])("a client that speaks %s is let go, and others are served", async (_, text) => {
  const socket = rawSocket();
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.resume();
  if (text === "") socket.end();
  else socket.write(Buffer.from(text, "latin1"));
  await closed;
  expect(await live()).toBe(0);
});

test("HTTP/2 that is no gRPC is answered 415", async () => {
  const session = connectHttp2(`http://127.0.0.1:${gateway.grpcPort}`);
  const stream = session.request({ ":method": "POST", ":path": "/inference.GRPCInferenceService/ServerLive" });
  const [headers] = await once(stream, "response");
  expect(headers[":status"]).toBe(415);
  session.destroy();
});
