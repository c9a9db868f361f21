// What every HTTP answer has, whatever its protocol: identity, shape of errors, methods, names in paths, compression, drain.

import { gunzipSync, inflateSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type EchoServer, openEcho } from "../../support/gateway-http.ts";
import { ask, keptConnections, until } from "../../support/http-client.ts";
import { rawSocket, requestBytes } from "../../support/raw-socket.ts";

let echo: EchoServer;

beforeEach(async () => {
  echo = await openEcho();
});

afterEach(() => echo.close());

test("an unknown path is a 404 in JSON, in the shape of the protocol whose prefix it has or in the plain one", async () => {
  for (const path of ["/", "/nowhere", "/echoes", "/echo/a/b/c", "/echo//"]) {
    const answer = await ask({ port: echo.port, path });
    expect([path, answer.status, answer.json()]).toEqual([path, 404, { error: `no such path: ${path}` }]);
    expect(answer.headers["sluice-error-origin"]).toBe("client");
    expect(answer.headers["content-type"]).toBe("application/json");
  }
});

test("a known path with another method is a 405 that allows what there is", async () => {
  for (const [method, path, allow] of [
    ["DELETE", "/echo", "GET, HEAD, POST"],
    ["PUT", "/held", "POST"],
    ["GET", "/held", "POST"],
    ["HEAD", "/held", "POST"],
    ["OPTIONS", "/echo", "GET, HEAD, POST"],
    ["TRACE", "/held", "POST"],
    ["PATCH", "/echo/name", "POST"],
  ] as const) {
    const answer = await ask({ port: echo.port, method, path });
    expect([method, path, answer.status]).toEqual([method, path, 405]);
    expect(answer.headers.allow?.split(", ").sort()).toEqual(allow.split(", ").sort());
  }
});

test("HEAD is answered like GET without the body", async () => {
  const socket = await rawSocket(echo.port);
  socket.send(requestBytes({ method: "HEAD", path: "/echo", headers: { connection: "close" } }));
  const received = `${await socket.closed()}`;
  expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(received.toLowerCase()).toContain("content-length: 5\r\n");
  expect(received.endsWith("\r\n\r\n")).toBe(true);
});

test("an exception of a route is a 500 that keeps its secrets, and the log has them", async () => {
  const answer = await ask({ port: echo.port, path: "/throws", body: "x" });
  expect([answer.status, answer.json()]).toEqual([500, { error: "internal error" }]);
  expect(answer.headers["sluice-error-origin"]).toBe("gateway");
  expect(JSON.stringify(answer.headers)).not.toContain("secret");
  const line = echo.env.lines.find((one) => one.message === "a route threw");
  expect(line?.fields).toMatchObject({ err: { message: "a secret of the implementation" } });
});

test("a sane x-request-id and traceparent come back as they came, and stand in the log", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const headers = { "x-request-id": "order-66/a", traceparent };
  const answer = await ask({ port: echo.port, path: "/echo", headers });
  expect(answer.headers).toMatchObject(headers);
  expect(echo.env.lines.at(-1)?.fields).toMatchObject({ id: "order-66/a", traceparent, method: "GET", status: 200 });
});

