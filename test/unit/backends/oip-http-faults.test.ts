import { describe, expect, it } from "vitest";
import { errorInside, oipHttpFault } from "../../../backends/oip/http-faults.ts";
import type { InferError } from "../../../core/error.ts";
import { bodyOf, headOf } from "../../support/http-message.ts";
import { answerBytes, isHttp, type RecordedHttp, recordings } from "../../support/recorded-format.ts";

const shown = ({ code, origin, retryable, message }: InferError) => [code, origin, retryable, message];

function recorded(server: string, name: string) {
  const found = recordings(server).find((one): one is RecordedHttp => isHttp(one) && one.name === name);
  if (found === undefined) throw new Error(`${server}/${name} was never recorded`);
  const bytes = answerBytes(found);
  const head = headOf(bytes);
  const body = head && bodyOf(bytes.subarray(head.length), head);
  if (head === undefined || body === undefined || body === "untilClose") throw new Error(`${name} is no answer`);
  return { status: Number(head.first.split(" ")[1]), headers: head.headers, body: body.body };
}

function said(status: number, text: string, headers: Readonly<Record<string, string>> = {}) {
  return { status, headers: new Map(Object.entries(headers)), body: Buffer.from(text) };
}

const error = (status: number, text: string, headers = {}) => said(status, JSON.stringify({ error: text }), headers);

const CLIENT = ["invalid-argument", "client", "no"] as const;
const ABSENT = ["not-found", "client", "no"] as const;
const OURS = ["internal", "gateway", "no"] as const;
/** The model's own fault: the cause may lie in the data. */
const MODEL = ["bad-backend", "backend", "no"] as const;
const SERVER = ["bad-backend", "backend", "elsewhere"] as const;
const AWAY = ["unavailable", "backend", "elsewhere"] as const;

describe("what the real servers were recorded to say", () => {
  it.each([
    ["triton", "model-ready-unknown", [...AWAY, "Model version not ready"]],
    ["triton", "infer-unknown-model", [...ABSENT, "Request for unknown model: 'nobody' is not found"]],
    ["triton", "infer-unknown-version", [...ABSENT, "Request for unknown model: 'add_sub' version 9 is not found"]],
    ["triton", "no-such-path", [...ABSENT, "the server does not have the model or its version"]],
    [
      "triton",
      "infer-wrong-shape",
      [...CLIENT, "unexpected shape for input 'INPUT0' for model 'add_sub'. Expected [-1,16], got [2,8]."],
    ],
    [
      "triton",
      "infer-wrong-datatype",
      [...CLIENT, "inference input 'INPUT0' data-type is 'FP32', but model 'add_sub' expects 'INT32'"],
    ],
    ["triton", "infer-unknown-output", [...CLIENT, "unexpected inference output 'nothing' for model 'add_sub'"]],
    [
      "triton",
      "infer-malformed",
      [
        ...OURS,
        "the server cannot read what the gateway wrote: failed to parse the request JSON buffer: Invalid value. at 12",
      ],
    ],
    [
      "triton",
      "infer-wrong-count",
      [
        ...OURS,
        "the server cannot read what the gateway wrote: Unable to parse 'data': Shape does not match true shape of 'data' field",
      ],
    ],
    [
      "triton",
      "infer-binary-short",
      [
        ...OURS,
        "the server cannot read what the gateway wrote: unexpected size for input 'INPUT1', expecting 54 additional bytes for model 'add_sub'",
      ],
    ],
    [
      "triton",
      "faulty-raises",
      [
        ...MODEL,
        "Failed to process the request(s) for model 'faulty_0_0', message: ValueError: the model refuses this input",
      ],
    ],
    ["kserve", "infer-unknown-model", [...ABSENT, "Model with name nobody does not exist."]],
    ["kserve", "infer-unknown-version", ["unsupported", "client", "no", "Model versioning not supported yet."]],
    ["kserve", "infer-unknown-output", [...CLIENT, "Unexpected inference output 'nothing' for model 'add_sub'"]],
    [
      "kserve",
      "infer-malformed",
      [...OURS, "the server cannot read what the gateway wrote: body.12: JSON decode error"],
    ],
    [
      "kserve",
      "infer-no-type",
      [
        ...OURS,
        "the server cannot read what the gateway wrote: received byte inputs, but the'inference-header-content-length' header is missing.",
      ],
    ],
    [
      "kserve",
      "infer-wrong-datatype",
      [
        ...MODEL,
        "InvalidArgument : [ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Unexpected input data type. Actual: (tensor(float)) , expected: (tensor(int32))",
      ],
    ],
    ["kserve", "faulty-raises", [...MODEL, "ValueError : the model refuses this input"]],
    ["kserve", "load-unknown", [...AWAY, "Model with name nobody is not ready."]],
    ["kserve", "no-such-path", [...ABSENT, "the server does not have the model or its version"]],
    ["mlserver", "infer-unknown-model", [...ABSENT, "Model nobody not found"]],
    ["mlserver", "infer-unknown-version", [...ABSENT, "Model add_sub with version 9 not found"]],
    [
      "mlserver",
      "infer-echo-nan",
      [...OURS, "the server cannot read what the gateway wrote: body.66: JSON decode error"],
    ],
    ["mlserver", "faulty-raises", [...SERVER, "the server failed: Internal Server Error"]],
  ] as const)("%s: %s", (server, name, expected) => {
    expect(shown(oipHttpFault(recorded(server, name)))).toEqual(expected);
  });
});

