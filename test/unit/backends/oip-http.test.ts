import { describe, expect, it } from "vitest";
import type { Connection } from "../../../backends/connection.ts";
import { openOipHttp } from "../../../backends/oip/http.ts";
import type { OipDialect } from "../../../backends/oip/quirks.ts";
import { openCall } from "../../../core/call.ts";
import type { InferRequest } from "../../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../../core/tensor.ts";
import { fakeClock } from "../../support/fake-env.ts";
import { ask, faultOf, kindDoor, numbers, outputsOf, type Play, someCall, texts } from "../../support/kind-door.ts";

const X = numbers("x", "INT32", [1, 2], [1, 258]);
const TWO = "0100000002010000";
/** Answers `y` as bytes, as Triton and KServe do. */
const BLOB =
  '{"model_name":"m","model_version":"3","outputs":[{"name":"y","datatype":"INT32","shape":[1,2],"parameters":{"binary_data_size":8}}]}';
const blobAnswer: Play = () => ({
  headers: { "inference-header-content-length": `${BLOB.length}` },
  body: [BLOB, Buffer.from(TWO, "hex")],
});
const json =
  (value: unknown): Play =>
  () => ({ body: JSON.stringify(value) });
const only = (...names: string[]) => ({ outputs: names.map((name) => ({ name, parameters: NO_PARAMETERS })) });

interface Opened {
  readonly connection: Connection;
  readonly door: ReturnType<typeof kindDoor>;
}

function open(dialect: OipDialect, play: Play): Opened {
  const door = kindDoor(play);
  return { door, connection: openOipHttp(door, dialect) };
}

async function asked(dialect: OipDialect, request: InferRequest) {
  const { door, connection } = open(dialect, dialect === "mlserver" ? json(JSON_ANSWER) : blobAnswer);
  const reply = await connection.infer(request, someCall());
  const [sent] = door.asks;
  if (sent === undefined || door.asks.length !== 1) throw new Error(`expected one question, got ${door.asks.length}`);
  return { sent, reply };
}

const JSON_ANSWER = {
  model_name: "m",
  id: "theirs",
  parameters: { content_type: "np" },
  outputs: [{ name: "y", datatype: "INT32", shape: [1, 2], parameters: { content_type: "np" }, data: [1, 258] }],
};

