// Paths that are not inference, passed through to a server: its bodies, its redirects, its WebSockets, and nobody's credentials.

import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { oip } from "../../../backends/oip.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";

/** What the server behind the gateway saw last. */
interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const SECRETS = {
  authorization: "Bearer client-secret",
  cookie: "session=client-secret",
  "proxy-authorization": "Basic client-secret",
  "x-api-key": "client-secret",
  "x-amz-security-token": "client-secret",
  referer: "http://intranet/?token=client-secret",
  "x-forwarded-for": "10.9.8.7",
};

let server: Server;
let sockets: WebSocketServer;
let gateway: TestGateway;
let seen: Seen[];
let port: number;

beforeAll(async () => {
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const { method, url, headers } = request;
      seen.push({ method, url, headers, body: Buffer.concat(parts).toString() });
      if (url?.endsWith("/moved")) {
        response.writeHead(302, { location: `http://${headers.host}/base/there?x=1` });
        response.end();
        return;
      }
      response.writeHead(200, {
        "content-type": "text/html",
        "set-cookie": "session=server-secret",
        "www-authenticate": 'Basic realm="server-secret"',
        "x-powered-by": "php",
        "x-other": "kept",
      });
      response.end(`<p>${url}</p>`);
    });
  });
  sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket, request) => {
    seen.push({ method: "WS", url: request.url, headers: request.headers, body: "" });
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
  gateway = await startGateway({
    yaml: `
backends:
  f: {kind: fake}
  named: {kind: oip, dialect: plain, protocol: http, endpoints: {dns: "localhost:${port}"}}
passthrough:
  /board:
    to: http://127.0.0.1:${port}/base
    response: {remove: [x-powered-by]}
  /trusted/app:
    to: http://127.0.0.1:${port}
    request: {forward: [cookie], set: {Authorization: Bearer gateway-secret}}
    response: {forward: [set-cookie]}
  /plain: {to: "http://127.0.0.1:${port}", websocket: false}
  /named: {backend: named, path: /base}
  /gone: {to: "http://127.0.0.1:1/"}
`,
    kinds: [fakeBackend().kind, oip],
  });
});

beforeEach(() => {
  seen = [];
});

afterAll(async () => {
  await gateway.close();
  for (const socket of sockets.clients) socket.terminate();
  await new Promise((resolve) => server.close(resolve));
});

test.each([
  ["/board", "/base"],
  ["/board/", "/base/"],
  ["/board/a%20b/c.js?x=1&y=%2F", "/base/a%20b/c.js?x=1&y=%2F"],
  ["/trusted/app/v2/models", "/v2/models"],
])("%s is %s there", async (path, there) => {
  const answer = await gateway.ask({ path });
  expect([answer.status, answer.headers["content-type"], answer.body.toString()]).toEqual([
    200,
    "text/html",
    `<p>${there}</p>`,
  ]);
});

test("bodies go on whatever their method and type, as large as they are", async () => {
  const body = "x".repeat(3_000_000);
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    const answer = await gateway.ask({ path: "/board/put", method, body, headers: { "content-type": "x/y" } });
    expect(answer.status).toBe(200);
  }
  expect(seen.map((one) => [one.method, one.headers["content-type"], one.body === body])).toEqual(
    ["POST", "PUT", "PATCH", "DELETE"].map((method) => [method, "x/y", true]),
  );
});

test("nothing that says who asks reaches the server, and no credentials of the server the client", async () => {
  const answer = await gateway.ask({ path: "/board/x", headers: { ...SECRETS, "x-request-id": "r1", accept: "a/b" } });
  expect(JSON.stringify(seen)).not.toMatch(/client-secret|10\.9\.8\.7/);
  expect(seen[0]?.headers).toMatchObject({ accept: "a/b", "x-request-id": "r1", traceparent: expect.any(String) });
  expect(JSON.stringify(answer.headers)).not.toMatch(/server-secret|php/);
  expect(answer.headers).toMatchObject({ "x-other": "kept", "x-request-id": "r1" });
});

test("what the config forwards passes, and what it sets wins and stays on that side", async () => {
  const answer = await gateway.ask({ path: "/trusted/app/x", headers: SECRETS });
  expect(seen[0]?.headers).toMatchObject({ cookie: SECRETS.cookie, authorization: "Bearer gateway-secret" });
  expect(answer.headers["set-cookie"]).toEqual(["session=server-secret"]);
  expect(JSON.stringify(answer.headers)).not.toContain("gateway-secret");
});

