import { createServer } from "node:net";
import { Metadata } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import type { GrpcClient } from "../../../backends/connection.ts";
import { InferError } from "../../../core/error.ts";
import { fakeEnv } from "../../support/fake-env.ts";
import { countedSignal, faultOf, forgotten, patient, untilSo } from "../../support/upstream-client.ts";
import { EXCHANGE, type GrpcHandlers, grpcUpstream, testGrpcClient, UNARY } from "../../support/upstream-grpc.ts";
import { testProxy } from "../../support/upstream-proxy.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function opened(handlers: GrpcHandlers, options: Parameters<typeof testGrpcClient>[1] = {}): Promise<GrpcClient> {
  const server = await grpcUpstream(handlers);
  const client = testGrpcClient(server.url, options);
  closing.push(
    () => server.close(),
    () => client.close(),
  );
  return client;
}

const HELLO = Buffer.from("hello");

describe("a unary call", () => {
  it("carries its bytes and headers there and the answer back", async () => {
    let seen: Record<string, unknown> = {};
    const client = await opened({
      unary(call, answer) {
        seen = call.metadata.getMap();
        answer(null, Buffer.concat([call.request, Buffer.from("!")]));
      },
    });
    const ask = { ...UNARY, headers: { "x-a": "b", "x-c-bin": Buffer.from([1, 2]).toString("base64") } };
    expect(`${await client.unary(ask, HELLO, patient())}`).toBe("hello!");
    expect(seen["x-a"]).toBe("b");
    expect(seen["x-c-bin"]).toEqual(Buffer.from([1, 2]));
  });

  it("takes a view into a larger buffer for what it is", async () => {
    const client = await opened({});
    const view = new Uint8Array(Buffer.from("xhellox").buffer.slice(0)).subarray(1, 1);
    expect((await client.unary(UNARY, view, patient())).byteLength).toBe(0);
    const part = new Uint8Array([0, 1, 2, 3, 4]).subarray(1, 4);
    expect([...(await client.unary(UNARY, part, patient()))]).toEqual([1, 2, 3]);
  });

  it("carries ten megabytes each way unchanged", async () => {
    const client = await opened({});
    const large = Buffer.alloc(10_000_000);
    for (let i = 0; i < large.byteLength; i += 1) large[i] = (i * 31) % 251;
    expect(Buffer.compare(await client.unary(UNARY, large, patient()), large)).toBe(0);
  });

  it("tells the server the time that is left, on our own clock", async () => {
    const seen: unknown[] = [];
    const env = fakeEnv();
    const client = await opened(
      {
        unary(call, answer) {
          seen.push(call.getDeadline());
          answer(null, call.request);
        },
      },
      { env },
    );
    env.clock.advance(1_000);
    for (const deadline of [2_500.2, 1_000, Number.POSITIVE_INFINITY, 500_000_000]) {
      await client.unary(UNARY, HELLO, { ...patient(), deadline });
    }
    // the server's own deadlines, by its own clock
    const left = seen.map((value) => Number(value) - Date.now());
    expect(left[0]).toBeGreaterThan(500);
    expect(left[0]).toBeLessThanOrEqual(1_501);
    expect(left[1]).toBeLessThanOrEqual(1);
    expect(left[2]).toBe(Number.POSITIVE_INFINITY);
    expect(left[3]).toBeGreaterThan(499_000_000 - 60_000);
  });

  it("of one whose caller leaves is reset at once, and ends with the caller's own reason", async () => {
    let arrived = false;
    let cancelledAt = 0;
    const client = await opened({
      unary(call) {
        arrived = true;
        call.on("cancelled", () => {
          cancelledAt = performance.now();
        });
      },
    });
    const caller = countedSignal();
    const asked = faultOf(client.unary(UNARY, HELLO, caller));
    await untilSo("the call", () => arrived);
    const reason = new InferError("deadline-exceeded", "too late");
    const left = performance.now();
    caller.abort(reason);
    expect(await asked).toBe(reason);
    await untilSo("the server's notice", () => cancelledAt > 0);
    expect(cancelledAt - left).toBeLessThan(100);
    expect(caller.count).toBe(0);
  });

  it("is never sent for a caller who has left", async () => {
    let calls = 0;
    const client = await opened({
      unary(call, answer) {
        calls += 1;
        answer(null, call.request);
      },
    });
    const caller = countedSignal();
    caller.abort();
    expect((await faultOf(client.unary(UNARY, HELLO, caller))).code).toBe("cancelled");
    await client.unary(UNARY, HELLO, patient());
    expect([calls, caller.count]).toEqual([1, 0]);
  });

  it("leaves no listener and no timer behind", async () => {
    const env = fakeEnv();
    const client = await opened({}, { env });
    const caller = countedSignal();
    for (let i = 0; i < 50; i += 1) await client.unary(UNARY, HELLO, caller);
    expect([caller.count, env.clock.pending]).toEqual([0, 0]);
  });

  it("uses one connection for all", async () => {
    const peers = new Set<string>();
    const client = await opened({
      unary(call, answer) {
        peers.add(call.getPeer());
        answer(null, call.request);
      },
    });
    await Promise.all(Array.from({ length: 50 }, () => client.unary(UNARY, HELLO, patient())));
    expect(peers.size).toBe(1);
  });
});

