import { describe, expect, it } from "vitest";
import { deferInputs, wholeLayer, wholeRequest } from "../../../core/deferred.ts";
import { InferError, invalid } from "../../../core/error.ts";
import type { InferRequest } from "../../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../../core/tensor.ts";
import { requestFor, wholeReply } from "../../support/scripted.ts";

const heads = [
  { name: "a", datatype: "UINT8", shape: [2] },
  { name: "b", datatype: "UINT8", shape: [1], parameters: new Map([["p", 1n]]) },
] as const;
const tensors: readonly Tensor[] = [
  { ...heads[0], data: Uint8Array.from([1, 2]) },
  { ...heads[1], data: Uint8Array.from([3]) },
];

function setUp(decode: () => Promise<readonly Tensor[]> = async () => tensors) {
  let decoded = 0;
  const inputs = deferInputs(heads, () => {
    decoded += 1;
    return decode();
  });
  const request: InferRequest = { ...requestFor("m"), inputs, parameters: NO_PARAMETERS };
  return { request, count: () => decoded };
}

describe("deferred inputs", () => {
  it("have their heads without being decoded, also when they are copied", () => {
    const { request, count } = setUp();
    expect(request.inputs.map(({ name, datatype, shape, parameters }) => [name, datatype, shape, parameters])).toEqual([
      ["a", "UINT8", [2], undefined],
      ["b", "UINT8", [1], new Map([["p", 1n]])],
    ]);
    const [a] = request.inputs;
    expect(Object.keys({ ...a })).toEqual(["name", "datatype", "shape"]);
    expect(count()).toBe(0);
  });

  it("are decoded once for all who need them, and have their bytes from then on", async () => {
    const { request, count } = setUp();
    const renamed = { ...request, model: { name: "n", select: { by: "default" } } } as const;
    const [one, other] = await Promise.all([wholeRequest(request), wholeRequest(renamed)]);
    expect(one.inputs.map((input, i) => input === tensors[i])).toEqual([true, true]);
    expect([other.model.name, other.inputs]).toEqual(["n", tensors]);
    expect(wholeRequest(request)).not.toBeInstanceOf(Promise);
    expect(request.inputs.map(({ data }) => [...data])).toEqual([[1, 2], [3]]);
    expect(count()).toBe(1);
  });

  it("say so when their bytes are asked for before", () => {
    const [a] = setUp().request.inputs;
    expect(() => a?.data).toThrow('input "a": its bytes were asked for before they were decoded');
  });

  it("fail as their decoder does: a late fault is the client's", async () => {
    const { request } = setUp(() => Promise.reject(invalid("bad")));
    const failed = await wholeLayer(async () => wholeReply("m", "1"))(request, {} as never).catch((error) => error);
    expect(failed).toBeInstanceOf(InferError);
    expect([failed.code, failed.origin]).toEqual(["invalid-argument", "client"]);
  });

  it("are whole below the layer, and a whole request goes through it as it is", async () => {
    const seen: InferRequest[] = [];
    const service = wholeLayer(async (request) => {
      seen.push(request);
      return wholeReply("m", "1");
    });
    const { request } = setUp();
    const plain = { ...request, inputs: tensors };
    await service(request, {} as never);
    await service(plain, {} as never);
    expect(seen[0]?.inputs).toEqual(tensors);
    expect(seen[1]).toBe(plain);
  });
});
