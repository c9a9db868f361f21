// The matrix itself: every value from every front through a gateway in this process to every backend, and what came of it.

import { loadConfig } from "../../config/load.ts";
import type { Planes, WireReply } from "../../core/protocol.ts";
import type { Service } from "../../core/service.ts";
import type { Tensor } from "../../core/tensor.ts";
import { type Assembly, assemble } from "../../gateway/assemble.ts";
import { systemEnv } from "../../gateway/env.ts";
import { openLog } from "../../gateway/log.ts";
import { protocols } from "../../gateway/protocols/registry.ts";
import { policyKinds } from "../../policies/registry.ts";
import { type FakeBackend, fakeBackend } from "./gateway-fake-backend.ts";
import { type MatrixBackend, specOf } from "./matrix-backends.ts";
import { type Read, type Sent, wholeBody } from "./matrix-client.ts";
import { FRONTS, type MatrixFront } from "./matrix-fronts.ts";
import { VALUES, type Value } from "./matrix-values.ts";

/** What came of a value on its way: the same bits, a refusal in words, or something else, which is a defect. */
export type End =
  | { readonly end: "ok" }
  | { readonly end: "refused"; readonly status: number; readonly reason: string }
  | { readonly end: "altered"; readonly got: string };

export interface Cell {
  readonly front: MatrixFront;
  readonly backend: Pick<MatrixBackend, "kind" | "form">;
  readonly value: Value;
  readonly end: End;
}

/** What of it is sent, and what happens to it on the way back. */
export interface MatrixInit {
  readonly backends: readonly MatrixBackend[];
  /** Changes what the backends answer: the defect that must be seen. */
  readonly spoil?: (tensor: Tensor) => Tensor;
}

/** Sends everything; a few thousand requests in one process, without sockets. */
export async function runMatrix({ backends, spoil = (tensor) => tensor }: MatrixInit): Promise<readonly Cell[]> {
  const fake = fakeBackend();
  for (const [b, backend] of backends.entries()) {
    for (const [v, value] of VALUES.entries()) {
      const [inputs, outputs] = [[specOf("x", value)], [specOf(backend.output, value)]];
      fake.put(modelName(b, v), "1", { service: spoiled(backend.service(value), spoil), inputs, outputs });
    }
  }
  const assembly = await assembleOver(fake);
  const cells: Cell[] = [];
  for (const front of FRONTS) {
    for (const [b, backend] of backends.entries()) {
      for (const [v, value] of VALUES.entries()) {
        cells.push({ front, backend, value, end: await send(front, value, { name: modelName(b, v), assembly }) });
      }
    }
  }
  await assembly.close();
  return cells;
}

/** A gateway without listeners whose models are those of the backend. */
export function assembleOver(fake: FakeBackend): Promise<Assembly> {
  const kinds = { backends: [fake.kind], policies: policyKinds };
  const loaded = loadConfig({ text: "backends: {all: {kind: fake}}", file: "/test.yaml", env: {} }, kinds);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  const env = systemEnv({ log: openLog({ level: "silent", pretty: false }), emit: () => {} });
  return assemble(loaded.config, env);
}

function spoiled(service: Service, spoil: (tensor: Tensor) => Tensor): Service {
  return async (request, call) => {
    const reply = await service(request, call);
    return reply.kind === "whole" ? { ...reply, outputs: reply.outputs.map(spoil) } : reply;
  };
}

function modelName(backend: number, value: number): string {
  return `b${backend}v${value}`;
}

interface At {
  readonly name: string;
  readonly assembly: { readonly planes: Planes };
}

async function send(front: MatrixFront, value: Value, { name, assembly }: At): Promise<End> {
  const { ask, listener } = askAt(front, { name, planes: assembly.planes });
  const reply = await ask(front.send(value, name));
  if (reply.status !== (listener === "grpc" ? 0 : 200)) {
    return { end: "refused", status: reply.status, reason: reasonOf(reply).replaceAll(name, "m") };
  }
  return compare(() => front.read(reply, value), value);
}

/** The front's route for a model, as a function from a request to its reply. */
export function askAt(front: MatrixFront, at: { readonly name: string; readonly planes: Planes }) {
  const { name, planes } = at;
  const protocol = protocols.find((one) => one.name === front.protocol)!;
  const route = protocol.routes.find(({ method, path }) => method === "POST" && path === front.path)!;
  const { dialect } = front;
  const data = dialect === undefined ? planes.data : { ...planes.data, dialect: () => dialect };
  const params = { model: name, endpoint: name, version: "1" };
  const path = front.path.replace(/:(model|endpoint|version)/g, (_, word: keyof typeof params) => params[word]);
  const ask = ({ headers = {}, body }: Sent): Promise<WireReply> => {
    const wire = {
      ...{ method: "POST", path, params, peer: "127.0.0.1", id: "1", traceparent: "", body },
      query: new URLSearchParams(),
      headers: new Map(Object.entries(headers)),
      arrivedAt: planes.env.clock.now(),
      signal: new AbortController().signal,
    };
    return route.handle(wire, { ...planes, data });
  };
  return { ask, listener: protocol.listener };
}

function compare(read: () => Read, value: Value): End {
  let got: Read;
  try {
    got = read();
  } catch (error) {
    return { end: "altered", got: `unreadable: ${error instanceof Error ? error.message : error}` };
  }
  const wanted = told({ ...value, ...(got.datatype === undefined ? {} : { datatype: value.datatype }) }, got);
  return told(got, got) === wanted ? { end: "ok" } : { end: "altered", got: `${told(got, got)}, expected ${wanted}` };
}

// rows in JSON carry no datatype: there the bytes alone are compared
function told({ datatype, shape, data }: Read, { datatype: said }: Read): string {
  const word = said === undefined ? "" : `${datatype} `;
  return `${word}[${shape}] ${Buffer.from(data).toString("hex")}`;
}

/** What is told of an error. */
export function reasonOf(reply: WireReply): string {
  if (reply.statusText !== undefined) return reply.statusText;
  const text = wholeBody(reply).toString();
  try {
    const read = JSON.parse(text) as Readonly<Record<string, unknown>>;
    return `${read.error ?? read.message ?? read.Message ?? text}`;
  } catch {
    return text;
  }
}