describe("a gRPC connection", () => {
  it("is given up after the connect timeout, by our own clock", async () => {
    const mute = createServer(() => {});
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
    closing.push(async () => void mute.close());
    const env = fakeEnv();
    const { port } = mute.address() as { port: number };
    const client = testGrpcClient(new URL(`http://127.0.0.1:${port}`), { env, connectTimeoutMs: 2_000 });
    closing.push(() => client.close());
    const asked = faultOf(client.unary(UNARY, HELLO, patient()));
    const exchange = client.exchange(EXCHANGE, patient());
    // grpc-js keeps up to 1 MiB of a call and says that it was sent
    const sending = exchange.send(Buffer.alloc(2 * 1024 * 1024));
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    env.clock.advance(1_999);
    expect(env.clock.pending).toBe(2);
    env.clock.advance(1);
    const fault = await asked;
    await sending;
    expect([fault.code, fault.message]).toEqual([
      "unavailable",
      "no connection to the backend within the connect timeout",
    ]);
    expect(env.clock.pending).toBe(0);
  });

  it("is made again within seconds when the server is back, and calls before that fail at once", async () => {
    const first = await grpcUpstream({});
    const client = testGrpcClient(first.url);
    closing.push(() => client.close());
    await client.unary(UNARY, HELLO, patient());
    await first.close();
    let fault: InferError;
    do {
      fault = await faultOf(client.unary(UNARY, HELLO, patient()));
      expect([fault.code, fault.retryable]).toEqual(["unavailable", "elsewhere"]);
      expect(fault.message).not.toMatch(/127|\d{4}/);
      // the first may have met the connection that broke; the last found none, and an attempt to make one failed
    } while (fault.message !== "no connection to the backend");
    const again = await grpcUpstream({}, { port: Number(first.url.port) });
    closing.push(() => again.close());
    const since = performance.now();
    for (;;) {
      const answer = await client.unary(UNARY, HELLO, patient()).catch(() => undefined);
      if (answer !== undefined) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(performance.now() - since).toBeLessThan(1_500);
  });

  it("breaks under calls that are unavailable then", async () => {
    const server = await grpcUpstream({ unary() {} });
    const client = testGrpcClient(server.url);
    closing.push(() => client.close());
    const asked = faultOf(client.unary(UNARY, HELLO, patient()));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await server.close();
    expect([(await asked).code, (await asked).origin]).toEqual(["unavailable", "backend"]);
  });

  it("goes through a proxy's tunnel", async () => {
    const server = await grpcUpstream({});
    const proxy = await testProxy("user:pass");
    const variables = { http_proxy: `http://user:pass@127.0.0.1:${proxy.port}` };
    const client = testGrpcClient(server.url, { proxy: variables });
    closing.push(
      () => server.close(),
      () => proxy.close(),
      () => client.close(),
    );
    expect(`${await client.unary(UNARY, HELLO, patient())}`).toBe("hello");
    expect(proxy.asked).toEqual([`CONNECT ${server.url.host}`]);
  });

  it("forgets its calls", async () => {
    const client = await opened({});
    const signal = await forgotten(async (caller) => void (await client.unary(UNARY, HELLO, caller)));
    expect(signal.deref()).toBeUndefined();
  });

  it("that is closed ends what is in flight and takes no more", async () => {
    const client = await opened({ unary() {}, exchange() {} });
    const asked = faultOf(client.unary(UNARY, HELLO, patient()));
    const exchange = client.exchange(EXCHANGE, patient());
    const waits = faultOf(exchange.messages[Symbol.asyncIterator]().next());
    await client.close();
    expect([(await asked).code, (await waits).code]).toEqual(["unavailable", "unavailable"]);
    expect((await faultOf(client.unary(UNARY, HELLO, patient()))).code).toBe("unavailable");
    expect(() => client.exchange(EXCHANGE, patient())).toThrow("closed");
    await client.close();
  });
});

describe("the metadata of grpc-js", () => {
  it("is not asked for names that it refuses", async () => {
    const client = await opened({});
    expect(() => new Metadata().set("a b", "c")).toThrow();
    const fault = await faultOf(client.unary({ ...UNARY, headers: { "a b": "c" } }, HELLO, patient()));
    expect([fault.code, fault.origin]).toEqual(["internal", "gateway"]);
  });
});
