// The backends of the matrix: each kind of the registry, in each of its protocols, before a server that echoes.

import { bentomlServer } from "../../backends/bentoml.ts";
import type { Connection, Door } from "../../backends/connection.ts";
import { httpServer } from "../../backends/http.ts";
import { kserveV1Server } from "../../backends/kserve-v1.ts";
import { litserveServer } from "../../backends/litserve.ts";
import { openOipGrpc } from "../../backends/oip/grpc.ts";
import { openOipHttp } from "../../backends/oip/http.ts";
import { backendKinds } from "../../backends/registry.ts";
import { sagemakerServer } from "../../backends/sagemaker.ts";
import { tfServingServer } from "../../backends/tf-serving.ts";
import { torchServeServer } from "../../backends/torchserve.ts";
import type { ModelMetadata, TensorSpec } from "../../core/model.ts";
import type { Service } from "../../core/service.ts";
import { runNow } from "../../wire/sliced.ts";
import { fakeEnv } from "./fake-env.ts";
import { connectKind } from "./kind-door.ts";
import {
  type GrpcEcho,
  type HttpEcho,
  oipGrpcEcho,
  oipHttpEcho,
  rowsEcho,
  sameEcho,
  tfsColumnEcho,
  tfsGrpcEcho,
  torchServeEcho,
  torchServeGrpcEcho,
} from "./matrix-echoes.ts";
import type { Value } from "./matrix-values.ts";
import { openBackend, openRepository } from "./onnx-repository.ts";

/** One column of the matrix. */
export interface MatrixBackend {
  readonly kind: string;
  /** Its protocol or form, where it has several. */
  readonly form: string;
  /** The name of its output: a server that echoes has the input's, our ONNX fixtures have `y`. */
  readonly output: string;
  readonly service: (value: Value) => Service;
  /** The same for a model of the two inputs x and w, and the names of its outputs. */
  readonly several: { readonly outputs: readonly [string, string]; readonly service: (x: Value, w: Value) => Service };
  close(): Promise<void>;
}

/** A kind in one of its protocols, and who plays its server. */
export interface Echoing {
  readonly kind: string;
  readonly form: string;
  readonly echo: { readonly http: HttpEcho } | { readonly grpc: GrpcEcho };
  readonly connect: (door: Door) => Connection;
}

interface Server {
  readonly kind: string;
  readonly connect: (words: never, door: Door) => Connection;
}

/** Through the kind's own schema, as a config would have it. */
const by = (server: Server, form: string, echo: Echoing["echo"], words: object = {}): Echoing => ({
  kind: server.kind,
  form,
  echo,
  connect: (door) => connectKind({ kind: kindNamed(server.kind), server }, words, door),
});

function kindNamed(word: string) {
  return backendKinds.find(({ kind }) => kind === word)!;
}

const NPY = { mode: "container", models: { m: { format: "npy" } } };

/** The kinds of servers, in the order of the table. */
export const ECHOING: readonly Echoing[] = [
  { kind: "triton", form: "http", echo: { http: oipHttpEcho }, connect: (door) => openOipHttp(door, "triton") },
  { kind: "triton", form: "grpc", echo: { grpc: oipGrpcEcho }, connect: (door) => openOipGrpc(door, "triton") },
  { kind: "oip", form: "http", echo: { http: oipHttpEcho }, connect: (door) => openOipHttp(door, "plain") },
  { kind: "oip", form: "http kserve", echo: { http: oipHttpEcho }, connect: (door) => openOipHttp(door, "kserve") },
  { kind: "oip", form: "http mlserver", echo: { http: oipHttpEcho }, connect: (door) => openOipHttp(door, "mlserver") },
  { kind: "oip", form: "grpc", echo: { grpc: oipGrpcEcho }, connect: (door) => openOipGrpc(door, "plain") },
  { kind: "oip", form: "grpc typed", echo: { grpc: oipGrpcEcho }, connect: (door) => openOipGrpc(door, "torchserve") },
  by(torchServeServer, "http", { http: torchServeEcho }),
  by(torchServeServer, "grpc", { grpc: torchServeGrpcEcho }, { protocol: "grpc" }),
  by(kserveV1Server, "", { http: rowsEcho }),
  by(tfServingServer, "rest column", { http: tfsColumnEcho }),
  by(tfServingServer, "rest row", { http: rowsEcho }, { format: "row" }),
  by(tfServingServer, "grpc", { grpc: tfsGrpcEcho }, { protocol: "grpc" }),
  by(bentomlServer, "", { http: sameEcho }),
  by(litserveServer, "", { http: sameEcho }),
  by(sagemakerServer, "instances", { http: rowsEcho }, { mode: "container" }),
  by(sagemakerServer, "npy", { http: sameEcho }, NPY),
  by(httpServer, "", { http: sameEcho }),
];

