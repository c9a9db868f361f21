// What is asked of LitServe when its answers are recorded, without and with an API key.

import { get, type HttpQuestion, on, post, type Recorded } from "../support/questions.ts";
import { isMissing, type Missing } from "../support/venv.ts";
import { columnQuestions } from "./datatype-questions.ts";
import { startLitServe } from "./litserve.ts";

const ROWS = [Array.from({ length: 16 }, (_, index) => index)];
const KEY = "a-key";

const QUESTIONS: readonly HttpQuestion[] = [
  get("root", "/"),
  get("health", "/health"),
  get("info", "/info"),
  post("infer", "/add_sub", { INPUT0: ROWS, INPUT1: ROWS }),
  post("infer-missing-input", "/add_sub", { INPUT0: ROWS }),
  post("infer-malformed", "/add_sub", '{"INPUT0": ['),
  post("echo", "/echo", { x: [0.1, -0, 3.4028234663852886e38], text: "é" }),
  post("echo-int64", "/echo", '{"x":[9007199254740993]}'),
  post("echo-nan", "/echo", '{"x":[NaN]}'),
  ...columnQuestions("/echo"),
  post("faulty", "/faulty", { what: [0] }),
  post("faulty-raises", "/faulty", { what: [-1] }),
  post("faulty-empty", "/faulty", { what: [-2] }),
  post("faulty-refuses", "/faulty", { status: 422 }),
  post("faulty-busy", "/faulty", { status: 429 }),
  post("faulty-unavailable", "/faulty", { status: 503 }),
  post("too-large", "/echo", { x: "x".repeat(4_000_001) }),
  post("stream", "/stream", { count: 3 }),
  post("stream-error", "/stream", { count: 3, fail_at: 1 }),
  post("no-such-path", "/nothing/here", {}),
  get("wrong-method", "/add_sub"),
];

/** Starts both and says what to ask. */
export async function recorded(): Promise<Recorded | Missing> {
  const open = await startLitServe();
  if (isMissing(open)) return open;
  const guarded = await startLitServe({ apiKey: KEY });
  if (isMissing(guarded)) return guarded;
  const withKey = (question: HttpQuestion, key: string) => ({
    ...question,
    headers: { ...question.headers, "x-api-key": key },
  });
  return {
    version: open.version,
    ports: { http: open.http, guarded: guarded.http },
    private: [],
    questions: [
      ...QUESTIONS,
      on("guarded", get("guarded-health-no-key", "/health")),
      on("guarded", withKey(get("guarded-health-wrong-key", "/health"), "another")),
      on("guarded", withKey(get("guarded-health", "/health"), KEY)),
      on("guarded", post("guarded-no-key", "/echo", { x: 1 })),
      on("guarded", withKey(post("guarded-wrong-key", "/echo", { x: 1 }), "another")),
      on("guarded", withKey(post("guarded-right-key", "/echo", { x: 1 }), KEY)),
    ],
    close: () => Promise.all([open.close(), guarded.close()]),
  };
}