describe("a request", () => {
  it("to Triton has its tensors behind its JSON, asks for such an answer, and has an id of our own", async () => {
    const { sent, reply } = await asked("triton", ask("m", [X], only("y")));
    const head =
      '{"id":"mkorf98k-1","inputs":[{"name":"x","shape":[1,2],"datatype":"INT32","parameters":{"binary_data_size":8}}],"outputs":[{"name":"y","parameters":{"binary_data":true}}],"parameters":{"binary_data_output":true}}';
    expect(sent).toMatchObject({
      method: "POST",
      path: "/v2/models/m/infer",
      headers: {
        traceparent: "00-1-2-01",
        "content-type": "application/octet-stream",
        "inference-header-content-length": `${head.length}`,
      },
    });
    expect(sent.bytes.subarray(0, head.length).toString()).toBe(Buffer.from(head).toString());
    expect(Buffer.from(sent.bytes.subarray(head.length)).toString("hex")).toBe(TWO);
    expect(reply).toMatchObject({ model: { name: "m", version: "3" } });
    expect(outputsOf(reply).map(({ name, data }) => [name, Buffer.from(data).toString("hex")])).toEqual([["y", TWO]]);
  });

  it("to MLServer is JSON, FP16 too, and so is its answer, without what MLServer adds to it", async () => {
    const half = { name: "h", datatype: "FP16", shape: [2], data: Uint8Array.of(0x55, 0x35, 0, 0x80) } as const;
    const { sent, reply } = await asked("mlserver", ask("m", [X, half]));
    expect(sent.body).toBe(
      '{"id":"mkorf98k-1","inputs":[{"name":"x","shape":[1,2],"datatype":"INT32","data":[1,258]},{"name":"h","shape":[2],"datatype":"FP16","data":[0.33325195,-0.0]}]}',
    );
    expect(sent.headers).toEqual({ traceparent: "00-1-2-01", "content-type": "application/json" });
    expect(reply).toEqual({
      kind: "whole",
      model: { name: "m", version: "1" },
      outputs: [{ name: "y", datatype: "INT32", shape: [1, 2], data: expect.anything() }],
      parameters: NO_PARAMETERS,
    });
  });

  it("whose tensors have no bytes says so by the header, and asks KServe for JSON", async () => {
    const empty: Tensor = { ...X, shape: [0, 2], data: new Uint8Array() };
    const triton = await asked("triton", ask("m", [empty]));
    expect(triton.sent.headers["inference-header-content-length"]).toBe(`${triton.sent.bytes.byteLength}`);
    expect(triton.sent.body).toContain('"binary_data_output":true');
    const kserve = await asked("kserve", ask("m", [empty]));
    expect(kserve.sent.headers["inference-header-content-length"]).toBe(`${kserve.sent.bytes.byteLength}`);
    expect(kserve.sent.body).not.toContain("binary_data_output");
  });

  it.each([
    ["triton", { by: "version", version: "7" }, "/v2/models/m/versions/7/infer"],
    ["triton", { by: "default" }, "/v2/models/m/infer"],
    ["kserve", { by: "version", version: "1" }, "/v2/models/m/infer"],
    ["mlserver", { by: "version", version: "v-2/x" }, "/v2/models/m/versions/v-2%2Fx/infer"],
  ] as const)("to %s for %o goes to %s", async (dialect, select, path) => {
    expect((await asked(dialect, ask("m", [X], { model: { name: "m", select } }))).sent.path).toBe(path);
  });

  it.each([
    ["a:b@c+d,e;f=g&h$i", "/v2/models/a:b@c+d,e;f=g&h$i/infer"],
    ["a b/c?#%é", "/v2/models/a%20b%2Fc%3F%23%25%C3%A9/infer"],
    ["..", "/v2/models/%2E%2E/infer"],
  ])("for the model %s stays below the models' path", async (name, path) => {
    expect((await asked("triton", ask(name, [X]))).sent.path).toBe(path);
  });

  it("tells Triton who waits and how long, and others only the sequence", async () => {
    const clock = fakeClock();
    const sequence = { id: 5n, start: true, end: false };
    const init = { id: "secret", traceparent: "", clock, protocol: "test", timeoutMs: 1500, priority: 2, sequence };
    const parametersTo = async (dialect: OipDialect) => {
      const { door, connection } = open(dialect, dialect === "mlserver" ? json(JSON_ANSWER) : blobAnswer);
      const call = openCall(init);
      await connection.infer(ask("m", [X], { parameters: new Map([["p", "q"]]) }), call);
      call.end();
      const [sent] = door.asks;
      expect(sent?.body).not.toContain("secret");
      return /"parameters":(\{[^{}]*\})\}(?!\])/.exec(sent?.body ?? "")?.[1];
    };
    const order = '"sequence_id":5,"sequence_start":true,"sequence_end":false';
    expect(await parametersTo("triton")).toBe(
      `{${order},"priority":2,"timeout":1500000,"p":"q","binary_data_output":true}`,
    );
    expect(await parametersTo("mlserver")).toBe(`{${order},"p":"q"}`);
  });

  it.each([
    [{ task: "explain" }, ["unsupported", "client", "no"]],
    [{ model: { name: "m", select: { by: "label", label: "stable" } } }, ["unsupported", "client", "no"]],
  ] as const)("that the protocol lacks is sent to nobody: %o", async (more, expected) => {
    const { door, connection } = open("triton", blobAnswer);
    expect((await faultOf(connection.infer(ask("m", [X], more), someCall()))).slice(0, 3)).toEqual(expected);
    expect(door.asks).toEqual([]);
  });

  it("for another version of a server without versions finds none", async () => {
    const { door, connection } = open("kserve", blobAnswer);
    const model = { name: "m", select: { by: "version", version: "2" } } as const;
    expect((await faultOf(connection.infer(ask("m", [X], { model }), someCall())))[0]).toBe("not-found");
    expect(door.asks).toEqual([]);
  });

  it("is asked by nobody once the caller has left", async () => {
    const { door, connection } = open("triton", blobAnswer);
    const left = AbortSignal.abort();
    const call = { ...someCall(), signal: left };
    expect((await faultOf(connection.infer(ask("m", [X]), call)))[0]).toBe("cancelled");
    expect(door.asks).toEqual([]);
  });
});

