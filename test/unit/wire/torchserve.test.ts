// TorchServe's bodies and documents. What it answers is what TorchServe 0.12 answered, as it was run.

import { describe, expect, it } from "vitest";
import type { InferRequest } from "../../../core/request.ts";
import type { Tensor } from "../../../core/tensor.ts";
import { opaqueTensor } from "../../../wire/opaque.ts";
import { runNow } from "../../../wire/sliced.ts";
import { decodeRequest, encodeRequest, encodeResponse, type Format } from "../../../wire/torchserve.ts";
import { answerForm, decodeResponse, fitOutputs } from "../../../wire/torchserve-answers.ts";
import {
  decodeDescriptions,
  decodeError,
  decodeHealth,
  decodeModels,
  decodeVersion,
  encodeError,
} from "../../../wire/torchserve-documents.ts";
import { healthResponse, predictionResponse, predictionsRequest } from "../../../wire/torchserve-proto.ts";
import { plain } from "../../property/wire/bodies.ts";
import { ask, numbers, texts } from "../../support/kind-door.ts";

const x = numbers("x", "FP32", [1, 2], [1, 2.5]);
const jpeg = opaqueTensor("image", Uint8Array.of(0xff, 0xd8), { contentType: "image/jpeg", filename: "a.jpg" });

function written(format: Format, inputs: readonly Tensor[], more: Partial<InferRequest> = {}) {
  const { parts, contentType } = runNow(encodeRequest(ask("m", inputs, more), { format, boundary: "b" }));
  return { body: Buffer.concat(parts).toString("latin1"), contentType };
}

describe("a request to TorchServe", () => {
  it.each<[Format, string]>([
    ["json-instances", '{"instances":[[1.0,2.5]]}'],
    ["json", "[[1.0,2.5]]"],
    ["kserve-v1", '{"instances":[[1.0,2.5]]}'],
    ["kserve-v2", '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1.0,2.5]}]}'],
  ])("in %s is JSON", (format, body) => {
    expect(written(format, [x])).toEqual({ body, contentType: "application/json" });
  });

  it("in json is an object for several inputs", () => {
    expect(written("json", [x, texts("s", [], ["é"])]).body).toBe(
      Buffer.from('{"x":[[1.0,2.5]],"s":"é"}').toString("latin1"),
    );
  });

  it("in raw is the payload with its content type", () => {
    expect(written("raw", [jpeg])).toEqual({ body: "\xff\xd8", contentType: "image/jpeg" });
    expect(written("raw", [texts("s", [1, 1], ["hi"])])).toEqual({
      body: "hi",
      contentType: "application/octet-stream",
    });
    expect(() => written("raw", [jpeg, x])).toThrow("expected one input, got 2");
    expect(() => written("raw", [x])).toThrow(
      'input "x": a raw body needs BYTES of one element, got FP32 of shape [1,2]',
    );
  });

  it("in multipart is a form: payloads as files, other tensors as JSON", () => {
    const { body, contentType } = written("multipart", [jpeg, x]);
    expect(contentType).toBe("multipart/form-data; boundary=b");
    expect(body).toBe(
      '--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\r\n' +
        '--b\r\nContent-Disposition: form-data; name="x"\r\nContent-Type: application/json\r\n\r\n[[1.0,2.5]]\r\n--b--\r\n',
    );
  });

  it("that is JSON already goes as it is, its charset left out, which would keep TorchServe from parsing it", () => {
    const own = opaqueTensor("body", Buffer.from('{"any": 1}'), { contentType: "application/json; charset=utf-8" });
    for (const format of ["json-instances", "json", "kserve-v1", "kserve-v2"] as const) {
      expect(written(format, [own])).toEqual({ body: '{"any": 1}', contentType: "application/json" });
    }
  });

  it("in kserve-v2 has no requested outputs and no parameters, and BYTES of one element only", () => {
    const more = { outputs: [{ name: "y", parameters: new Map() }], parameters: new Map([["a", 1n]]) };
    expect(written("kserve-v2", [x], more).body).toBe(written("kserve-v2", [x]).body);
    expect(written("kserve-v2", [texts("s", [1], ["hi"])]).body).toContain('"data":["hi"]');
    expect(() => written("kserve-v2", [texts("s", [2], ["a", "b"])])).toThrow("envelope takes BYTES of one element");
  });

  it("as a form is read by the signature: payloads, JSON, and what is missing, unknown or twice", () => {
    const specs = [
      { name: "image", datatype: "BYTES", shape: [1] },
      { name: "x", datatype: "FP32", shape: [-1, 2] },
    ] as const;
    const { body, contentType } = written("multipart", [jpeg, x]);
    const read = (text: string, own: readonly (typeof specs)[number][] = specs) =>
      runNow(decodeRequest(Buffer.from(text, "latin1"), { format: "multipart", contentType, specs: own }));
    expect(plain(read(body))).toEqual(plain([jpeg, x]));
    expect(() => read(body, [specs[0]])).toThrow('input "x": expected one of "image"');
    expect(() => read(body.replace('name="x"', 'name="image"'))).toThrow('input "image" stands twice');
    expect(() => read(written("multipart", [jpeg]).body)).toThrow('input "x": expected a part of the form, got none');
    expect(() => read(body.replace("[[1.0,2.5]]", "[[1.0,2.5]] 1"))).toThrow("the end of the text");
  });
});