test.each([
  ["none", {}],
  ["an empty id", { "x-request-id": "", traceparent: "" }],
  ["an id with a space", { "x-request-id": "a b" }],
  ["an id of 129 characters", { "x-request-id": "a".repeat(129) }],
  ["an id in Latin-1", { "x-request-id": "caf\xe9" }],
  ["an all-zero trace", { traceparent: `00-${"0".repeat(32)}-b7ad6b7169203331-01` }],
  ["a trace of another length", { traceparent: "00-0af7651916cd43dd-b7ad6b7169203331-01" }],
])("with %s, an id and a trace context are made", async (_what, headers: Record<string, string>) => {
  const answer = await ask({ port: echo.port, path: "/echo", headers });
  expect(answer.status).toBe(200);
  expect(answer.headers["x-request-id"]).toMatch(/^[\x21-\x7e]{1,128}$/);
  expect(answer.headers["x-request-id"]).not.toBe(headers["x-request-id"]);
  expect(answer.headers.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
  expect(answer.headers.traceparent).not.toBe(headers.traceparent);
});

test("refusals of every kind carry the caller's id", async () => {
  const headers = { "x-request-id": "mine" };
  const { port } = echo;
  const answers = await Promise.all([
    ask({ port, path: "/nowhere", headers }),
    ask({ port, path: "/held", headers }),
    ask({ port, path: "/echo", body: "x", headers: { ...headers, "content-encoding": "br" } }),
    ask({ port, path: "/throws", body: "x", headers }),
  ]);
  expect(answers.map((answer) => answer.status)).toEqual([404, 405, 415, 500]);
  expect(answers.map((answer) => answer.headers["x-request-id"])).toEqual(["mine", "mine", "mine", "mine"]);
});

test.each([
  ["gzip", "gzip"],
  ["deflate", "deflate"],
  ["gzip, deflate, br", "gzip"],
  ["deflate;q=0.9, gzip;q=0.1", "deflate"],
  ["gzip;q=0, deflate", "deflate"],
  ["br, GZIP", "gzip"],
])("accept-encoding %s gets a large answer in %s", async (accept, coding) => {
  const body = "some text".repeat(1000);
  const answer = await ask({ port: echo.port, path: "/echo", body, headers: { "accept-encoding": accept } });
  expect([answer.status, answer.headers["content-encoding"], answer.headers.vary]).toEqual([
    200,
    coding,
    "accept-encoding",
  ]);
  const plain = coding === "gzip" ? gunzipSync(answer.body) : inflateSync(answer.body);
  expect(`${plain}`).toBe(body);
});

test.each(["identity", "br", "gzip;q=0", "gzip;q=nonsense", ""])(
  "accept-encoding %j gets the answer as it is",
  async (accept) => {
    const body = "some text".repeat(1000);
    const answer = await ask({ port: echo.port, path: "/echo", body, headers: { "accept-encoding": accept } });
    expect([answer.status, answer.headers["content-encoding"], `${answer.body}`]).toEqual([200, undefined, body]);
  },
);

test.each([
  ["..%2f..%2fetc%2fpasswd", "../../etc/passwd"],
  ["%2e%2e", ".."],
  ["%2e%2e%2fname", "../name"],
  ["a%2Fb", "a/b"],
  ["%00", "\0"],
  ["a%00b", "a\0b"],
  ["%E6%A8%A1%E5%9E%8B", "模型"],
  ["%F0%9F%90%8D", "🐍"],
  ["a%20b", "a b"],
  ["a+b", "a+b"],
  ["__proto__", "__proto__"],
  ["..", ".."],
])("the path segment %s reaches its route as one name and nothing else", async (segment, name) => {
  const socket = await rawSocket(echo.port);
  socket.send(requestBytes({ path: `/echo/${segment}`, body: "x" }));
  const answer = await socket.answer();
  expect([answer.status, `${answer.body}`]).toEqual([200, name]);
  socket.reset();
});

test.each(["%", "%zz", "%e6%a8", "%ff", "%c0%ae"])(
  "the path segment %j, which is no UTF-8 once decoded, is a 400",
  async (segment) => {
    const socket = await rawSocket(echo.port);
    socket.send(requestBytes({ path: `/echo/${segment}`, body: "x" }));
    const answer = await socket.answer();
    expect(answer.status).toBe(400);
    expect(JSON.parse(`${answer.body}`).error).toContain("is not a valid URL path");
    socket.reset();
  },
);

test("while draining every answer, good or bad, asks its client to leave, and new connections are still served", async () => {
  const agent = keptConnections(1);
  const { port } = echo;
  const before = await ask({ port, path: "/echo", agent });
  expect(before.headers.connection).toBe("keep-alive");
  const held = ask({ port, path: "/held", body: "x" });
  const holder = await echo.held();
  echo.server.drain();
  expect((await ask({ port, path: "/echo", agent })).headers.connection).toBe("close");
  const bad = await ask({ port, path: "/nowhere", agent });
  expect([bad.status, bad.headers.connection]).toEqual([404, "close"]);
  holder.answer("in flight");
  const late = await held;
  expect([late.status, `${late.body}`, late.headers.connection]).toEqual([200, "in flight", "close"]);
  agent.destroy();
});

test("closing waits for the request in flight and then refuses connections", async () => {
  const { port } = echo;
  const asked = ask({ port, path: "/held", body: "x" });
  const holder = await echo.held();
  const closing = echo.server.close(10_000);
  holder.answer("whole");
  const answer = await asked;
  await closing;
  expect(`${answer.body}`).toBe("whole");
  await expect(ask({ port, path: "/echo" })).rejects.toThrow(/ECONNREFUSED/);
});

test("closing cuts what is in flight beyond its limit, and its signal says so", async () => {
  const asked = ask({ port: echo.port, path: "/held", body: "x" });
  const outcome = asked.catch((error: NodeJS.ErrnoException) => error.code);
  const { wire } = await echo.held();
  await echo.server.close(20);
  expect(await outcome).toBe("ECONNRESET");
  await until(() => wire.signal.aborted && echo.server.inFlight === 0);
});