describe("an answer", () => {
  const output = (more: object) => ({ name: "y", datatype: "INT32", shape: [1], data: [1], ...more });
  const answer = (...outputs: object[]) => json({ model_name: "m", outputs });
  const header =
    (value: string, body: string): Play =>
    () => ({
      headers: { "inference-header-content-length": value },
      body,
    });

  it.each<readonly [string, Play, string]>([
    ["that is no JSON", () => ({ body: "<html>" }), "malformed JSON"],
    ["that is empty", () => ({ body: "" }), "got an empty body"],
    ["that breaks off", () => ({ body: '{"outputs":[{"name":"y"' }), "malformed JSON"],
    ["without outputs", json({ model_name: "m" }), "expected outputs, got none"],
    ["with no output", answer(), "expected outputs, got none"],
    ["with an error under 200", json({ error: "away" }), "status 200 and an error: away"],
    ["with too few elements", answer(output({ shape: [2] })), "needs 2 elements, got 1"],
    ["with null for NaN", answer(output({ datatype: "FP32", data: [null] })), "got null"],
    ["with a datatype of nobody", answer(output({ datatype: "FP8" })), 'got "FP8"'],
    ["with an output twice", answer(output({}), output({})), 'output "y" stands twice'],
    [
      "with a blob and no header",
      answer(output({ data: undefined, parameters: { binary_data_size: 4 } })),
      "needs the header",
    ],
    ["whose header is 0", header("0", "{}"), "expected at least 1, got 0"],
    ["whose header is beyond it", header("99", "{}"), "does not fit a body of 2 bytes"],
    ["whose header is no number", header("x", "{}"), "does not fit a body of 2 bytes"],
    ["whose blob is cut", header(`${BLOB.length}`, `${BLOB}1234`), "needs 8 bytes behind the JSON, got 4"],
    ["with bytes left over", header(`${BLOB.length}`, `${BLOB}123456789`), "take 8 bytes behind the JSON, got 9"],
    ["of another status", () => ({ status: 204 }), "unexpected status 204"],
  ])("%s is the backend's fault", async (_, play, message) => {
    const { connection } = open("triton", play);
    const fault = await faultOf(connection.infer(ask("m", [X]), someCall()));
    expect(fault.slice(0, 2)).toEqual(["bad-backend", "backend"]);
    expect(fault[3]).toContain(message);
  });

  it("is given in the order asked; of Triton, which obeys, neither more nor less is taken", async () => {
    const a = output({ name: "a" });
    const b = output({ name: "b" });
    const infer = (dialect: OipDialect, play: Play, names: string[]) =>
      open(dialect, play).connection.infer(ask("m", [X], only(...names)), someCall());
    const turned = await infer("triton", answer(a, b), ["b", "a"]);
    expect(outputsOf(turned).map(({ name }) => name)).toEqual(["b", "a"]);
    expect((await faultOf(infer("triton", answer(a, b), ["a"])))[3]).toBe(
      'the backend\'s answer: expected only the outputs that were asked for, got "b" too',
    );
    expect((await faultOf(infer("triton", answer(a), ["a", "b"])))[3]).toBe(
      'the backend\'s answer: expected output "b", got "a"',
    );
    expect(outputsOf(await infer("kserve", answer(a, b), ["b"])).map(({ name }) => name)).toEqual(["b"]);
    expect(await faultOf(infer("kserve", answer(a, b), ["c"]))).toEqual([
      "invalid-argument",
      "client",
      "no",
      'output "c": expected one of "a", "b"',
    ]);
  });

  it("that lacks an output of the signature is the backend's fault there too", async () => {
    const signature = { inputs: [], outputs: [{ name: "c", datatype: "INT32", shape: [1] }] } as const;
    const connection = openOipHttp(kindDoor(answer(output({ name: "a" })), { signature }), "kserve");
    const fault = await faultOf(connection.infer(ask("m", [X], only("c")), someCall()));
    expect(fault.slice(0, 2)).toEqual(["bad-backend", "backend"]);
  });

  it("of Open Model Server has empty data beside its blobs", async () => {
    const head = BLOB.replace('"parameters"', '"data":[],"parameters"');
    const { connection } = open("ovms", () => ({
      headers: { "inference-header-content-length": `${head.length}` },
      body: [head, Buffer.from(TWO, "hex")],
    }));
    const [y] = outputsOf(await connection.infer(ask("m", [X]), someCall()));
    expect(Buffer.from(y?.data ?? []).toString("hex")).toBe(TWO);
  });

  it("of texts comes through", async () => {
    const { connection } = open("mlserver", answer(output({ datatype: "BYTES", data: ["é"] })));
    const [y] = outputsOf(await connection.infer(ask("m", [texts("x", [1], ["a"])]), someCall()));
    expect(Buffer.from(y?.data ?? []).toString("hex")).toBe("02000000c3a9");
  });
});
