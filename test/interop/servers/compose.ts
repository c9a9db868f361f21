// The servers of the compose file as they can be had here, with the very files and commands that it gives them.

import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { ROOT } from "../../support/gateway.ts";
import { freePorts } from "../support/ports.ts";
import { answers, type RunningServer, startServer, workFolder } from "../support/server.ts";
import { isMissing, type Missing } from "../support/venv.ts";
import { PYTHON, PYTHON_ENV } from "./paths.ts";
import { tfServingVenv } from "./tf-serving.ts";
import { torchServeVenv } from "./torchserve.ts";
import { startTriton } from "./triton.ts";

const DEPLOY = join(ROOT, "deploy");

/** The three servers, and the gateway's config with their addresses in place of those in the compose file's network. */
export interface ComposeServers {
  readonly config: string;
  /** By the compose file's names. */
  readonly servers: Readonly<Record<"triton" | "tf-serving" | "torchserve", RunningServer>>;
  close(): Promise<void>;
}

interface Started extends RunningServer {
  /** What stands in the compose file's config for what has it here. */
  readonly instead: Readonly<Record<string, string>>;
}

/** All three; what has started is ended again where one is missing. */
export async function startCompose(): Promise<ComposeServers | Missing> {
  const started = await Promise.all([composeTriton(), composeTfServing(), composeTorchServe()]);
  const close = async () => {
    await Promise.all(started.map((one) => (isMissing(one) ? undefined : one.close())));
  };
  const [triton, tfServing, torchServe] = started;
  for (const one of started) {
    if (!isMissing(one)) continue;
    await close();
    return one;
  }
  const servers = { triton, "tf-serving": tfServing, torchserve: torchServe } as Readonly<
    Record<"triton" | "tf-serving" | "torchserve", Started>
  >;
  let config = await readFile(join(DEPLOY, "compose.yaml"), "utf8");
  const instead = Object.values(servers).flatMap((one) => Object.entries(one.instead));
  for (const [there, here] of [["repository: /models", "repository: models"], ...instead] as [string, string][]) {
    if (!config.includes(there)) throw new Error(`expected ${there} in deploy/compose.yaml`);
    config = config.replace(there, here);
  }
  return { config, servers, close };
}

/** Triton's ONNX backend is not in pytriton's wheel: the Python backend runs ONNX Runtime in the same shapes. */
async function composeTriton(): Promise<Started | Missing> {
  const triton = await startTriton({ models: ["digits_as_is"] });
  if (isMissing(triton)) return triton;
  return {
    ...triton,
    instead: {
      '"triton:8001"': `"127.0.0.1:${triton.grpc}"`,
      "models: { digits:": "models: { digits_as_is:",
      "{ backend: triton }": "{ backend: triton, model: digits_as_is, version: 1 }",
    },
  };
}

/** The stand-in for TensorFlow Serving over the SavedModel. */
async function composeTfServing(): Promise<Started | Missing> {
  const found = await tfServingVenv();
  if (isMissing(found)) return found;
  const [http = 0, grpc = 0] = await freePorts(2);
  const running = await startServer({
    command: found.python,
    args: [join(PYTHON, "tfs_standin.py"), join(DEPLOY, "servers/tf-serving"), `${http}`, `${grpc}`],
    env: PYTHON_ENV,
    ready: answers(http, "/v1/models/digits"),
    timeoutMs: 120_000,
  });
  return { ...running, instead: { '"tf-serving:8500"': `"127.0.0.1:${grpc}"` } };
}

interface Words {
  readonly services: { readonly torchserve: { readonly command: readonly string[] } };
}

/** TorchServe with the compose file's command, other ports, and a copy of its store. */
async function composeTorchServe(): Promise<Started | Missing> {
  const found = await torchServeVenv();
  if (isMissing(found)) return found;
  const [http = 0, management = 0, metrics = 0, grpc = 0, grpcManagement = 0] = await freePorts(5);
  const folder = await workFolder("torchserve-compose");
  const store = join(folder.path, "store");
  await cp(join(DEPLOY, "servers/torchserve"), store, { recursive: true });
  await mkdir(join(folder.path, "tmp"));
  const properties = (await readFile(join(store, "config.properties"), "utf8"))
    .replace("0.0.0.0:8080", `127.0.0.1:${http}`)
    .replace("0.0.0.0:8081", `127.0.0.1:${management}`)
    .replace("127.0.0.1:8082", `127.0.0.1:${metrics}`);
  const ports = `grpc_inference_port=${grpc}\ngrpc_management_port=${grpcManagement}\n`;
  await writeFile(join(store, "config.properties"), properties + ports);
  const compose = parse(await readFile(join(ROOT, "docker-compose.yml"), "utf8")) as Words;
  const running = await startServer({
    command: join(found.bin, "torchserve"),
    args: compose.services.torchserve.command.map((word) => word.replace("/store", store)),
    cwd: folder.path,
    env: {
      ...PYTHON_ENV,
      PATH: `${found.bin}:${process.env.PATH}`,
      // its pid file lies in there: with a common one, a second TorchServe refuses to start
      TEMP: join(folder.path, "tmp"),
      LOG_LOCATION: join(folder.path, "logs"),
      METRICS_LOCATION: join(folder.path, "logs"),
    },
    ready: async () => /"status": "READY"/.test(await text(`http://127.0.0.1:${management}/models/digits`)),
    timeoutMs: 180_000,
  });
  return {
    ...running,
    close: () => running.close().then(folder.remove),
    instead: { "http://torchserve:8080": `http://127.0.0.1:${http}`, "management: 8081": `management: ${management}` },
  };
}

async function text(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  return response.text();
}
