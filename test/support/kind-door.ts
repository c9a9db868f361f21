// A kind's connection to a server that the test plays: what is asked is remembered, what is answered is the test's.

import type { Connection, Door, HttpAnswer, HttpAsk, HttpStream } from "../../backends/connection.ts";
import type { BackendKind } from "../../core/backend.ts";
import { type OwnedCall, openCall } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { ModelMetadata, Signature } from "../../core/model.ts";
import type { InferRequest, InferResponse, Reply } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";
import { runNow } from "../../wire/sliced.ts";
import { fakeEnv } from "./fake-env.ts";

/** What was asked, its body joined. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly bytes: Uint8Array;
}

/** An answer of the test; text and JSON by themselves are 200s. */
export interface Played {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | readonly (string | Uint8Array)[];
}

export type Play = (asked: Asked) => Played | Promise<Played>;

export interface KindDoor extends Door {
  readonly asks: readonly Asked[];
}

/** A door whose server the test plays, and whose signature the test declares. */
export function kindDoor(
  play: Play,
  told: { readonly signature?: Signature; readonly variables?: Record<string, string> } = {},
): KindDoor {
  const asks: Asked[] = [];
  const answer = async (
    ask: HttpAsk,
  ): Promise<{ status: number; headers: Map<string, string>; parts: Uint8Array[] }> => {
    const bytes = Buffer.concat(
      ask.body === undefined ? [] : ask.body instanceof Uint8Array ? [ask.body] : [...ask.body],
    );
    const asked: Asked = {
      method: ask.method,
      path: ask.path,
      headers: ask.headers ?? {},
      body: bytes.toString("utf8"),
      bytes,
    };
    asks.push(asked);
    const { status = 200, headers = { "content-type": "application/json" }, body = "" } = await play(asked);
    const parts = (Array.isArray(body) ? body : [body]) as readonly (string | Uint8Array)[];
    return {
      status,
      headers: new Map(Object.entries(headers)),
      parts: parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)),
    };
  };
  return {
    asks,
    backend: "b",
    endpoint: "b/server:80",
    url: new URL("http://server:80"),
    env: { ...fakeEnv(), variables: told.variables ?? {} },
    run: (work) => runNow(work),
    http: () => ({
      async ask(ask): Promise<HttpAnswer> {
        const { status, headers, parts } = await answer(ask);
        return { status, headers, body: Buffer.concat(parts) };
      },
      async stream(ask): Promise<HttpStream> {
        const { status, headers, parts } = await answer(ask);
        return {
          status,
          headers,
          parts: (async function* () {
            yield* parts;
          })(),
        };
      },
      close: async () => {},
    }),
    grpc: () => {
      throw new Error("no gRPC here");
    },
    async signature(model): Promise<ModelMetadata> {
      const { signature } = told;
      if (signature === undefined) throw new InferError("unsupported", "no signature is declared");
      return { ...signature, name: model.name, version: "1", versions: ["1"], platform: "", stateful: false };
    },
    headers: () => ({ traceparent: "00-1-2-01" }),
  };
}

/** A kind as its registry has it, and how it connects. */
export interface TestedKind {
  readonly kind: BackendKind;
  // each kind reads words of its own
  readonly server: { connect(words: never, door: Door): Connection };
}

/** The connection that the kind makes of these words. @throws ZodError when they are wrong */
export function connectKind({ kind, server }: TestedKind, words: object, door: Door): Connection {
  const read = kind.options.parse({ endpoints: ["server:80"], ...words }) as { readonly models?: object };
  return server.connect(
    { ...read, models: Object.assign(Object.create(null), read.models), shared: read } as never,
    door,
  );
}

/** What is wrong with words of a config: place and message of each fault. */
export function faultsOf({ kind }: TestedKind, words: object): readonly string[] {
  const read = kind.options.safeParse({ endpoints: ["server:80"], ...words });
  return read.success ? [] : read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
}

/** A call of nobody in particular. */
export function someCall(): OwnedCall {
  return openCall({ id: "1", traceparent: "00-1-2-01", clock: fakeEnv().clock, protocol: "test" });
}

/** A request for a model, by default its default version. */
export function ask(model: string, inputs: readonly Tensor[], more: Partial<InferRequest> = {}): InferRequest {
  return {
    model: { name: model, select: { by: "default" } },
    task: "infer",
    inputs,
    parameters: new Map(),
    stream: false,
    ...more,
  };
}

/** The outputs of a whole reply. */
export function outputsOf(reply: Reply): readonly Tensor[] {
  if (reply.kind !== "whole") throw new Error("expected a whole reply, got a stream");
  return reply.outputs;
}

/** All parts of a stream. */
export async function partsOf(reply: Reply): Promise<readonly InferResponse[]> {
  if (reply.kind !== "stream") throw new Error("expected a stream, got a whole reply");
  const parts: InferResponse[] = [];
  for await (const part of reply.parts) parts.push(part);
  return parts;
}

/** Code, origin and retryable of the error that the work ends with. */
export async function faultOf(work: Promise<unknown>): Promise<readonly string[]> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  if (!(error instanceof InferError)) throw new Error(`expected an InferError, got ${error}`);
  return [error.code, error.origin, error.retryable, error.message];
}

const NUMBERS = {
  FP32: (values: readonly number[]) => Float32Array.from(values),
  FP64: (values: readonly number[]) => Float64Array.from(values),
  INT32: (values: readonly number[]) => Int32Array.from(values),
  INT64: (values: readonly number[]) => BigInt64Array.from(values.map(BigInt)),
  BOOL: (values: readonly number[]) => Uint8Array.from(values),
} as const;

/** A tensor of numbers. */
export function numbers(
  name: string,
  datatype: keyof typeof NUMBERS,
  shape: readonly number[],
  values: readonly number[],
): Tensor {
  return { name, datatype, shape, data: new Uint8Array(NUMBERS[datatype](values).buffer) };
}

/** A tensor of texts. */
export function texts(name: string, shape: readonly number[], values: readonly string[]): Tensor {
  const elements = values.map((value) => {
    const element = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(element.byteLength);
    return Buffer.concat([length, element]);
  });
  return { name, datatype: "BYTES", shape, data: Buffer.concat(elements) };
}
