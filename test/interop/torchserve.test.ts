// The kind `torchserve` against the real TorchServe 0.12, over HTTP and its own gRPC service.

import { beforeAll, describe, expect, it } from "vitest";
import type { Connection } from "../../backends/connection.ts";
import { torchServeServer, torchserve } from "../../backends/torchserve.ts";
import type { InferError } from "../../core/error.ts";
import type { Signature } from "../../core/model.ts";
import type { InferRequest, Reply } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";
import { opaqueTensor, payloadOf } from "../../wire/opaque.ts";
import { ask, faultOf, numbers, outputsOf, partsOf, texts } from "../support/kind-door.ts";
import { liveCall } from "../support/live-door.ts";
import { connectLive, DIGITS, expectDigits, pictures, reference } from "./json-calls.ts";
import { NEVER, outputsFor, shown } from "./oip-calls.ts";
import { startTorchServe, type TorchServe } from "./servers/torchserve.ts";
import { realServer } from "./support/suite.ts";

const tested = { kind: torchserve, server: torchServeServer };
const SAID: Signature = { inputs: [], outputs: [{ name: "said", datatype: "INT32", shape: [-1] }] };
const version = (name: string, version: string): Pick<InferRequest, "model"> => ({
  model: { name, select: { by: "version", version } },
});
const json = (value: unknown) =>
  opaqueTensor("body", Buffer.from(JSON.stringify(value)), { contentType: "application/json" });
const text = (tensor: Tensor | undefined) => (tensor === undefined ? "" : Buffer.from(payloadOf(tensor)).toString());
const what = (value: number) => ask("faulty", [json({ what: [value] })]);

/** Asks once; the call lives until its answer is there. */
async function infer(connection: Connection, request: InferRequest, timeoutMs = 30_000): Promise<Reply> {
  const call = liveCall({ timeoutMs });
  try {
    return await connection.infer(request, call);
  } finally {
    call.end();
  }
}

/** Code, origin and retryable of what a request ends with. */
async function fault(connection: Connection, request: InferRequest, timeoutMs?: number): Promise<string> {
  return (await faultOf(infer(connection, request, timeoutMs))).slice(0, 3).join(" ");
}

const said = ({ code, origin, retryable }: InferError) => `${code} ${origin} ${retryable}`;