// Texts: protocols of the servers (Triton's core, src/infer_request.cc and src/model.cc; Open Model Server, src/status.cpp).
describe("what else servers say", () => {
  it.each([
    ["queue full", error(503, "Exceeds maximum queue size"), ["overloaded", "backend", "elsewhere"]],
    [
      "time over in the queue",
      error(503, "[request id: 7] Request timeout expired"),
      ["deadline-exceeded", "gateway", "no"],
    ],
    [
      "a version that loads",
      error(503, "Request for unknown model: 'm' version 1 is not at ready state"),
      ["unavailable", "backend", "elsewhere"],
    ],
    ["a model that failed to load", error(404, "Request for unknown model: 'm' has no available versions"), AWAY],
    [
      "a model that failed to load, as 2.39 says it",
      error(400, "Request for unknown model: 'm' has no available versions"),
      AWAY,
    ],
    [
      "no orders taken",
      error(503, "explicit model load / unload is not allowed if polling is enabled"),
      ["unsupported", "backend", "no"],
    ],
    [
      "a model to load that is not there",
      error(500, "failed to load 'm', failed to poll from model repository"),
      ABSENT,
    ],
    ["statistics of nobody", error(400, "requested model 'm' is not available"), ABSENT],
    ["an older Triton's unknown model", error(400, "Request for unknown model: 'm' is not found"), ABSENT],
    ["a stage of an ensemble", error(500, "in ensemble 'e', Failed to process the request(s) for model 'm_0'"), MODEL],
    ["MLServer with workers", error(500, "builtins.ValueError: bad row"), MODEL],
    ["MLServer's model that loads", error(400, "Model m is not ready yet."), AWAY],
    [
      "a decoupled model",
      error(501, "HTTP end point doesn't support models with decoupled transaction policy"),
      ["unsupported", "gateway", "no"],
    ],
    ["Open Model Server's malformed JSON", error(412, "Invalid JSON structure."), OURS],
    ["Open Model Server's wrong method", error(406, "Unsupported method"), MODEL],
    [
      "an API that is kept to some",
      error(403, "This API is restricted, expecting header 'X'"),
      ["bad-backend", "backend", "elsewhere"],
    ],
    ["no credentials", said(401, ""), ["bad-backend", "backend", "elsewhere"]],
    ["too large", said(413, ""), ["too-large", "client", "no"]],
    ["too often", said(429, "", { "retry-after": "2" }), ["overloaded", "backend", "elsewhere"]],
    ["a redirect", said(307, "", { location: "http://elsewhere/v2" }), MODEL],
    ["another success", said(202, "{}"), MODEL],
    ["a proxy without a server", said(502, "<html>nginx</html>"), AWAY],
    ["a proxy whose server is late", said(504, ""), AWAY],
    ["a server that stops", said(503, ""), AWAY],
    ["a fault without a word", said(500, ""), SERVER],
  ] as const)("%s", (_, answer, expected) => {
    expect(shown(oipHttpFault(answer)).slice(0, 3)).toEqual(expected);
  });

  it("keeps addresses, headers and stacks to itself, and takes the server's word for when to come back", () => {
    expect(oipHttpFault(said(307, "", { location: "http://10.0.0.7/v2" })).message).not.toContain("10.0.0.7");
    expect(oipHttpFault(error(403, "This API is restricted, expecting header 'X-Key'")).message).not.toContain("X-Key");
    const deep = oipHttpFault(
      error(500, "Failed to process the request(s) for model 'm', message: E: x\n\nAt:\n  /srv/m.py(3): f\n"),
    );
    expect(deep.message).toBe("Failed to process the request(s) for model 'm', message: E: x");
    expect(oipHttpFault(said(429, "", { "retry-after": "2" })).retryAfterMs).toBe(2000);
    expect(oipHttpFault(error(400, "x".repeat(2000))).message).toHaveLength(500);
  });
});

describe("an error inside a success", () => {
  it("is the server's fault, in its own words; what says no error is none", () => {
    expect(shown(errorInside(Buffer.from('{"error":"the model is away"}')) as InferError)).toEqual([
      ...MODEL,
      "the server answered with status 200 and an error: the model is away",
    ]);
    expect(errorInside(Buffer.from('{"outputs":[]}'))).toBeUndefined();
    expect(errorInside(Buffer.from("not JSON"))).toBeUndefined();
  });
});
