import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import type { HttpAnswer } from "../../../backends/connection.ts";
import { packingsOf } from "../../../backends/inflate.ts";
import { faultOf, GET, patient, testClient } from "../../support/upstream-client.ts";
import { okAnswer, rawUpstream } from "../../support/upstream-raw.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function answered(body: Uint8Array, encoding: string, maxAnswerBytes = 100_000): Promise<HttpAnswer> {
  const server = await rawUpstream(
    ({ socket }) => void socket.write(okAnswer(body, { "content-encoding": encoding, x: "1" })),
  );
  const client = testClient(server, { maxAnswerBytes });
  closing.push(
    () => server.close(),
    () => client.close(),
  );
  return client.ask(GET, patient());
}

const TEXT = "the answer, many times over ".repeat(1_000);

describe("a packed answer", () => {
  it.each([
    ["gzip", gzipSync(TEXT)],
    ["X-GZIP", gzipSync(TEXT)],
    ["gzip", Buffer.concat([gzipSync(TEXT.slice(0, 100)), gzipSync(TEXT.slice(100))])],
    ["deflate", deflateSync(TEXT)],
    ["deflate", deflateRawSync(TEXT)],
    ["br", brotliCompressSync(TEXT)],
    ["zstd", zstdCompressSync(TEXT)],
    ["gzip, br", brotliCompressSync(gzipSync(TEXT))],
    ["identity", Buffer.from(TEXT)],
  ])("is unpacked: %s", async (encoding, body) => {
    const answer = await answered(body, encoding);
    expect(`${answer.body}`).toBe(TEXT);
    expect(answer.headers.get("x")).toBe("1");
    expect(answer.headers.has("content-encoding")).toBe(encoding === "identity");
  });

  it("is empty when nothing is in it", async () => {
    expect((await answered(Buffer.alloc(0), "gzip")).body.byteLength).toBe(0);
  });

  it.each([
    ["gzip", gzipSync(Buffer.alloc(50_000_000))],
    ["deflate", deflateSync(Buffer.alloc(50_000_000))],
    ["br", brotliCompressSync(Buffer.alloc(50_000_000))],
    ["zstd", zstdCompressSync(Buffer.alloc(50_000_000))],
  ])("is refused when it comes to more than the limit, and takes no memory for it: %s", async (encoding, bomb) => {
    expect(bomb.byteLength).toBeLessThan(100_000);
    const before = process.memoryUsage().arrayBuffers;
    const fault = await faultOf(answered(bomb, encoding));
    expect([fault.code, fault.origin, fault.retryable]).toEqual(["bad-backend", "backend", "no"]);
    expect(fault.message).toContain("expected at most 100000 bytes, got more when unpacked");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
  });

  it("is taken at exactly the limit", async () => {
    expect((await answered(gzipSync(Buffer.alloc(1_000)), "gzip", 1_000)).body.byteLength).toBe(1_000);
    expect((await faultOf(answered(gzipSync(Buffer.alloc(1_001)), "gzip", 1_000))).code).toBe("bad-backend");
  });

  it.each([
    ["damaged", Buffer.from("not packed at all")],
    ["cut off", gzipSync(TEXT).subarray(0, 60)],
  ])("is a bad backend's when it is %s", async (_, body) => {
    const fault = await faultOf(answered(body, "gzip"));
    expect([fault.code, fault.message]).toEqual(["bad-backend", "the backend's answer is not valid gzip"]);
  });

  it("is not tried in a packing that we do not know, nor in many", () => {
    expect(() => packingsOf("compress")).toThrow('got "compress"');
    expect(() => packingsOf("toString")).toThrow("expected gzip");
    expect(() => packingsOf("gzip, gzip, gzip")).toThrow("expected gzip");
    expect(packingsOf(" gzip , identity")).toEqual(["gzip"]);
    expect(packingsOf("deflate, br")).toEqual(["br", "deflate"]);
  });
});