realServer(
  "torchserve",
  () => startTorchServe(),
  (server) => {
    const connect = ({ http, management }: TorchServe, models = {}, signatures = {}) =>
      connectLive(tested, http, { words: { management, models }, signatures });
    let connection: Connection;
    beforeAll(async () => {
      connection = connect(server(), {}, { digits: DIGITS, faulty: SAID });
      await connection.models([], NEVER);
    });

    it("says what it is and which versions have a worker", async () => {
      expect(await connection.health(NEVER)).toBe("torchserve 0.12.0");
      const models = await connection.models(["nobody"], NEVER);
      expect(models.map(({ name, version, state }) => `${name} ${version} ${state}`)).toEqual([
        "digits 1.0 ready",
        "digits 2.0 ready",
        "echo 1.0 ready",
        "faulty 1.0 ready",
        "stream 1.0 ready",
      ]);
      expect((await faultOf(connection.metadata({ name: "digits" }, NEVER)))[0]).toBe("unsupported");
      expect(await connection.control?.config?.({ name: "digits" }, NEVER)).toMatchObject([{ modelVersion: "1.0" }]);
    });

    describe.each(["json-instances", "json"])("digits in %s", (format) => {
      it("answers both versions byte for byte", async () => {
        const image = pictures(5);
        const own = connect(server(), { digits: { format } }, { digits: DIGITS });
        await own.models([], NEVER);
        // the default version is the first that was registered
        await expectDigits(await outputsFor(own, ask("digits", [image])), image, "1");
        await expectDigits(await outputsFor(own, ask("digits", [image], version("digits", "2.0"))), image, "2");
        await own.close();
      });
    });

    it.each(["raw", "multipart"])("digits in %s takes and gives bytes", async (format) => {
      const image = pictures(3);
      const words = { digits: { format, answer: "opaque" } };
      const own = connect(server(), words, { digits: DIGITS });
      const bytes = opaqueTensor("image", image.data, { contentType: "application/octet-stream", filename: "i.bin" });
      const [answer] = await outputsFor(own, ask("digits", [bytes]));
      expect(answer?.parameters?.get("content_type")).toBe("application/octet-stream");
      const { probabilities } = await reference("1", image);
      expect(answer === undefined ? "" : Buffer.from(payloadOf(answer)).toString("hex")).toBe(probabilities);
      await own.close();
    });

    it("gives back numbers and texts as they went in, NaN and 64-bit integers among them", async () => {
      const inputs = [
        {
          ...numbers("i", "INT64", [2], [0, 0]),
          data: new Uint8Array(BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n)).buffer),
        },
        numbers("d", "FP64", [2, 1], [0.1, 1e300]),
        numbers("f", "FP32", [3], [Number.NaN, Number.NEGATIVE_INFINITY, 1 / 3]),
        numbers("b", "BOOL", [], [1]),
        texts("t", [2], ["é", ""]),
      ];
      const outputs = inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape }));
      const own = connect(server(), { echo: { format: "json" } }, { echo: { inputs: [], outputs } });
      expect((await outputsFor(own, ask("echo", inputs))).map(shown)).toEqual(inputs.map(shown));
      await own.close();
    });

    it("passes payloads of any type both ways, and the parts of a form", async () => {
      const jpeg = opaqueTensor("image", Uint8Array.of(0xff, 0xd8, 0, 13, 10), { contentType: "image/jpeg" });
      const [same] = await outputsFor(connection, ask("echo", [jpeg]));
      expect(same?.parameters?.get("content_type")).toBe("image/jpeg");
      expect(same?.data).toEqual(jpeg.data);
      const [sizes] = await outputsFor(connection, ask("echo", [jpeg, { ...jpeg, name: 'the "mask"' }]));
      expect(JSON.parse(text(sizes))).toMatchObject({ image: 5 });
      expect(Object.keys(JSON.parse(text(sizes)))).toHaveLength(2);
    });

    it("tells whose fault each fault is", async () => {
      expect(await fault(connection, what(-1))).toBe("bad-backend backend no");
      expect(await fault(connection, ask("faulty", [json({ status: 418 })]))).toBe("invalid-argument client no");
      expect(await fault(connection, ask("faulty", [json({ status: 429 })]))).toBe("overloaded backend elsewhere");
      expect(await fault(connection, ask("faulty", [json({ memory: 1 })]))).toBe("overloaded backend elsewhere");
      expect(await fault(connection, ask("nobody", [json(1)]))).toBe("not-found client no");
      expect(await fault(connection, ask("digits", [json(1)], version("digits", "9.0")))).toBe("not-found client no");
      const large = opaqueTensor("x", Buffer.alloc(7_000_000), { contentType: "application/octet-stream" });
      expect(await fault(connection, ask("echo", [large]))).toBe("too-large client no");
      // an output of another name than the signature's
      expect(await fault(connection, ask("faulty", [numbers("x", "INT32", [1], [-3])]))).toMatch(
        /^bad-backend backend/,
      );
    });

    it("outlives the connections that TorchServe resets behind each error", async () => {
      const seen = new Map<string, number>();
      for (let i = 0; i < 100; i += 1) {
        const some = [what(i % 2 === 0 ? -1 : 0), what(0), ask("nobody", [json(1)])];
        for (const result of await Promise.all(
          some.map((one) =>
            infer(connection, one).then(
              () => "ok",
              ({ code }) => code,
            ),
          ),
        )) {
          seen.set(result, (seen.get(result) ?? 0) + 1);
        }
      }
      expect(Object.fromEntries(seen)).toEqual({ ok: 150, "bad-backend": 50, "not-found": 100 });
    });

    it("streams what a handler streams, and one whole answer where it does not", async () => {
      const stream = (value: object) => ask("stream", [json(value)], { stream: true });
      const parts = await partsOf(await infer(connection, stream({ count: 5, pause_ms: 20 })));
      expect(parts.map(({ outputs }) => text(outputs[0])).join("")).toBe(
        '{"i": 0}\n{"i": 1}\n{"i": 2}\n{"i": 3}\n{"i": 4}\n',
      );
      expect(parts.length).toBeGreaterThan(1);
      const echo = await infer(connection, ask("echo", [json({ a: 1 })], { stream: true }));
      expect(text(outputsOf(echo)[0]).replace(/\s/g, "")).toBe('{"a":1}');
    });

    it("tells a stream that breaks off from one that ends, and lets its reader stop", async () => {
      const stream = (value: object) => ask("stream", [json(value)], { stream: true });
      const broken = await infer(connection, stream({ count: 5, fail_at: 2, pause_ms: 20 }));
      expect((await faultOf(partsOf(broken)))[1]).toBe("backend");
      const long = await infer(connection, stream({ count: 20, pause_ms: 50 }));
      if (long.kind !== "stream") throw new Error("expected a stream");
      for await (const part of long.parts) {
        expect(part.outputs).toHaveLength(1);
        break;
      }
      expect(text(outputsOf(await infer(connection, ask("echo", [json(1)])))[0])).toBe("1");
    });

    it("is left at the deadline", async () => {
      expect(await fault(connection, what(2_000), 200)).toBe("deadline-exceeded gateway no");
    });

    it("says that its queue is full", async () => {
      // the queue takes 10 and one is in work; a connection of these tests has 8 calls at a time
      const all = Array.from({ length: 4 }, () => connect(server()));
      const calls = all.flatMap((one) => Array.from({ length: 8 }, () => infer(one, what(100)).then(() => "ok", said)));
      const results = await Promise.all(calls);
      expect(new Set(results)).toEqual(new Set(["ok", "overloaded backend elsewhere"]));
      expect(results.filter((each) => each === "ok").length).toBeLessThan(20);
      await Promise.all(all.map((one) => one.close()));
    });

    it("has a model without workers unavailable until it is loaded again", async () => {
      await connection.control?.unload?.("stream", NEVER);
      const state = async () => (await connection.models([], NEVER)).find(({ name }) => name === "stream");
      expect(await state()).toEqual({ name: "stream", version: "1.0", state: "unavailable", reason: "no workers" });
      expect(await fault(connection, ask("stream", [json({ count: 1 })]))).toBe("overloaded backend elsewhere");
      await connection.control?.load?.("stream", NEVER);
      expect(await state()).toMatchObject({ state: "ready" });
      expect((await faultOf(Promise.resolve(connection.control?.load?.("nobody", NEVER))))[0]).toBe("not-found");
    });

    describe("over gRPC", () => {
      let grpc: Connection;
      beforeAll(async () => {
        const words = { protocol: "grpc", management: server().management };
        grpc = connectLive(tested, server().grpc, { words, signatures: { digits: DIGITS } });
        await grpc.models([], NEVER);
      });

      it("is healthy, and passes a payload", async () => {
        expect(await grpc.health(NEVER)).toBe("torchserve");
        const bytes = opaqueTensor("body", Buffer.from("abc"), { contentType: "text/x" });
        expect(text((await outputsFor(grpc, ask("echo", [bytes])))[0])).toBe("abc");
      });

      it("answers bytes with bytes", async () => {
        const image = pictures(2);
        const words = { protocol: "grpc", models: { digits: { format: "raw", answer: "opaque" } } };
        const own = connectLive(tested, server().grpc, { words });
        const bytes = opaqueTensor("image", image.data, { contentType: "application/octet-stream" });
        const [answer] = await outputsFor(own, ask("digits", [bytes], version("digits", "2.0")));
        const { probabilities } = await reference("2", image);
        expect(answer === undefined ? "" : Buffer.from(payloadOf(answer)).toString("hex")).toBe(probabilities);
        await own.close();
      });

      it("tells whose fault each fault is", async () => {
        expect(await fault(grpc, what(-1))).toBe("bad-backend backend no");
        expect(await fault(grpc, ask("faulty", [json({ status: 418 })]))).toBe("invalid-argument client no");
        expect(await fault(grpc, ask("faulty", [json({ memory: 1 })]))).toBe("overloaded backend elsewhere");
        expect(await fault(grpc, ask("nobody", [json(1)]))).toBe("not-found client no");
        expect(await fault(grpc, ask("digits", [json(1)], version("digits", "9.0")))).toBe("not-found client no");
        const large = opaqueTensor("x", Buffer.alloc(7_000_000), { contentType: "application/octet-stream" });
        expect(await fault(grpc, ask("faulty", [large]))).toBe("too-large client no");
        expect(await fault(grpc, ask("digits", [json(1)], { task: "explain" }))).toBe("unsupported gateway no");
      });

      it("streams a part a message", async () => {
        const call = liveCall();
        const parts = await partsOf(await grpc.infer(ask("stream", [json({ count: 4 })], { stream: true }), call));
        expect(parts.map(({ outputs }) => text(outputs[0]))).toEqual([
          '{"i": 0}\n',
          '{"i": 1}\n',
          '{"i": 2}\n',
          '{"i": 3}\n',
        ]);
        const broken = await grpc.infer(ask("stream", [json({ count: 4, fail_at: 2 })], { stream: true }), call);
        expect((await faultOf(partsOf(broken))).slice(0, 3)).toEqual(["bad-backend", "backend", "no"]);
        call.end();
      });
    });
  },
);
