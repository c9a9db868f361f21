// What the HTTP server takes and what it refuses: sizes, times, encodings and the budget, over real sockets.

import { setTimeout as pause } from "node:timers/promises";
import { deflateSync, gzipSync } from "node:zlib";
import { afterEach, expect, test } from "vitest";
import { type EchoOptions, type EchoServer, openEcho } from "../../support/gateway-http.ts";
import { ask, until } from "../../support/http-client.ts";
import { rawSocket, requestBytes } from "../../support/raw-socket.ts";

const MIB = 1024 * 1024;
const opened: EchoServer[] = [];

async function open(options: EchoOptions = {}): Promise<EchoServer> {
  const server = await openEcho(options);
  opened.push(server);
  return server;
}

afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

test("a body that declares 65 MiB is refused before a byte of it is kept, and its connection ends", async () => {
  const { port, budget } = await open();
  const socket = await rawSocket(port);
  socket.send(`POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: ${65 * MIB}\r\n\r\n`);
  const answer = await socket.answer();
  expect(answer.status).toBe(413);
  expect(JSON.parse(`${answer.body}`)).toEqual({
    error: `body: expected at most ${64 * MIB} bytes, got ${65 * MIB} or more`,
  });
  expect(answer.headers.get("sluice-error-origin")).toBe("client");
  expect(answer.headers.get("connection")).toBe("close");
  expect(budget.usedBytes).toBe(0);
  await socket.closed();
});

test("a client that sends all of its 65 MiB before it reads a byte still finds the 413", async () => {
  const { port, budget } = await open();
  const socket = await rawSocket(port);
  socket.socket.pause();
  socket.send(`POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: ${65 * MIB}\r\n\r\n`);
  for (let sent = 0; sent < 65; sent += 1) {
    await new Promise<void>((resolve, reject) =>
      socket.socket.write(Buffer.alloc(MIB), (error) => (error == null ? resolve() : reject(error))),
    );
  }
  expect(budget.usedBytes).toBe(0);
  socket.socket.resume();
  expect((await socket.answer()).status).toBe(413);
  await socket.closed();
});

