// A whole data plane over endpoints that a test plays, from the words of a config: what it says beforehand, and what then happens.

import { z } from "zod";
import { loadConfig } from "../../config/load.ts";
import { formatMistake } from "../../config/mistakes.ts";
import { type Backend, type BackendKind, fixedPool } from "../../core/backend.ts";
import { openCall } from "../../core/call.ts";
import { asInferError } from "../../core/error.ts";
import type { Explanation } from "../../core/protocol.ts";
import type { Decision } from "../../core/trace.ts";
import { openPlane, type Plane } from "../../gateway/plane.ts";
import { policyKinds } from "../../policies/registry.ts";
import { runAtOnce } from "./batch.ts";
import { METADATA, rowsOfInts } from "./batch-model.ts";
import { fakePlace, type PlaceFake, type PlaceInit } from "./batch-place.ts";
import { type FakeEnv, fakeEnv } from "./fake-env.ts";
import { requestFor } from "./scripted.ts";

export interface Asking {
  readonly rows: readonly number[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly tenant?: string;
  readonly timeoutMs?: number;
  readonly version?: string;
}

export interface Happened {
  /** The error's message, where it was refused or failed. */
  readonly error: string | undefined;
  readonly decisions: readonly Decision[];
  readonly endpoint: string | undefined;
}

export interface ExplainedPlane {
  readonly env: FakeEnv;
  readonly fakes: readonly PlaceFake[];
  readonly plane: Plane;
  explain(asking: Asking): Promise<Explanation>;
  ask(asking: Asking): { readonly done: Promise<Happened> };
  /** Lets everything run that can run now. */
  settle(): Promise<void>;
}

/** @param model the words of the model `m`, which the backend `b` serves as versions 1 and 2 */
export function openExplained(
  model: Readonly<Record<string, unknown>>,
  places: readonly PlaceInit[],
  seed = 1,
): ExplainedPlane {
  const env = fakeEnv(seed);
  const fakes = places.map((place) => fakePlace({ ...place, exact: false }, env));
  const words = {
    tenant: { header: "x-tenant", trusted: true },
    backends: { b: { kind: "played" } },
    models: { m: { backend: "b", ...model } },
  };
  const backend = backendOf(fakes);
  const kind: BackendKind = { kind: "played", options: z.strictObject({}), open: async () => backend };
  const loaded = loadConfig(
    { text: JSON.stringify(words), file: "test.yaml", env: {} },
    { backends: [kind], policies: policyKinds },
  );
  if (!loaded.ok) throw new Error(loaded.mistakes.map((mistake) => formatMistake(mistake, "test.yaml")).join("\n"));
  const { config } = loaded;
  const plane = openPlane({
    backends: config.backends.map(({ policies }) => ({ backend, policies })),
    models: config.models,
    policyKinds,
    defaults: new Map([["timeout", config.timeoutMs]]),
    readiness: "any",
    server: { name: "sluice", version: "0" },
    env,
    run: runAtOnce,
  });
  const openAsked = ({ headers = {}, tenant, timeoutMs }: Asking) =>
    openCall({
      id: "t",
      traceparent: "",
      clock: env.clock,
      protocol: "test",
      peer: "10.0.0.1",
      headers: new Map(Object.entries(headers)),
      ...(tenant === undefined ? {} : { tenant }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  const requestOf = ({ rows, version }: Asking) =>
    requestFor("m", {
      inputs: [rowsOfInts(rows)],
      ...(version === undefined ? {} : { model: { name: "m", select: { by: "version", version } } }),
    });
  return {
    env,
    fakes,
    plane,
    async explain(asking) {
      const call = openAsked(asking);
      try {
        return await plane.explain(requestOf(asking), call);
      } finally {
        call.end();
      }
    },
    ask(asking) {
      const call = openAsked(asking);
      const done = plane.infer(requestOf(asking), call).then(
        () => undefined,
        (error: unknown) => asInferError(error).message,
      );
      return {
        done: done.then((error) => {
          call.end();
          const { decisions, facts } = call.trace;
          return { error, decisions, endpoint: facts.endpoint };
        }),
      };
    },
    async settle() {
      for (let i = 0; i < 20; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
    },
  };
}

function backendOf(fakes: readonly PlaceFake[]): Backend {
  const identity = { id: "one", portable: true };
  return {
    name: "b",
    kind: "played",
    catalog: {
      list: () => ["1", "2"].map((version) => ({ name: "m", version, state: "ready" as const })),
      ready: (name) => (name === "m" ? ["1", "2"] : undefined),
      label: () => undefined,
      onChange: () => () => {},
    },
    endpoints: fixedPool(fakes.map(({ candidate }) => candidate.endpoint)),
    metadata: async () => METADATA,
    identity: () => identity,
    close: async () => {},
  };
}
