// Bytes that are not the HTTP they should be: garbage, pipelines and smuggling, over raw sockets.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type EchoServer, openEcho } from "../../support/gateway-http.ts";
import { rawSocket, requestBytes } from "../../support/raw-socket.ts";

let echo: EchoServer;

beforeAll(async () => {
  echo = await openEcho();
});

afterAll(async () => {
  expect(echo.server.inFlight).toBe(0);
  expect(echo.budget.usedBytes).toBe(0);
  await echo.close();
});

test.each([
  ["text", "this is no HTTP\r\n\r\n"],
  ["a TLS hello", Buffer.from("16030100a5010000a10303", "hex")],
  ["an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["NUL bytes", Buffer.alloc(64)],
  ["a header without a colon", "GET /echo HTTP/1.1\r\nhost: test\r\nnonsense\r\n\r\n"],
  ["a header name with a space", "GET /echo HTTP/1.1\r\nhost: test\r\nx y: z\r\n\r\n"],
  ["a folded header", "GET /echo HTTP/1.1\r\nhost: test\r\nx: y\r\n z\r\n\r\n"],
  ["a bare CR in a header", "GET /echo HTTP/1.1\r\nhost: test\r\nx: y\rz\r\n\r\n"],
  ["an unknown method", "BREW /echo HTTP/1.1\r\nhost: test\r\n\r\n"],
  ["HTTP/3.7", "GET /echo HTTP/3.7\r\nhost: test\r\n\r\n"],
])("%s on a fresh connection is a 400 in JSON and the connection ends", async (_what, bytes) => {
  const socket = await rawSocket(echo.port);
  socket.send(bytes);
  const answer = await socket.answer();
  expect(answer.status).toBe(400);
  expect(answer.headers.get("content-type")).toBe("application/json");
  expect(JSON.parse(`${answer.body}`)).toEqual({ error: expect.any(String) });
  await socket.closed();
});

test("a request without a host is a 400", async () => {
  const socket = await rawSocket(echo.port);
  socket.send("GET /echo HTTP/1.1\r\n\r\n");
  expect(`${await socket.closed()}`).toMatch(/^HTTP\/1\.1 400 /);
});

test("garbage on a kept connection is a 400 of its own after the good answer", async () => {
  const socket = await rawSocket(echo.port);
  socket.send(requestBytes({ path: "/echo", body: "good" }));
  expect(await socket.answer()).toMatchObject({ status: 200, body: Buffer.from("good") });
  socket.send("garbage\r\n\r\n");
  expect((await socket.answer()).status).toBe(400);
  expect((await socket.closed()).byteLength).toBe(0);
});

test("garbage behind a good request that is not answered yet is never taken for its answer", async () => {
  const socket = await rawSocket(echo.port);
  socket.send(Buffer.concat([requestBytes({ path: "/held", body: "x" }), Buffer.from("garbage\r\n\r\n")]));
  const { wire } = await echo.held();
  const received = `${await socket.closed()}`;
  // the first answer on a connection belongs to its first request: a 400 for the garbage would be read as its answer
  expect(received).toBe("");
  expect(wire.signal.aborted).toBe(true);
});

test("garbage behind a good pipelined request leaves that request's own answer or none", async () => {
  for (let round = 0; round < 20; round += 1) {
    const socket = await rawSocket(echo.port);
    socket.send(
      Buffer.concat([requestBytes({ path: "/echo", body: `good ${round}` }), Buffer.from("\x00garbage\r\n\r\n")]),
    );
    const received = `${await socket.closed()}`;
    if (received === "") continue;
    expect(received).toMatch(/^HTTP\/1\.1 200 /);
    expect(received).toContain(`good ${round}`);
  }
});

test("pipelined requests are answered in their order though the first takes longest", async () => {
  const socket = await rawSocket(echo.port);
  socket.send(
    Buffer.concat([
      requestBytes({ path: "/held", body: "first" }),
      requestBytes({ path: "/echo", body: "second" }),
      requestBytes({ method: "GET", path: "/nowhere" }),
      requestBytes({ path: "/echo", body: "fourth" }),
    ]),
  );
  const held = await echo.held();
  held.answer("first");
  expect(`${(await socket.answer()).body}`).toBe("first");
  expect(`${(await socket.answer()).body}`).toBe("second");
  expect((await socket.answer()).status).toBe(404);
  expect(`${(await socket.answer()).body}`).toBe("fourth");
  socket.reset();
});

/** What would be a second request if the server read the first one's body by the wrong length. */
const SMUGGLED = "POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 8\r\n\r\nsmuggled";

test.each([
  [
    "content-length beside transfer-encoding (CL.TE)",
    `POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: ${5 + SMUGGLED.length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  [
    "transfer-encoding beside content-length (TE.CL)",
    `POST /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  [
    "two content-lengths that differ",
    `POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\ncontent-length: ${2 + SMUGGLED.length}\r\n\r\nok${SMUGGLED}`,
  ],
  [
    "two content-lengths that agree",
    `POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok`,
  ],
  ["a list of content-lengths", `POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 2, 2\r\n\r\nok`],
  ["a content-length with a sign", "POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: +2\r\n\r\nok"],
  ["a negative content-length", "POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: -2\r\n\r\nok"],
  ["a hexadecimal content-length", "POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 0x2\r\n\r\nok"],
  [
    "a content-length beyond 64 bits",
    `POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: ${"9".repeat(30)}\r\n\r\nok`,
  ],
  [
    "a transfer-encoding that does not end in chunked",
    "POST /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked, identity\r\n\r\nok",
  ],
  [
    "a chunk size that is no number",
    "POST /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nok\r\n0\r\n\r\n",
  ],
  [
    "a chunk that is longer than its size",
    "POST /echo HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokok\r\n0\r\n\r\n",
  ],
  ["a space before the colon of content-length", "POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length : 2\r\n\r\nok"],
])("%s is refused, and nothing behind it is served", async (_what, bytes) => {
  const socket = await rawSocket(echo.port);
  socket.send(bytes);
  const received = `${await socket.closed()}`;
  expect(received).toMatch(/^HTTP\/1\.1 400 /);
  expect(received).not.toContain("HTTP/1.1 200");
  expect(received.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
  expect(received).not.toContain("smuggled");
});