test("a chunked body is refused as soon as it passes the limit, without its end", async () => {
  const { port, budget } = await open({ bodyBytes: 1000 });
  const socket = await rawSocket(port);
  socket.send("POST /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
  socket.send(`3e8\r\n${"x".repeat(1000)}\r\n`);
  socket.send("1\r\ny\r\n");
  const answer = await socket.answer();
  expect(answer.status).toBe(413);
  expect(answer.headers.get("connection")).toBe("close");
  await socket.closed();
  await until(() => budget.usedBytes === 0);
});

test("a body of exactly the limit is taken, declared and chunked", async () => {
  const { port } = await open({ bodyBytes: 1000 });
  const declared = await ask({ port, path: "/echo", body: "x".repeat(1000) });
  expect([declared.status, `${declared.body}`]).toEqual([200, "x".repeat(1000)]);
  const chunked = await ask({
    port,
    path: "/echo",
    body: "x".repeat(1000),
    headers: { "transfer-encoding": "chunked" },
  });
  expect([chunked.status, `${chunked.body}`]).toEqual([200, "x".repeat(1000)]);
});

test.each([
  ["gzip", gzipSync],
  ["deflate", deflateSync],
] as const)("a %s bomb is refused at the limit of what comes out of it", async (coding, compress) => {
  const { port, budget } = await open({ bodyBytes: 4 * MIB });
  const bomb = compress(Buffer.alloc(200 * MIB));
  expect(bomb.byteLength).toBeLessThan(MIB);
  const before = process.memoryUsage.rss();
  const answer = await ask({ port, path: "/echo", body: bomb, headers: { "content-encoding": coding } });
  expect(answer.status).toBe(413);
  expect(process.memoryUsage.rss() - before).toBeLessThan(100 * MIB);
  await until(() => budget.usedBytes === 0);
});

test.each([
  ["gzip", gzipSync],
  ["x-gzip", gzipSync],
  ["GZIP", gzipSync],
  ["deflate", deflateSync],
  ["identity", (body: Buffer) => body],
] as const)("a body in %s is taken", async (coding, compress) => {
  const { port } = await open();
  const body = compress(Buffer.from("some text".repeat(500)));
  const answer = await ask({ port, path: "/echo", body, headers: { "content-encoding": coding } });
  expect([answer.status, `${answer.body}`]).toEqual([200, "some text".repeat(500)]);
});

test.each([
  ["bytes that are no gzip", Buffer.from("this is no gzip at all")],
  ["gzip cut off in its middle", gzipSync(Buffer.alloc(100_000, "ab1")).subarray(0, 60)],
])("%s under content-encoding: gzip are the client's fault", async (_what, body) => {
  const { port, budget } = await open();
  const answer = await ask({ port, path: "/echo", body, headers: { "content-encoding": "gzip" } });
  expect(answer.status).toBe(400);
  expect(answer.json().error).toMatch(/^the body is not valid gzip: /);
  await until(() => budget.usedBytes === 0);
});

test.each(["br", "zstd", "gzip, gzip", "nonsense"])(
  "content-encoding %s is a 415 that says what is taken",
  async (coding) => {
    const { port } = await open();
    const answer = await ask({ port, path: "/echo", body: "x", headers: { "content-encoding": coding } });
    expect(answer.status).toBe(415);
    expect(answer.headers["accept-encoding"]).toBe("gzip, deflate");
    expect(answer.json().error).toContain(coding);
  },
);

test.each(["", "nonsense", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ";;"])(
  "a body of content-type %j is taken as it is, on known paths and unknown ones",
  async (type) => {
    const { port } = await open();
    const headers = { "content-type": type, "x-request-id": "mine" };
    const known = await ask({ port, path: "/echo", body: "x", headers });
    expect([known.status, `${known.body}`, known.headers["x-request-id"]]).toEqual([200, "x", "mine"]);
    const unknown = await ask({ port, path: "/nowhere", body: "x", headers });
    expect([unknown.status, unknown.headers["x-request-id"]]).toEqual([404, "mine"]);
  },
);

test("a head larger than the limit is a 431 in JSON", async () => {
  const { port } = await open({ headerBytes: 8 * 1024 });
  const socket = await rawSocket(port);
  socket.send(requestBytes({ method: "GET", path: "/echo", headers: { "x-large": "a".repeat(9 * 1024) } }));
  const answer = await socket.answer();
  expect(answer.status).toBe(431);
  expect(JSON.parse(`${answer.body}`)).toEqual({ error: "the request's head is larger than this server takes" });
  await socket.closed();
});

test("a URL longer than the limit is a 414 on every path, known or not", async () => {
  const { port } = await open({ urlBytes: 500 });
  const known = await ask({ port, path: `/echo?${"a".repeat(600)}` });
  expect([known.status, known.json()]).toEqual([414, { error: "url: expected at most 500 bytes, got 606" }]);
  const unknown = await ask({ port, path: `/${"a".repeat(600)}` });
  expect(unknown.status).toBe(414);
  const parameter = await ask({ port, method: "POST", path: `/echo/${"a".repeat(600)}` });
  expect(parameter.status).toBe(414);
});

test("a client that is too slow with its body gets a 408 and loses its connection", async () => {
  const { port, budget, server } = await open({ requestTimeoutMs: 300 });
  const socket = await rawSocket(port);
  socket.send("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\nhalf");
  const answer = await socket.answer();
  expect(answer.status).toBe(408);
  await socket.closed();
  await until(() => budget.usedBytes === 0 && server.inFlight === 0);
});

test("a client that is too slow with its head gets a 408 and loses its connection", async () => {
  const { port } = await open({ requestTimeoutMs: 300 });
  const socket = await rawSocket(port);
  socket.send("POST /echo HTTP/1.1\r\nhost: te");
  const answer = await socket.answer();
  expect(answer.status).toBe(408);
  await socket.closed();
});

test("a client that leaves in mid-body costs nothing afterwards", async () => {
  const { port, budget, server } = await open();
  for (const coding of ["identity", "gzip"]) {
    const socket = await rawSocket(port);
    const head = `POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 1000\r\ncontent-encoding: ${coding}\r\n\r\n`;
    socket.send(Buffer.concat([Buffer.from(head), gzipSync("half of a body")]));
    await until(() => server.inFlight === 1);
    socket.reset();
    await until(() => server.inFlight === 0 && budget.usedBytes === 0);
  }
  expect((await ask({ port, path: "/echo", body: "next" })).status).toBe(200);
});

test("half a body followed by the end of the client's side is a 400 or a closed connection, never an answer", async () => {
  const { port, budget, server } = await open();
  const socket = await rawSocket(port);
  socket.send("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\nhalf");
  socket.end();
  const received = `${await socket.closed()}`;
  expect(received).toMatch(/^(HTTP\/1\.1 400 |$)/);
  await until(() => server.inFlight === 0 && budget.usedBytes === 0);
});

test("the request's signal is aborted when its client leaves before the answer", async () => {
  const { port, held, server } = await open();
  const socket = await rawSocket(port);
  socket.send(requestBytes({ path: "/held", body: "x" }));
  const { wire } = await held();
  expect(wire.signal.aborted).toBe(false);
  socket.reset();
  await until(() => wire.signal.aborted);
  expect(wire.signal.reason).toMatchObject({ code: "cancelled", origin: "client" });
  await until(() => server.inFlight === 0);
});

test("bytes in flight above the budget are refused with 503 and a pause, and taken again once others are done", async () => {
  const { port, held, budget } = await open({ budgetBytes: 1000 });
  const first = ask({ port, path: "/held", body: "x".repeat(600) });
  const holder = await held();
  expect(budget.usedBytes).toBe(600);
  const refused = await ask({ port, path: "/echo", body: "x".repeat(500) });
  expect(refused.status).toBe(503);
  expect(refused.headers["sluice-error-origin"]).toBe("gateway");
  const refusedChunked = await ask({
    port,
    path: "/echo",
    body: "x".repeat(500),
    headers: { "transfer-encoding": "chunked" },
  });
  expect(refusedChunked.status).toBe(503);
  const refusedInflated = await ask({
    port,
    path: "/echo",
    body: gzipSync("x".repeat(500)),
    headers: { "content-encoding": "gzip" },
  });
  expect(refusedInflated.status).toBe(503);
  expect((await ask({ port, path: "/echo", body: "x".repeat(400) })).status).toBe(200);
  holder.answer("done");
  expect((await first).status).toBe(200);
  await until(() => budget.usedBytes === 0);
  expect((await ask({ port, path: "/echo", body: "x".repeat(1000) })).status).toBe(200);
});

test("a reader that stalls in a stream holds the stream back", async () => {
  const { port, server } = await open();
  const socket = await rawSocket(port);
  socket.socket.pause();
  socket.send(requestBytes({ path: "/stream" }));
  await until(() => server.inFlight === 1);
  const before = process.memoryUsage().arrayBuffers;
  await pause(300);
  // without backpressure 300 ms of an endless stream would be hundreds of MiB
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * MIB);
  socket.reset();
  await until(() => server.inFlight === 0);
});
