// The kind tf-serving against a TensorFlow session over real SavedModels behind TensorFlow Serving's own stubs.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import type { Connection, Door } from "../../backends/connection.ts";
import { tfServing, tfServingServer } from "../../backends/tf-serving.ts";
import { DATATYPES, ELEMENT_BYTES, joinBytesElements, type Tensor } from "../../core/tensor.ts";
import { ask, connectKind, faultOf, numbers, outputsOf, texts } from "../support/kind-door.ts";
import { liveCall, liveDoor } from "../support/live-door.ts";
import { startTfServing } from "./servers/tf-serving.ts";
import { realServer } from "./support/suite.ts";

const run = promisify(execFile);
const signal = new AbortController().signal;
const call = () => liveCall({ timeoutMs: 60_000 });
const hex = ({ name, datatype, shape, data }: Tensor) => [name, datatype, shape, Buffer.from(data).toString("hex")];
const faultWord = async (work: Promise<unknown>) => (await faultOf(work)).slice(0, 3).join(" ");
const version = (name: string, at: string) => ({ model: { name, select: { by: "version", version: at } } }) as const;
const label = (name: string, at: string) => ({ model: { name, select: { by: "label", label: at } } }) as const;

/** Values at the edges of each datatype, the odd ones among them. */
function edges(datatype: (typeof DATATYPES)[number]): Uint8Array {
  if (datatype === "BYTES") {
    return joinBytesElements(["", "é\u0000", 'a"\\\n', "\u{1f600}", "b64", "e"].map((text) => Buffer.from(text)));
  }
  const width = ELEMENT_BYTES[datatype];
  if (datatype === "BOOL") return Uint8Array.from([0, 1, 1, 0, 1, 0]);
  if (datatype === "FP32") {
    const values = [Number.NaN, Number.NEGATIVE_INFINITY, -0, 1.401298464324817e-45, 3.4028234663852886e38, 16777216];
    return new Uint8Array(Float32Array.from(values).buffer);
  }
  if (datatype === "FP64") {
    const values = [Number.NaN, Number.POSITIVE_INFINITY, -0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2];
    return new Uint8Array(Float64Array.from(values).buffer);
  }
  const all = Buffer.alloc(6 * width, 0xff);
  all.fill(0, 0, width);
  all[2 * width - 1] = 0x7f;
  all[3 * width - 1] = 0x80;
  all.fill(0, 2 * width, 3 * width - 1);
  for (let i = 0; i < 2 * width; i++) all[4 * width + i] = (i * 37 + 5) & 0x7f;
  return all;
}

const start = () => startTfServing({ demo: ["digits"] });

