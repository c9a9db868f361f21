// One logical model moves from local workers to each real server and back, under load, by a change of its config alone.

import { describe, expect, it } from "vitest";
import { startBentoMl } from "./servers/bentoml.ts";
import { startFlask } from "./servers/flask.ts";
import { startKServe } from "./servers/kserve.ts";
import { startLitServe } from "./servers/litserve.ts";
import { startMlServer } from "./servers/mlserver.ts";
import { startTfServing } from "./servers/tf-serving.ts";
import { startTorchServe } from "./servers/torchserve.ts";
import { startTriton } from "./servers/triton.ts";
import { type Closable, realServer } from "./support/suite.ts";
import type { Missing } from "./support/venv.ts";
import { INPUTS, openLoad, openSwapped } from "./swap-tree.ts";

/** The ports of a server. */
interface Ports extends Closable {
  readonly http: number;
  readonly grpc?: number;
}

/** One way to have the model somewhere: the backend's words, and the words of the model beside `backend`. */
interface Way {
  readonly backend: (ports: Ports) => string;
  readonly model?: string;
}

/** What servers that tell no signature leave to the config. */
const SIGNATURE =
  "signature: {inputs: [{name: image, datatype: FP32, shape: [-1, 1, 8, 8]}], outputs: [{name: probabilities, datatype: FP32, shape: [-1, 10]}, {name: digit, datatype: INT64, shape: [-1]}]}";

/** TensorFlow's outputs are a map without an order: the model's outputs have one. */
const IN_ORDER = "outputs: {probabilities: probabilities, digit: digit}";

const http =
  (words: string) =>
  ({ http: port }: Ports) =>
    `{${words}, endpoints: ["http://127.0.0.1:${port}"]}`;
const grpc =
  (words: string) =>
  ({ grpc: port }: Ports) =>
    `{${words}, protocol: grpc, endpoints: ["127.0.0.1:${port}"]}`;

const FLASK = `kind: http, ready: {path: /health}, models: {digits: {path: /predict/digits, request: {json: {image: "{{image}}"}}, response: {outputs: {probabilities: result.probabilities, digit: result.digit}}}}`;

const SERVERS: readonly {
  readonly server: string;
  readonly start: () => Promise<Ports | Missing>;
  readonly ways: Readonly<Record<string, Way>>;
}[] = [
  {
    server: "triton",
    start: () => startTriton({ models: ["digits_as_is"] }),
    ways: {
      "triton over http": { backend: http("kind: triton"), model: "model: digits_as_is" },
      "triton over grpc": { backend: grpc("kind: triton"), model: "model: digits_as_is" },
    },
  },
  {
    server: "mlserver",
    start: startMlServer,
    ways: { "oip over http": { backend: http("kind: oip") }, "oip over grpc": { backend: grpc("kind: oip") } },
  },
  {
    server: "kserve",
    start: startKServe,
    ways: {
      "oip over http": { backend: http("kind: oip") },
      "oip over grpc": { backend: grpc("kind: oip") },
      "kserve-v1": { backend: http("kind: kserve-v1"), model: SIGNATURE },
    },
  },
  {
    server: "litserve",
    start: startLitServe,
    ways: { litserve: { backend: http("kind: litserve"), model: SIGNATURE } },
  },
  { server: "bentoml", start: startBentoMl, ways: { bentoml: { backend: http("kind: bentoml"), model: SIGNATURE } } },
  {
    server: "torchserve",
    start: () => startTorchServe({ models: ["digits"] }),
    ways: {
      "torchserve over http": {
        backend: http(`kind: torchserve, models: {digits: {versions: ["1.0", "2.0"]}}`),
        model: `version: "2.0", ${SIGNATURE}`,
      },
      "torchserve over grpc": {
        backend: grpc(`kind: torchserve, models: {digits: {versions: ["1.0", "2.0"]}}`),
        model: `version: "2.0", ${SIGNATURE}`,
      },
    },
  },
  {
    server: "tf-serving",
    start: () => startTfServing({ demo: ["digits"] }),
    ways: {
      "tf-serving over rest": { backend: http("kind: tf-serving"), model: IN_ORDER },
      "tf-serving over grpc": { backend: grpc("kind: tf-serving"), model: IN_ORDER },
    },
  },
  { server: "flask", start: startFlask, ways: { http: { backend: http(FLASK), model: SIGNATURE } } },
];

const LOCAL = `
backends: {local: {kind: onnx, repository: ./models, workers: 1}}
models: {digits: {backend: local}}
`;

function configOf({ backend, model }: Way, ports: Ports): string {
  const words = model === undefined ? "" : `, ${model}`;
  return `backends: {there: ${backend(ports)}}\nmodels: {digits: {backend: there${words}}}\n`;
}

/** Several servers are several gigabytes and minutes: where kinds are named, only theirs are started. */
const named = (process.env.SLUICE_INTEROP ?? "").split(/[\s,]+/);
const chosen = SERVERS.filter(
  ({ server }) => named.includes(server) || !SERVERS.some((one) => named.includes(one.server)),
);

it("would be caught if another version of the model took over", async () => {
  const gateway = await openSwapped(LOCAL);
  try {
    const expected = await Promise.all(Array.from({ length: INPUTS }, (_, input) => gateway.answer(input)));
    const load = openLoad(gateway, expected);
    await gateway.swap(LOCAL.replace("backend: local", "backend: local, version: 1"));
    const got = await Promise.all(expected.map((_, input) => gateway.answer(input)));
    await load.stop();
    expect(got.filter((answer, input) => answer !== expected[input]).length).toBe(INPUTS);
    expect(load.failures.length).toBeGreaterThan(0);
  } finally {
    await gateway.close();
  }
});

for (const { server, start, ways } of chosen) {
  realServer(server, start, (ports) => {
    describe.each(Object.entries(ways))("%s", (_name, way) => {
      it(`answers ${INPUTS} inputs byte for byte as local workers do, and no request fails while it takes over and gives back`, async () => {
        const gateway = await openSwapped(LOCAL);
        try {
          const inputs = Array.from({ length: INPUTS }, (_, i) => i);
          const expected: string[] = [];
          for (const input of inputs) expected.push(await gateway.answer(input));
          const load = openLoad(gateway, expected);
          await gateway.swap(configOf(way, ports()));
          const local = gateway.served.get("local");
          const got: string[] = [];
          for (const input of inputs) got.push(await gateway.answer(input));
          // nobody else answered meanwhile
          expect(gateway.served.get("local")).toBe(local);
          await gateway.swap(LOCAL);
          const there = gateway.served.get("there") ?? 0;
          for (const input of inputs.slice(0, 50)) expect(await gateway.answer(input)).toBe(expected[input]);
          expect(gateway.served.get("there")).toBe(there);
          const asked = await load.stop();
          // the first that differs says enough
          const other = inputs.find((input) => got[input] !== expected[input]);
          if (other !== undefined) expect(got[other]).toBe(expected[other]);
          expect(load.failures.slice(0, 3)).toEqual([]);
          expect(there).toBeGreaterThanOrEqual(INPUTS);
          expect(new Set(expected).size).toBe(INPUTS);
          process.stderr.write(`swap: ${server}, ${_name}: ${asked} requests under load, ${there} answered there\n`);
        } finally {
          await gateway.close();
        }
      });
    });
  });
}
