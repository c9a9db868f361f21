// A row's backend over a server that replays, with the handle by which a test makes that server fail.

import { backendKinds } from "../../backends/registry.ts";
import { parseYaml } from "../../config/load.ts";
import type { Backend, Endpoint } from "../../core/backend.ts";
import { type OwnedCall, openCall } from "../../core/call.ts";
import type { Reply } from "../../core/request.ts";
import { systemClock, systemEnv } from "../../gateway/env.ts";
import { openLog } from "../../gateway/log.ts";
import { openSlicer } from "../../gateway/slicer.ts";
import { elements, type Plain } from "../support/gateway-oip.ts";
import { until } from "../support/http-client.ts";
import { type AskedHttp, type Fault, type RecordedServer, startRecorded } from "../support/recorded.ts";
import {
  type AskedGrpc,
  type GrpcFault,
  type RecordedGrpcServer,
  startRecordedGrpc,
} from "../support/recorded-grpc.ts";
import type { ExternalRow, Shown } from "./external-row.ts";

/** What the server does with the next inferences; health and metadata are always answered as recorded. */
export interface Script {
  /** The recording to answer with. */
  answer?: string | undefined;
  fault?: Fault | GrpcFault | undefined;
  /** The fault for some of them only. */
  when?: ((asked: AskedHttp) => boolean) | undefined;
}

export interface ExternalBackend {
  readonly backend: Backend;
  readonly endpoint: Endpoint;
  readonly script: Script;
  /** How many inferences the server was asked for. */
  asked(): number;
  /** The last of those. */
  lastAsked(): AskedHttp | AskedGrpc;
  readonly http: RecordedServer | undefined;
  readonly grpc: RecordedGrpcServer | undefined;
  close(): Promise<void>;
}

/** Opens it, with answers of at most 1 MiB, and waits until the row's model is ready. */
export async function openExternalRow(row: ExternalRow): Promise<ExternalBackend> {
  const script: Script = {};
  const isAsk = (asked: { readonly path: string; readonly method?: string }) =>
    row.asks.test(asked.method === undefined ? asked.path : `${asked.method} ${asked.path}`);
  const answer = (asked: { readonly path: string; readonly method?: string }) =>
    isAsk(asked) ? (script.answer ?? row.usual) : undefined;
  const fault = (asked: { readonly path: string }) =>
    isAsk(asked) && (script.when?.(asked as AskedHttp) ?? true) ? script.fault : undefined;
  const http =
    row.over === "http"
      ? await startRecorded(row.server, {
          answer,
          fault: fault as (asked: AskedHttp) => Fault | undefined,
          ...(row.port === undefined ? {} : { port: row.port }),
        })
      : undefined;
  const grpc =
    row.over === "grpc"
      ? await startRecordedGrpc(row.server, { answer, fault: fault as () => GrpcFault | undefined })
      : undefined;
  const management = await startRecorded(row.server, { port: "management" });
  const port = http?.port ?? grpc?.port ?? 0;
  const kind = backendKinds.find((one) => one.kind === row.kind)!;
  const env = systemEnv({ log: openLog({ level: "silent", pretty: false }), emit: () => {} });
  const options = kind.options.parse({
    endpoints: [`127.0.0.1:${port}`],
    limits: { answer: "1MiB" },
    health: { every: "1h" },
    ...row.words(management.port),
  });
  const run = openSlicer(env.clock);
  const backend = await kind.open(options, { name: "b", env, baseDir: "/", parseYaml, run });
  const unfollow = backend.follow?.({ name: row.model });
  try {
    await until(() => backend.catalog.ready(row.model)?.includes(row.version) === true);
  } catch (error) {
    const paths = http?.asked.map((one) => `${one.method} ${one.path}`) ?? grpc?.asked.map((one) => one.path);
    throw new Error(`${row.model} is not ready: ${JSON.stringify([backend.catalog.list(), paths])}`, { cause: error });
  }
  const inferences = () => (http?.asked ?? grpc?.asked ?? []).filter(isAsk);
  return {
    backend,
    endpoint: backend.endpoints.list()[0]!,
    script,
    asked: () => inferences().length,
    lastAsked: () => inferences().at(-1)!,
    http,
    grpc,
    async close() {
      unfollow?.();
      await backend.close();
      await Promise.all([http?.close(), grpc?.close(), management.close()]);
    },
  };
}

export function aCall(timeoutMs?: number): OwnedCall {
  const limit = timeoutMs === undefined ? {} : { timeoutMs };
  return openCall({ id: "test", traceparent: "", clock: systemClock, protocol: "test", ...limit });
}

/** A whole reply's outputs. */
export function shown(reply: Reply): readonly Shown[] {
  if (reply.kind !== "whole") throw new Error("expected a whole reply");
  return reply.outputs.map((output) => [
    output.name,
    output.datatype,
    output.shape,
    elements(output as Plain).map(Number),
  ]);
}