realServer("tf-serving", start, (server) => {
  function open(protocol: "rest" | "grpc", words: object = {}): Connection {
    const url = `http://127.0.0.1:${protocol === "rest" ? server().http : server().grpc}`;
    const door: Door = {
      ...liveDoor(url),
      // as the frame does: asked of the server
      signature: (model, waiting) => connection.metadata(model, waiting),
    };
    const connection = connectKind({ kind: tfServing, server: tfServingServer }, { protocol, ...words }, door);
    return connection;
  }

  describe.each(["rest", "grpc"] as const)("over %s", (protocol) => {
    let tfs: Connection;
    beforeAll(() => {
      tfs = open(protocol);
      return () => tfs.close();
    });

    test("says that it is up, which versions there are, and its signatures", async () => {
      expect(await tfs.health(signal)).toBe("tf-serving");
      expect(await tfs.models(["half_plus", "nope", "echo"], signal)).toEqual([
        { name: "half_plus", version: "2", state: "ready" },
        { name: "half_plus", version: "1", state: "ready" },
        { name: "echo", version: "1", state: "ready" },
      ]);
      const { signatures, ...told } = await tfs.metadata({ name: "half_plus", version: "1" }, signal);
      expect([...(signatures?.keys() ?? [])].sort()).toEqual(["classify_x", "regress_x", "serving_default"]);
      expect(told).toEqual({
        name: "half_plus",
        version: "1",
        versions: ["1", "2"],
        platform: "tensorflow_savedmodel",
        inputs: [{ name: "x", datatype: "FP32", shape: [-1] }],
        outputs: [{ name: "y", datatype: "FP32", shape: [-1] }],
        batchDim: 0,
        stateful: false,
      });
      expect((await tfs.metadata({ name: "half_plus" }, signal)).version).toBe("2");
      expect(await faultWord(tfs.metadata({ name: "nope" }, signal))).toBe("not-found client no");
    });

    test("carries every datatype bit by bit, or says which protocol does", async () => {
      for (const datatype of DATATYPES) {
        const signature = datatype.toLowerCase();
        const input: Tensor = { name: "x", datatype, shape: [2, 3], data: edges(datatype) };
        const work = tfs.infer(ask("echo", [input], { signature }), call());
        if (protocol === "rest" && ["FP16", "BF16", "UINT16"].includes(datatype)) {
          const [code, origin, , message] = await faultOf(work);
          expect([code, origin]).toEqual(["unsupported", "client"]);
          expect(message).toContain("protocol: grpc");
          continue;
        }
        const [output] = outputsOf(await work);
        expect(hex(output!)).toEqual(hex({ ...input, name: "y" }));
        const first =
          datatype === "BYTES" ? joinBytesElements([Buffer.from("é")]) : input.data.subarray(-ELEMENT_BYTES[datatype]);
        const scalar: Tensor = { name: "x", datatype, shape: [], data: first };
        const [alone] = outputsOf(await tfs.infer(ask("echo", [scalar], { signature: `${signature}_scalar` }), call()));
        expect(hex(alone!)).toEqual(hex({ ...scalar, name: "y" }));
      }
    });

    test("carries bytes that are no text, both ways", async () => {
      const inputs = [
        numbers("a", "FP32", [2, 2], [1, 2, 3, 4]),
        numbers("b", "INT64", [2], [2 ** 53, -1]),
        { ...texts("text", [2], ["", "é"]), data: joinBytesElements([Buffer.from([0xff, 0]), Buffer.from("é")]) },
      ];
      const outputs = outputsOf(await tfs.infer(ask("twin", inputs), call()));
      const byName = new Map(outputs.map((output) => [output.name, hex(output)]));
      expect(byName.get("sum")).toEqual(hex(numbers("sum", "FP32", [2], [2 ** 53, 6])));
      const next = new Uint8Array(BigInt64Array.from([2n ** 53n + 1n, 0n]).buffer);
      expect(byName.get("next")).toEqual(hex({ name: "next", datatype: "INT64", shape: [2], data: next }));
      const text = joinBytesElements([Buffer.from([0xff, 0, 0, 0xc3, 0xbf]), Buffer.from("é\u0000ÿ")]);
      expect(byName.get("text_bytes")).toEqual(hex({ name: "text_bytes", datatype: "BYTES", shape: [2], data: text }));
      const asked = [{ name: "next", parameters: new Map() }];
      expect(
        outputsOf(await tfs.infer(ask("twin", inputs, { outputs: asked }), call())).map(({ name }) => name),
      ).toEqual(["next"]);
    });

    test("runs the version and the label asked for", async () => {
      const x = numbers("x", "FP32", [3], [1, 2, -4]);
      const y = async (more: object) => {
        const reply = await tfs.infer(ask("half_plus", [x], more), call());
        return [...new Float32Array(Uint8Array.from(outputsOf(reply)[0]!.data).buffer)];
      };
      expect(await y({})).toEqual([3.5, 4, 1]);
      expect(await y(version("half_plus", "1"))).toEqual([2.5, 3, 0]);
      expect(await y(label("half_plus", "stable"))).toEqual([2.5, 3, 0]);
      expect(await y(label("half_plus", "canary"))).toEqual([3.5, 4, 1]);
      const reply = await tfs.infer(ask("half_plus", [x], label("half_plus", "stable")), call());
      expect(reply).toMatchObject({ model: { name: "half_plus", version: "1" } });
    });

    test("classifies and regresses, by features and by serialized examples", async () => {
      const features = [
        numbers("x", "FP32", [2], [1, 4]),
        numbers("n", "INT64", [2, 1], [7, -7]),
        texts("label", [2], ["a", "é"]),
      ];
      const classes = outputsOf(
        await tfs.infer(ask("half_plus", features, { task: "classify", signature: "classify_x" }), call()),
      );
      expect(classes.map(hex)).toEqual([
        hex(texts("classes", [2, 2], ["a", "other", "é", "other"])),
        hex(numbers("scores", "FP32", [2, 2], [3.5, 7, 5, -7])),
      ]);
      const values = outputsOf(
        await tfs.infer(ask("half_plus", features, { task: "regress", signature: "regress_x" }), call()),
      );
      expect(values.map(hex)).toEqual([hex(numbers("outputs", "FP32", [2], [3.5, 5]))]);
      // tf.train.Example of x: 1.0, as TensorFlow 2.21 serializes it (test/golden/wire/make_tfs.py)
      const example = Buffer.from("0a0f0a0d0a017812081206 0a040000803f".replace(" ", ""), "hex");
      const serialized: Tensor = { name: "inputs", datatype: "BYTES", shape: [1], data: joinBytesElements([example]) };
      const task = { task: "regress", signature: "regress_x" } as const;
      const again = outputsOf(await tfs.infer(ask("half_plus", [serialized], task), call()));
      expect(again.map(hex)).toEqual([hex(numbers("outputs", "FP32", [1], [3.5]))]);
    });

    test("tells the caller's faults from the server's", async () => {
      const x = numbers("x", "FP32", [1], [1]);
      const word = (model: string, inputs: readonly Tensor[], more: object = {}) =>
        faultWord(tfs.infer(ask(model, inputs, more), call()));
      expect(await word("nope", [x])).toBe("not-found client no");
      expect(await word("half_plus", [x], version("half_plus", "9"))).toBe("not-found client no");
      expect(await word("half_plus", [x], label("half_plus", "nobody"))).toBe("not-found client no");
      expect(await word("half_plus", [x], { signature: "nobody" })).toBe("invalid-argument client no");
      expect(await word("half_plus", [numbers("z", "FP32", [1], [1])])).toBe("invalid-argument client no");
      expect(await word("half_plus", [x], { task: "classify" })).toBe("invalid-argument client no");
      expect(await word("half_plus", [x], { task: "explain" })).toBe("unsupported client no");
      const [code, , , message] = await faultOf(tfs.infer(ask("faulty", [numbers("x", "INT32", [1], [-1])]), call()));
      expect([code, message]).toEqual(["invalid-argument", expect.stringContaining("x is below zero")]);
    });

    test("gives the demo model's answers as ONNX Runtime gave them", async () => {
      const image = numbers(
        "image",
        "FP32",
        [1, 1, 8, 8],
        Array.from({ length: 64 }, (_, i) => i % 17),
      );
      const outputs = outputsOf(await tfs.infer(ask("digits", [image], version("digits", "1")), call()));
      const script = `
import onnxruntime, numpy, sys
s = onnxruntime.InferenceSession(sys.argv[1])
x = (numpy.arange(64) % 17).astype(numpy.float32).reshape(1, 1, 8, 8)
for o, v in sorted(zip([o.name for o in s.get_outputs()], s.run(None, {"image": x}))): print(o, v.tobytes().hex())`;
      const model = new URL("../../models/digits/1/model.onnx", import.meta.url).pathname;
      const { stdout } = await run(server().python, ["-c", script, model]);
      const got = outputs.map(({ name, data }) => `${name} ${Buffer.from(data).toString("hex")}`).sort();
      expect(got).toEqual(stdout.trim().split("\n"));
    });
  });

  test("asks in rows where the config says so, and takes a signature's name from it", async () => {
    const tfs = open("rest", { format: "row", models: { echo: { signatureName: "int64" } } });
    const x = numbers("x", "INT64", [2, 2], [1, -2, 3, 2 ** 53]);
    expect(outputsOf(await tfs.infer(ask("echo", [x]), call())).map(hex)).toEqual([hex({ ...x, name: "y" })]);
    const inputs = [
      numbers("a", "FP32", [2, 2], [1, 2, 3, 4]),
      numbers("b", "INT64", [2], [5, 6]),
      texts("text", [2], ["t", "u"]),
    ];
    const outputs = outputsOf(await tfs.infer(ask("twin", inputs), call()));
    expect(outputs.map(({ name }) => name).sort()).toEqual(["next", "sum", "text_bytes"]);
    const [code, , , message] = await faultOf(tfs.infer(ask("echo", [numbers("x", "INT64", [], [1])]), call()));
    expect([code, message]).toEqual([
      "unsupported",
      'input "x": a scalar cannot be written as rows; the Open Inference Protocol carries it',
    ]);
    await tfs.close();
  });
});