/** Every backend of the matrix; ONNX Runtime runs the identity. */
export async function openBackends(): Promise<readonly MatrixBackend[]> {
  return [await openLocal(), ...ECHOING.map(openEchoing)];
}

/** The name of the only model that a played server has. */
const MODEL = "m";

const asModel =
  (infer: Service): Service =>
  (request, call) =>
    infer({ ...request, model: { ...request.model, name: MODEL } }, call);

function openEchoing({ kind, form, echo, connect }: Echoing): MatrixBackend {
  return {
    kind,
    form,
    output: "x",
    service: (value) => {
      const connection = connect(echoDoor(echo, value));
      return asModel(connection.infer);
    },
    several: {
      outputs: ["x", "w"],
      service: (x, w) => asModel(connect(echoDoorOf(echo, [specOf("x", x), specOf("w", w)])).infer),
    },
    close: async () => {},
  };
}

async function openLocal(): Promise<MatrixBackend> {
  const repository = await openRepository();
  const words = ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"];
  for (const word of [...words, "fp16", "bf16", "fp32", "fp64", "bytes"]) {
    await repository.put(word, "1", `identity_${word}`);
  }
  await repository.put("scalar", "1", "scalar");
  for (const word of ["fp32_int64", "bytes_fp32"]) await repository.put(word, "1", `identity_${word}`);
  const { endpoint, backend, settled } = await openBackend(repository.root, { workers: 1 });
  await settled();
  const ask =
    (name: string): Service =>
    (request, call) =>
      endpoint.infer({ ...request, model: { name, select: { by: "version", version: "1" } } }, call);
  return {
    kind: "onnx",
    form: "",
    output: "y",
    service: (value) => ask(value.shape.length === 0 ? "scalar" : value.datatype.toLowerCase()),
    several: { outputs: ["u", "v"], service: (x, w) => ask(`${x.datatype}_${w.datatype}`.toLowerCase()) },
    async close() {
      await backend.close();
      await repository.close();
    },
  };
}

/** What the model of a value takes and gives: any number of rows. */
export function specOf(name: string, { datatype, shape }: Value) {
  return { name, datatype, shape: shape.map((size, i) => (i === 0 ? -1 : size)) };
}

/** A door whose server echoes, and tells one model that takes the value. */
export function echoDoor(echo: Echoing["echo"], value: Value): Door {
  return echoDoorOf(echo, [specOf("x", value)]);
}

/** The same for a model of several inputs. */
export function echoDoorOf(echo: Echoing["echo"], specs: readonly TensorSpec[]): Door {
  const env = fakeEnv();
  const absent = (): never => {
    throw new Error("this server does not speak that");
  };
  const told: ModelMetadata = {
    ...{ name: MODEL, version: "1", versions: ["1"], platform: "", stateful: false },
    inputs: specs,
    outputs: specs,
  };
  return {
    ...{ backend: "b", endpoint: "b/server:80", url: new URL("http://server:80"), env },
    run: (work) => runNow(work),
    http: () => ({
      async ask({ headers = {}, body = [] }) {
        const sent = Buffer.concat(body instanceof Uint8Array ? [body] : body);
        const lower = Object.entries(headers).map(([name, said]) => [name.toLowerCase(), said]);
        const answer = "http" in echo ? echo.http({ body: sent, headers: Object.fromEntries(lower) }) : absent();
        return { status: 200, headers: new Map(Object.entries(answer.headers)), body: answer.body };
      },
      stream: absent,
      close: async () => {},
    }),
    grpc: () => ({
      unary: async (_ask, message) => ("grpc" in echo ? echo.grpc(message) : absent()),
      exchange: absent,
      close: async () => {},
    }),
    signature: async () => told,
    headers: () => ({}),
  };
}
