// Requests over several fronts of which each differs from another in one thing only.

import type { Protocol } from "../../../core/protocol.ts";
import { kserveV1 } from "../../../gateway/protocols/kserve-v1.ts";
import { oipRest } from "../../../gateway/protocols/oip-rest.ts";
import { sagemakerContainer } from "../../../gateway/protocols/sagemaker-container.ts";
import { tfsRest } from "../../../gateway/protocols/tfs-rest.ts";
import { torchserve } from "../../../gateway/protocols/torchserve.ts";

/** One request over HTTP. */
export interface Ask {
  readonly protocol: Protocol;
  readonly path: string;
  readonly query: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

const JSON_TYPE = ["content-type", "application/json"] as const;

const oipBody = (values: string, more = "") =>
  `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[${values}]}]${more}}`;

/** The header that says how long the JSON before binary tensors is. */
export const LENGTH = "inference-header-content-length";
const binaryHead = (datatype: string, shape: string, more: string) =>
  `{"inputs":[{"name":"x","shape":${shape},"datatype":"${datatype}","parameters":{"binary_data_size":8}}]${more}}`;
const BLANKS = " ".repeat(9);
/** As long as the others. */
const BINARY_HEAD = binaryHead("FP32", "[1,2]", BLANKS);

/** Few different ones, so that most come again; each differs from another in one thing only. */
const BODIES = {
  oip: [
    oipBody("1,2"),
    oipBody("1,3"),
    oipBody(" 1,2"),
    oipBody("1,2").replace("FP32", "FP64"),
    oipBody("1,2").replace("[1,2]", "[2,1]"),
    oipBody("1,2", ',"id":"a"'),
    oipBody("1,2", ',"id":"b"'),
    oipBody("1,2", ',"parameters":{"p":1}'),
    oipBody("1,2", ',"parameters":{"p":1.0}'),
    oipBody("1,2", ',"parameters":{"timeout":1000}'),
    oipBody("1,2", ',"outputs":[{"name":"x"}]'),
    oipBody("1,2", ',"outputs":[{"name":"x","parameters":{"classification":1}}]'),
    oipBody("1,2", ',"outputs":[{"name":"x","parameters":{"binary_data":true}}]'),
    oipBody("1,"),
    "",
    "nothing",
  ],
  binary: [
    `${BINARY_HEAD}abcdefgh`,
    `${BINARY_HEAD}abcdefgi`,
    `${BINARY_HEAD}abcdefg`,
    `${BINARY_HEAD}abcdefghi`,
    `${binaryHead("FP64", "[1,1]", BLANKS)}abcdefgh`,
    `${binaryHead("FP32", "[2,1]", BLANKS)}abcdefgh`,
    `${binaryHead("FP32", "[1,2]", ',"id":"a"')}abcdefgh`,
    `${binaryHead("FP32", "[1,2]", ',"id":"b"')}abcdefgh`,
    // JSON alone, where nobody says that it ends before the last bytes
    `${oipBody("1,2").padEnd(BINARY_HEAD.length)}        `,
  ],
  rows: [
    '{"instances":[[1,2]]}',
    '{"instances":[[1,3]]}',
    '{"instances":[[1,2],[3,4]]}',
    '{"instances": [[1,2]]}',
    '{"inputs":[[1,2]]}',
    '{"inputs":{"z":[[1,2]]}}',
    '{"inputs":{"x":[[1,2]]}}',
    '{"signature_name":"other","instances":[[1,2]]}',
    '{"instances":[[1.5,2]]}',
    '{"instances":[["a","b"]]}',
    "{",
    "",
  ],
};

const HEADERS: readonly (readonly (readonly [string, string])[])[] = [
  [],
  [JSON_TYPE],
  [["content-type", "text/csv"]],
  [JSON_TYPE, ["accept", "text/csv"]],
  [JSON_TYPE, ["accept", "application/json"]],
  [JSON_TYPE, ["x-request-id", "other"]],
  [["content-type", "application/cloudevents+json"]],
  [["ce-id", "1"], ["ce-source", "s"], ["ce-type", "t"], ["ce-specversion", "1.0"], JSON_TYPE],
  [["inference-header-content-length", "5"]],
  [["content-type", "application/x-www-form-urlencoded"]],
];

/** How long the JSON is: rightly, a little wrongly, and not at all (0: the body is the bytes of the one input). */
const LENGTHS: typeof HEADERS = [
  [[LENGTH, String(BINARY_HEAD.length)]],
  [
    [LENGTH, String(BINARY_HEAD.length)],
    ["x-request-id", "other"],
  ],
  [[LENGTH, String(BINARY_HEAD.length - 1)]],
  [[LENGTH, "0"]],
  [[LENGTH, "many"]],
  [],
];

const FRONTS: readonly {
  readonly protocol: Protocol;
  readonly paths: readonly string[];
  readonly bodies: readonly string[];
  /** `HEADERS` when absent. */
  readonly headers?: typeof HEADERS;
}[] = [
  {
    protocol: oipRest,
    paths: ["/v2/models/m/infer", "/v2/models/m/versions/1/infer", "/v2/models/n/infer"],
    bodies: BODIES.oip,
  },
  {
    protocol: oipRest,
    paths: ["/v2/models/m/infer", "/v2/models/m/versions/1/infer", "/v2/models/n/infer"],
    bodies: BODIES.binary,
    headers: LENGTHS,
  },
  {
    protocol: tfsRest,
    paths: ["/v1/models/m:predict", "/v1/models/m/versions/1:predict", "/v1/models/n:predict"],
    bodies: BODIES.rows,
  },
  { protocol: kserveV1, paths: ["/v1/models/m:predict", "/v1/models/n:predict"], bodies: BODIES.rows },
  { protocol: torchserve, paths: ["/predictions/m", "/predictions/m/1"], bodies: [...BODIES.rows, ...BODIES.oip] },
  {
    protocol: sagemakerContainer,
    paths: ["/models/m/invoke", "/models/n/invoke"],
    bodies: [...BODIES.rows, ...BODIES.oip],
  },
];

const pick = <T>(random: () => number, items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;

/** One of few requests, so that most come again. */
export function anAsk(random: () => number): Ask {
  const { protocol, paths, bodies, headers = HEADERS } = pick(random, FRONTS);
  const query = random() < 0.2 ? pick(random, ["a=1", "a=2"]) : "";
  return { protocol, path: pick(random, paths), query, headers: pick(random, headers), body: pick(random, bodies) };
}
