import { describe, expect, it } from "vitest";
import type { InferRequest } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { decodeRequest, decodeResponse, encodeRequest, JSON_FORM } from "../../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { runNow } from "../../../wire/sliced.ts";

const ALL = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, bits) => bits).buffer);

function request(data: Uint8Array): InferRequest {
  const shape = [data.byteLength / 2];
  const inputs = [{ name: "x", datatype: "FP16", shape, data }] as const;
  return {
    model: { name: "m", select: { by: "default" } },
    task: "infer",
    inputs,
    parameters: NO_PARAMETERS,
    stream: false,
  };
}

function written(data: Uint8Array, json?: { halves: boolean }): string {
  const ask = { isBinary: () => false, form: JSON_FORM, ...(json === undefined ? {} : { json }) };
  return Buffer.concat(runNow(encodeRequest(request(data), ask)).parts).toString();
}

function read(elements: string, options: { halves?: boolean; sliceBytes?: number } = { halves: true }): Uint8Array {
  const count = elements.split(",").length;
  const body = `{"model_name":"m","outputs":[{"name":"y","datatype":"FP16","shape":[${count}],"data":[${elements}]}]}`;
  const [y] = runNow(decodeResponse(Buffer.from(body), { limits, ...options })).outputs;
  return y?.data ?? new Uint8Array();
}

describe("FP16 in JSON", () => {
  it("comes back bit by bit, every number that there is, in slices of any size", () => {
    // NaN has many bit patterns and one text: 2 * 1,023 of them
    const finite = Uint8Array.from({ length: ALL.byteLength }, (_, at) => {
      const isNaN16 = Number.isNaN(new DataView(ALL.buffer).getFloat16(at & ~1, true));
      return isNaN16 ? 0 : (ALL[at] as number);
    });
    const elements = /"data":\[([^\]]*)\]/.exec(written(finite, { halves: true }))?.[1] ?? "";
    expect(elements.split(",")).toHaveLength(65536);
    for (const sliceBytes of [1, 777, 2 ** 20]) {
      expect(Buffer.compare(read(elements, { halves: true, sliceBytes }), finite)).toBe(0);
    }
  });

  it("rounds to the nearest, and refuses what is beyond it", () => {
    expect(Buffer.from(read("0.1,65504,65519.9,-0.0,1e-8")).toString("hex")).toBe("662eff7bff7b00800000");
    expect(Buffer.from(read("NaN,Infinity,-Infinity")).toString("hex")).toBe("007e007c00fc");
    expect(() => read("1,65520")).toThrow("expected numbers in FP16's range, got 65520 as element 1");
    expect(() => read("1,x")).toThrow('output "y": expected a number');
  });

  it("is refused where nobody says that it is taken", () => {
    expect(() => written(new Uint8Array(2))).toThrow("FP16 has no JSON form");
    expect(() => read("1", {})).toThrow("FP16 has no JSON form");
  });
});

describe("empty data beside the size of a blob", () => {
  const answer = (data: string) =>
    Buffer.from(
      `{"outputs":[{"name":"y","datatype":"INT8","shape":[2],"data":${data},"parameters":{"binary_data_size":2}}]}xy`,
    );
  const decode = (body: Buffer) => runNow(decodeResponse(body, { limits, headerLength: body.byteLength - 2 }));

  it("says nothing in an answer, but data does", () => {
    expect(Buffer.from(decode(answer("[]")).outputs[0]?.data ?? []).toString()).toBe("xy");
    expect(Buffer.from(decode(answer("[ ]")).outputs[0]?.data ?? []).toString()).toBe("xy");
    expect(() => decode(answer("[1,2]"))).toThrow("expected either data or binary_data_size, got both");
  });

  it("is refused in a request, as data is", () => {
    const body = Buffer.from(answer("[]").toString().replace("outputs", "inputs"));
    const read = () => runNow(decodeRequest(body, { limits, headerLength: body.byteLength - 2 }));
    expect(read).toThrow("expected either data or binary_data_size, got both");
  });
});
