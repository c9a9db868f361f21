// What is asked of BentoML when its answers are recorded.

import { get, on, post, postBytes, type Recorded } from "../support/questions.ts";
import { isMissing, type Missing } from "../support/venv.ts";
import { startBentoMl } from "./bentoml.ts";
import { ROW_CASES } from "./datatype-questions.ts";

const ROWS = [Array.from({ length: 16 }, (_, index) => index)];
const IMAGES = [1, 2].map((pixel) => [Array.from({ length: 8 }, () => Array(8).fill(pixel))]);
const FORM = ["--edge", 'Content-Disposition: form-data; name="file"; filename="a.bin"', "", "abc", "--edge--", ""];

/** Starts it and says what to ask. */
export async function recorded(): Promise<Recorded | Missing> {
  const server = await startBentoMl();
  if (isMissing(server)) return server;
  const typed = await startBentoMl({ datatypes: true });
  if (isMissing(typed)) return typed;
  return {
    version: server.version,
    ports: { http: server.http, datatypes: typed.http },
    private: [],
    questions: [
      get("livez", "/livez"),
      get("readyz", "/readyz"),
      get("schema", "/schema.json"),
      post("infer", "/add_sub", { INPUT0: ROWS, INPUT1: ROWS }),
      post("infer-bare-array", "/probabilities", { image: IMAGES }),
      post("infer-batched", "/batched", { image: IMAGES }),
      post("infer-missing-input", "/add_sub", { INPUT0: ROWS }),
      post("infer-wrong-shape", "/add_sub", { INPUT0: [[1]], INPUT1: ROWS }),
      post("infer-null", "/add_sub", { INPUT0: null, INPUT1: ROWS }),
      post("infer-malformed", "/add_sub", '{"INPUT0": ['),
      post("echo", "/echo", { value: [0.1, -0, 3.4028234663852886e38, "é"] }),
      post("echo-int64", "/echo", '{"value":[9007199254740993]}'),
      post("echo-nan", "/echo", '{"value":[NaN]}'),
      postBytes("file", "/size", { type: "multipart/form-data; boundary=edge", body: Buffer.from(FORM.join("\r\n")) }),
      postBytes("pickle", "/add_sub", { type: "application/vnd.bentoml+pickle", body: Buffer.from("x") }),
      post("faulty", "/faulty", { what: [0] }),
      post("faulty-raises", "/faulty", { what: [-1] }),
      post("faulty-empty", "/faulty", { what: [-2] }),
      post("faulty-refuses", "/faulty", { status: 418 }),
      post("faulty-busy", "/faulty", { status: 429 }),
      post("faulty-unavailable", "/faulty", { status: 503 }),
      post("stream", "/stream", { count: 3 }),
      post("no-such-path", "/nothing/here", {}),
      get("wrong-method", "/add_sub"),
      post("timeout", "/faulty", { what: [6_000] }),
      get("datatypes-readyz", "/readyz", "datatypes"),
      get("datatypes-schema", "/schema.json", "datatypes"),
      ...ROW_CASES.map((one) =>
        on("datatypes", post(`datatype-${one.name}`, `/echo_${one.datatype.toLowerCase()}`, `{"x":[[${one.json}]]}`)),
      ),
    ],
    close: () => Promise.all([server.close(), typed.close()]),
  };
}