test("a redirect within the server leads back through the gateway and does not tell where the server is", async () => {
  const answer = await gateway.ask({ path: "/board/moved" });
  expect([answer.status, answer.headers.location]).toEqual([302, "/board/there?x=1"]);
});

test("a server that was found by its name hears itself called by it, over a WebSocket too", async () => {
  const answer = await gateway.ask({ path: "/named/moved" });
  expect([answer.status, answer.headers.location]).toEqual([302, "/named/there?x=1"]);
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/named/live`);
  socket.once("open", () => socket.send("x"));
  await new Promise((resolve) => socket.once("message", resolve));
  socket.terminate();
  const passed = seen.filter(({ url }) => url?.startsWith("/base") === true);
  expect(passed.map(({ method, headers: { host } }) => [method, host])).toEqual([
    ["GET", `localhost:${port}`],
    ["WS", `localhost:${port}`],
  ]);
});

test.each(["/board/../admin", "/board/%2e%2e/admin", "/board/..%2fadmin", "/board/%5c..%5cadmin"])(
  "%s does not leave the prefix",
  async (path) => {
    const answer = await gateway.ask({ path });
    expect([400, 404]).toContain(answer.status);
    expect(seen).toEqual([]);
  },
);

test("a server that is not there is a 503 without its address", async () => {
  const answer = await gateway.ask({ path: "/gone/x" });
  expect([answer.status, answer.json(), answer.headers["sluice-error-origin"]]).toEqual([
    503,
    { error: "the server behind this path cannot be reached" },
    "backend",
  ]);
});

test("inference beside it is untouched, and other paths are still unknown", async () => {
  expect((await gateway.ask({ path: "/v2/health/live" })).json()).toEqual({ live: true });
  expect((await gateway.ask({ path: "/boards" })).status).toBe(404);
  expect(seen).toEqual([]);
});

test("a prefix among a protocol's paths does not start", async () => {
  for (const prefix of ["/v2/models/m/docs", "/predictions", "/endpoints/x", "/v2"]) {
    const yaml = `backends: {f: {kind: fake}}\npassthrough: {${prefix}: {to: "http://127.0.0.1:${port}"}}`;
    await expect(startGateway({ yaml, kinds: [fakeBackend().kind] })).rejects.toThrow(
      `passthrough.${prefix}: expected a prefix that no protocol has`,
    );
  }
});

const socketTo = (path: string, headers: Record<string, string> = {}) =>
  new WebSocket(`ws://127.0.0.1:${gateway.port}${path}`, { headers });

const closed = (socket: WebSocket) =>
  new Promise<[number, string]>((resolve) => {
    socket.once("close", (code, reason) => resolve([code, reason.toString()]));
    socket.once("error", () => {});
  });

test("a WebSocket is passed on with the same headers, text and bytes both ways", async () => {
  const socket = socketTo("/board/live?run=1", SECRETS);
  const told: (string | Buffer)[] = [];
  const done = new Promise<void>((resolve) => {
    socket.on("message", (data: Buffer, isBinary) => {
      told.push(isBinary ? data : data.toString());
      if (told.length === 2) resolve();
    });
  });
  await new Promise((resolve) => socket.once("open", resolve));
  socket.send("hello");
  socket.send(Buffer.from([0, 255]));
  await done;
  const end = closed(socket);
  socket.close();
  await end;
  expect(told).toEqual(["hello", Buffer.from([0, 255])]);
  expect(seen.map(({ method, url }) => [method, url])).toEqual([["WS", "/base/live?run=1"]]);
  expect(JSON.stringify(seen)).not.toMatch(/client-secret|10\.9\.8\.7/);
});

test("a WebSocket to a server that is not there closes without its address", async () => {
  expect(await closed(socketTo("/gone/live"))).toEqual([1011, "the server behind this path cannot be reached"]);
});

test.each([
  ["of inference is answered as any request", "/v2/health/live", 200],
  ["that takes none is refused", "/plain/live", 400],
])("a WebSocket to a path %s", async (_, path, expected) => {
  const status = await new Promise((resolve) => {
    const socket = socketTo(path);
    socket.once("unexpected-response", (_request, response) => resolve(response.statusCode));
    socket.once("error", () => {});
  });
  expect(status).toBe(expected);
});
