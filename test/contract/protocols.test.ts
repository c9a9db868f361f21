// What every front protocol keeps to, whichever it is: a new one is tested by being listed.

import { expect, test } from "vitest";
import { type Code, InferError } from "../../core/error.ts";
import { protocols } from "../../gateway/protocols/registry.ts";

/** Total, so that a new code does not compile until it stands here. */
const CODES: Record<Code, "client" | "gateway" | "backend"> = {
  "invalid-argument": "client",
  unauthenticated: "client",
  "permission-denied": "client",
  "not-found": "client",
  unsupported: "client",
  "too-large": "client",
  "quota-exceeded": "client",
  overloaded: "gateway",
  unavailable: "backend",
  "deadline-exceeded": "gateway",
  cancelled: "client",
  "bad-backend": "backend",
  internal: "gateway",
};

/** What a real server says of others' faults in a class of its own: SageMaker's ModelError is a 424, which no SDK asks again. */
const OWN: Readonly<Record<string, Partial<Record<Code, number>>>> = {
  sagemaker: { "bad-backend": 424, "deadline-exceeded": 424 },
};

const codes = Object.entries(CODES) as [Code, (typeof CODES)[Code]][];

test("protocols have names of their own, and no two claim one route", () => {
  expect(new Set(protocols.map((protocol) => protocol.name)).size).toBe(protocols.length);
  const routes = protocols.flatMap(({ listener, routes }) =>
    routes.map(({ method, path }) => `${listener} ${method} ${path}`),
  );
  expect(routes.filter((route, index) => routes.indexOf(route) !== index)).toEqual([]);
});

test.each(protocols)("$name: every route lies under a prefix of its protocol", ({ prefixes, routes }) => {
  for (const { path } of routes) {
    expect([path, prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}/`))]).toEqual([path, true]);
  }
});

const overHttp = protocols.filter(({ listener }) => listener === "http");
const overGrpc = protocols.filter(({ listener }) => listener === "grpc");

test.each(overHttp)(
  "$name: every code is a status of the right class, with its origin and its text",
  ({ name, fail }) => {
    for (const [code, origin] of codes) {
      const reply = fail(new InferError(code, "what was expected, what was got"));
      const own = OWN[name]?.[code];
      const status = own === undefined ? Math.floor(reply.status / 100) : reply.status;
      expect([code, status]).toEqual([code, own ?? (origin === "client" ? 4 : 5)]);
      expect(reply.headers["sluice-error-origin"]).toBe(origin);
      expect(Buffer.from(reply.body as Uint8Array).toString()).toContain("what was expected, what was got");
    }
  },
);

test.each(overHttp)("$name: a foreign error is a 500 whose text stays inside", ({ fail }) => {
  for (const error of [new TypeError("secret"), "secret", undefined, { message: "secret" }]) {
    const reply = fail(error);
    expect(reply.status).toBe(500);
    expect(Buffer.from(reply.body as Uint8Array).toString()).not.toContain("secret");
  }
});

test.each(overHttp)(
  "$name: a caller beyond its quota gets 429 where the gateway's own want of capacity gets 503",
  ({ fail }) => {
    expect(fail(new InferError("quota-exceeded", "too many")).status).toBe(429);
    expect(fail(new InferError("overloaded", "full")).status).toBe(503);
  },
);

test.each(overGrpc)("$name: a caller beyond its quota gets RESOURCE_EXHAUSTED", ({ fail }) => {
  const reply = fail(new InferError("quota-exceeded", "too many", { retryAfterMs: 1001 }));
  expect([reply.status, reply.headers["grpc-retry-pushback-ms"]]).toEqual([8, "1001"]);
});

test.each(overHttp)("$name: a pause before the next try is told in whole seconds", ({ fail }) => {
  const reply = fail(new InferError("overloaded", "full", { retryAfterMs: 1001 }));
  expect(reply.headers["retry-after"]).toBe("2");
});

/** Source: grpc/grpc doc/statuscodes.md: those that a server may use, and not UNKNOWN, which says nothing. */
const STATUSES = [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

test.each(overGrpc)("$name: every code is a status of gRPC's, with its origin and its text", ({ fail }) => {
  for (const [code, origin] of codes) {
    const reply = fail(new InferError(code, "what was expected, what was got"));
    expect([code, STATUSES.includes(reply.status)]).toEqual([code, true]);
    expect(reply.headers["sluice-error-origin"]).toBe(origin);
    expect(reply.statusText).toBe("what was expected, what was got");
  }
});

test.each(overGrpc)("$name: a foreign error is INTERNAL and its text stays inside", ({ fail }) => {
  for (const error of [new TypeError("secret"), "secret", undefined, { message: "secret" }]) {
    const reply = fail(error);
    expect(reply.status).toBe(13);
    expect(JSON.stringify(reply)).not.toContain("secret");
  }
});

test.each(overGrpc)("$name: what was overloaded is not UNAVAILABLE, which clients send again at once", ({ fail }) => {
  const reply = fail(new InferError("overloaded", "full", { retryAfterMs: 1001 }));
  expect([reply.status, reply.headers["grpc-retry-pushback-ms"]]).toEqual([8, "1001"]);
});
