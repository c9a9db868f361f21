// The real clients' own checks once more, with the demo models behind a server of another kind: Triton's protocol over gRPC.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/http-client.ts";
import { ONNX_RUNTIME } from "./servers/paths.ts";
import { tfServingVenv } from "./servers/tf-serving.ts";
import { realServer } from "./support/suite.ts";
import { isMissing, type Missing, type Venv, venv } from "./support/venv.ts";

const run = promisify(execFile);

/** A client in the environment of its own suite, and what its script is called with. */
interface Client {
  readonly found: () => Promise<Venv | Missing>;
  readonly script: string;
  readonly args: (gateway: TestGateway) => readonly string[];
  /** More of the gateway's config. */
  readonly more?: string;
}

const http = (gateway: TestGateway) => `127.0.0.1:${gateway.port}`;
const grpc = (gateway: TestGateway) => `127.0.0.1:${gateway.grpcPort}`;

const CLIENTS: Readonly<Record<string, Client>> = {
  "tritonclient over HTTP, aio too": {
    found: () =>
      venv("tritonclient", {
        packages: [["tritonclient[http]", "numpy"]],
        check: "import numpy, tritonclient.http.aio",
      }),
    script: "tritonclient_checks.py",
    args: (gateway) => [http(gateway)],
  },
  "tritonclient over gRPC, its streams, aio, health and reflection": {
    found: () =>
      venv("tritonclient-grpc", {
        packages: [["tritonclient[grpc]", "numpy", "grpcio-health-checking", "grpcio-reflection"]],
        check: "import numpy, tritonclient.grpc.aio, grpc_health.v1.health_pb2, grpc_reflection.v1alpha.reflection",
      }),
    script: "tritonclient_grpc_checks.py",
    args: (gateway) => [grpc(gateway)],
  },
  "tritonclient's extensions over HTTP, shared memory too": {
    found: () =>
      venv("tritonclient-extensions", {
        packages: [["tritonclient[http,grpc]", "numpy"]],
        check: "import numpy, tritonclient.http, tritonclient.grpc, tritonclient.utils.shared_memory",
      }),
    script: "triton_extensions_checks.py",
    args: (gateway) => ["http", http(gateway)],
  },
  "tritonclient's extensions over gRPC, shared memory too": {
    found: () =>
      venv("tritonclient-extensions", {
        packages: [["tritonclient[http,grpc]", "numpy"]],
        check: "import numpy, tritonclient.http, tritonclient.grpc, tritonclient.utils.shared_memory",
      }),
    script: "triton_extensions_checks.py",
    args: (gateway) => ["grpc", grpc(gateway)],
  },
  "KServe's InferenceGRPCClient": {
    found: () => venv("kserve", { packages: [["kserve==0.21.0", ONNX_RUNTIME]], check: "import kserve, onnxruntime" }),
    script: "kserve_grpc_client_checks.py",
    args: (gateway) => [grpc(gateway)],
  },
  "KServe's InferenceRESTClient": {
    found: () => venv("kserve", { packages: [["kserve==0.21.0", ONNX_RUNTIME]], check: "import kserve, cloudevents" }),
    script: "kserve_v1_client_checks.py",
    args: (gateway) => [http(gateway)],
  },
  "TensorFlow Serving's stubs and ovmsclient": {
    found: tfServingVenv,
    script: "tfs_client_checks.py",
    args: (gateway) => [http(gateway), grpc(gateway), "onnx"],
  },
  boto3: {
    found: () => venv("boto3", { packages: [["boto3"]], check: "import boto3, botocore.eventstream" }),
    script: "sagemaker_client_checks.py",
    args: (gateway) => [http(gateway)],
    more: "models: {iris: {backend: there, endpoint: iris-prod}, digits: {backend: there}}",
  },
};

const THERE = "backends: {local: {kind: onnx, repository: ./models}}\ntriton: {control: true}";

const MODELS = ["add_sub", "digits", "iris", "language"];

const configOf = (port: number) => `
backends: {there: {kind: triton, protocol: grpc, endpoints: ["127.0.0.1:${port}"]}}
triton: {control: true, sharedMemory: true}
sagemaker: {region: eu-central-1, keys: [{accessKeyId: AKIDEXAMPLE, secretAccessKey: s3cret}]}
`;

interface Checked {
  /** What each check came to: "ok", or what went wrong. */
  readonly report: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

async function check(client: Client): Promise<Checked | Missing> {
  const found = await client.found();
  if (isMissing(found)) return found;
  const there = await startGateway({ yaml: THERE, kinds: backendKinds });
  const gateway = await startGateway({ yaml: `${configOf(there.grpcPort)}${client.more ?? ""}`, kinds: backendKinds });
  const isReady = async (model: string) => (await gateway.ask({ path: `/v2/models/${model}/ready` })).status === 200;
  for (const model of client.more === undefined ? MODELS : ["iris", "digits"])
    await until(() => isReady(model), 20_000);
  const script = fileURLToPath(new URL(client.script, import.meta.url));
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3" };
  const { stdout } = await run(found.python, [script, ...client.args(gateway)], { timeout: 120_000, env });
  return {
    report: JSON.parse(stdout) as Checked["report"],
    async close() {
      await gateway.close();
      await there.close();
    },
  };
}

for (const [name, client] of Object.entries(CLIENTS)) {
  realServer(
    "clients",
    () => check(client),
    (checked) => {
      test(`${name} find models of another server in order`, () => {
        const { report } = checked();
        expect(Object.entries(report).filter(([, end]) => end !== "ok")).toEqual([]);
        expect(Object.keys(report).length).toBeGreaterThan(5);
      });
    },
  );
}