describe("an answer of TorchServe", () => {
  const read = (text: string, more: Partial<Parameters<typeof decodeResponse>[1]> = {}) =>
    runNow(decodeResponse(Buffer.from(text), { format: "json", form: "json", contentType: undefined, ...more }));
  const specs = [{ name: "y", datatype: "FP32", shape: [-1, 2] }] as const;
  const y = [numbers("y", "FP32", [1, 2], [3, 4])];

  it.each([
    '{\n  "predictions": [\n    [\n      3.0,\n      4\n    ]\n  ]\n}',
    '{"code":1,"predictions":[{"y":[3,4],"other":[1]}]}',
    "[[3.0,4]]",
    '[{"y":[3,4]}]',
    '{"y":[[3,4]],"label":"seven"}',
  ])("is read from %s", (text) => {
    expect(plain(read(text, { specs }))).toEqual(plain(y));
  });

  it("has predictions of its own where an output is called so", () => {
    const own = [{ name: "predictions", datatype: "INT64", shape: [2] }] as const;
    expect(plain(read('{"predictions":[1,2]}', { specs: own }))).toEqual(
      plain([numbers("predictions", "INT64", [2], [1, 2])]),
    );
  });

  it("is a payload under the declared output's name, of a type that the handler may leave open", () => {
    expect(
      read("abc", { form: "opaque", contentType: "image/png", specs: [{ name: "png", datatype: "BYTES" }] }),
    ).toEqual([opaqueTensor("png", Buffer.from("abc"), { contentType: "image/png" })]);
    expect(read("abc", { form: "opaque" })).toEqual([
      opaqueTensor("body", Buffer.from("abc"), { contentType: "application/octet-stream" }),
    ]);
  });

  it.each(["{}", "[[3]]", "3 4", "Prediction failed", '{"y":[[3,4]]'])("such as %s is the backend's fault", (text) => {
    expect(() => read(text, { specs })).toThrow(expect.objectContaining({ code: "bad-backend", origin: "backend" }));
  });

  it("in the kserve-v2 envelope gets the declared names and shapes back", () => {
    // TorchServe 0.12 with the envelope, a handler that doubles: flat, FP64, named after the input
    const flat = [numbers("x", "FP64", [4], [1, 2, 3, 4])];
    expect(fitOutputs(flat, specs)).toEqual([numbers("y", "FP64", [2, 2], [1, 2, 3, 4])]);
    expect(fitOutputs(flat, [{ name: "y", shape: [-1, 3] }])[0]?.shape).toEqual([4]);
    expect(fitOutputs(flat, [{ name: "y", shape: [-1, -1] }])[0]?.shape).toEqual([4]);
    expect(fitOutputs(flat, [{ name: "y" }])[0]?.shape).toEqual([4]);
    expect(() => fitOutputs(flat, [{ name: "y" }, { name: "z" }])).toThrow("expected 2 outputs, got 1");
    const both = [numbers("b", "FP64", [1], [2]), numbers("a", "FP64", [1], [1])];
    expect(fitOutputs(both, [{ name: "a" }, { name: "b" }])).toEqual([both[1], both[0]]);
  });

  it("is JSON or a payload as the signature and the format say", () => {
    const bytes = [{ name: "png", datatype: "BYTES" }] as const;
    expect(answerForm("raw", undefined)).toBe("opaque");
    expect(answerForm("json", [])).toBe("opaque");
    expect(answerForm("raw", bytes)).toBe("opaque");
    expect(answerForm("json", bytes)).toBe("json");
    expect(answerForm("raw", specs)).toBe("json");
    expect(answerForm("kserve-v1", undefined)).toBe("json");
  });

  it("is written as a handler of the format would", () => {
    const model = { name: "m", version: "1" };
    const response = { kind: "whole", model, outputs: y, parameters: new Map() } as const;
    const body = (format: Format, outputs: readonly Tensor[] = y) => {
      const { parts, contentType } = runNow(encodeResponse({ ...response, outputs }, { format }));
      return `${contentType} ${Buffer.concat(parts).toString("latin1")}`;
    };
    const z = numbers("z", "INT64", [1], [5]);
    expect(body("json-instances")).toBe("application/json [[3.0,4.0]]");
    expect(body("json-instances", [...y, z])).toBe('application/json [{"y":[3.0,4.0],"z":5}]');
    expect(body("json", [...y, z])).toBe('application/json {"y":[[3.0,4.0]],"z":[5]}');
    expect(body("kserve-v1")).toBe('application/json {"predictions":[[3.0,4.0]]}');
    expect(body("kserve-v2")).toMatch(/^application\/json \{"model_name":"m","model_version":"1","outputs":/);
    expect(body("raw")).toBe("application/json [[3.0,4.0]]");
    expect(body("raw", [jpeg])).toBe("image/jpeg \xff\xd8");
  });
});

describe("TorchServe's documents", () => {
  const ERROR = '{\n  "code": 404,\n  "type": "ModelNotFoundException",\n  "message": "Model not found: nope"\n}\n';

  it("tell faults", () => {
    const error = { code: 404, type: "ModelNotFoundException", message: "Model not found: nope" };
    expect(decodeError(Buffer.from(ERROR))).toEqual(error);
    expect(Buffer.from(encodeError(error)).toString()).toBe(ERROR);
    expect(decodeError(new Uint8Array(0))).toBeUndefined();
    expect(decodeError(Buffer.from("null"))).toBeUndefined();
  });

  it("tell health and version", () => {
    expect(decodeHealth(Buffer.from('{\n  "status": "Healthy"\n}\n'))).toBe(true);
    expect(decodeHealth(Buffer.from('{\n  "status": "Unhealthy"\n}\n'))).toBe(false);
    expect(decodeHealth(Buffer.from("<html>"))).toBeUndefined();
    expect(decodeVersion(Buffer.from('{"openapi":"3.0.1","info":{"version":"0.12.0"}}'))).toBe("0.12.0");
    expect(decodeVersion(Buffer.from("{}"))).toBeUndefined();
  });

  it("tell models page by page, and their workers", () => {
    expect(
      decodeModels(Buffer.from('{"nextPageToken": "2","models": [{"modelName": "faulty","modelUrl": "faulty.mar"}]}')),
    ).toEqual({ models: ["faulty"], next: "2" });
    expect(decodeModels(Buffer.from('{"models": []}'))).toEqual({ models: [] });
    expect(() => decodeModels(Buffer.from("[]"))).toThrow("the backend's list of models cannot be read");
    const described = '[{"modelName":"rows","modelVersion":"1.0","workers":[{"id":"9000","status":"READY"}]}]';
    expect(decodeDescriptions(Buffer.from(described))).toEqual([{ name: "rows", version: "1.0", workers: ["READY"] }]);
    expect(() => decodeDescriptions(Buffer.from("{}"))).toThrow("the backend's description of a model cannot be read");
  });

  it("tell the same over gRPC: messages as grpcio wrote and read them", () => {
    // grpcio 1.7x to and from TorchServe 0.12, with messages put together by hand
    const request = Buffer.from("\n\x04rows\x12\x032.0\x1a\x0a\n\x04body\x12\x02[]", "latin1");
    expect(
      Buffer.from(
        predictionsRequest.encode({ model: "rows", version: "2.0", input: new Map([["body", Buffer.from("[]")]]) }),
      ),
    ).toEqual(request);
    expect(predictionsRequest.decode(request).input.get("body")).toEqual(Buffer.from("[]"));
    expect(Buffer.from(predictionResponse.decode(Buffer.from("\n\x03abc")).prediction).toString()).toBe("abc");
    const ping = Buffer.from('\n\x19{\n  "status": "Healthy"\n}', "latin1");
    expect(decodeHealth(Buffer.from(healthResponse.decode(ping).health))).toBe(true);
  });
});
