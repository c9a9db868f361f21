// A model's route over leaves that answer as the test says, from the words of a config.

import { branchWord } from "../../config/route.ts";
import type { Call } from "../../core/call.ts";
import type { ModelMetadata } from "../../core/model.ts";
import { type InferRequest, type InferResponse, unasked } from "../../core/request.ts";
import type { Exposure } from "../../core/route.ts";
import type { Service } from "../../core/service.ts";
import type { Leaves } from "../../gateway/leaves.ts";
import { openRoute, type Route } from "../../gateway/route.ts";
import type { Versions } from "../../gateway/versions.ts";
import { policyKinds } from "../../policies/registry.ts";
import { type FakeEnv, fakeEnv } from "./fake-env.ts";
import { aCall } from "./fake-pool.ts";
import { requestFor, wholeReply } from "./scripted.ts";

export interface RouteInit {
  /** The words after `route:`; none for a model without a route. */
  readonly words?: unknown;
  /** What each version does; it answers under its own number where nothing is said. */
  readonly leaves?: Readonly<Record<string, Service>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly versions?: readonly string[];
  readonly testers?: boolean;
  readonly env?: FakeEnv;
}

export interface FakeRoute {
  readonly env: FakeEnv;
  readonly route: Route;
  readonly exposures: readonly Exposure[];
  /** Versions asked, in their order, with the call that asked. */
  readonly asked: readonly { readonly version: string; readonly call: Call; readonly request: InferRequest }[];
  /** Sends one request and says which version answered it, and how it was decided. */
  ask(init?: AskInit): Promise<Answered>;
}

export type AskInit = Partial<Parameters<typeof aCall>[1]> & { readonly request?: Partial<InferRequest> };

export interface Answered {
  readonly version: string;
  readonly said: readonly string[];
  readonly call: Call;
}

const LABELS = { stable: "1", next: "2" };

/** A route of the model `m` with the versions 1, 2 and 3, of which 1 is stable and 2 is next. */
export function fakeRoute(init: RouteInit): FakeRoute {
  const env = init.env ?? fakeEnv();
  const exposures: Exposure[] = [];
  const asked: FakeRoute["asked"][number][] = [];
  const route = openRoute({
    model: "m",
    tree: init.words === undefined ? undefined : branchWord(policyKinds).parse(init.words),
    kinds: policyKinds,
    versions: versionsOf(init),
    leaves: leavesOf(init, asked),
    context: {
      model: "m",
      env,
      signature: () => Promise.reject(new Error("no signature in this test")) as Promise<ModelMetadata>,
      tester: () => init.testers === true,
      expose: (exposure) => void exposures.push(exposure),
      run: (work) => {
        for (;;) {
          const step = work.next();
          if (step.done === true) return step.value;
        }
      },
    },
  });
  return {
    env,
    route,
    exposures,
    asked,
    async ask({ request, ...call } = {}) {
      const own = aCall(env, call);
      const reply = (await route.service(requestFor("m", request), own)) as InferResponse;
      const said = own.trace.decisions.map((one) => `${one.policy} ${one.said}`);
      return { version: own.trace.facts.version ?? reply.model.version, said, call: own };
    },
  };
}

function versionsOf({ versions = ["1", "2", "3"], labels = LABELS }: RouteInit): Versions {
  return {
    ready: () => versions,
    list: () => versions.map((version) => ({ version, state: "ready" as const })),
    knows: (version) => versions.includes(version),
    label: (word) => new Map(Object.entries(labels)).get(word),
    targets: () => [],
    whyNot: () => "not there",
    closed: true,
  };
}

function leavesOf({ leaves = {} }: RouteInit, asked: FakeRoute["asked"][number][]): Leaves {
  return {
    of: (version) => async (request, call) => {
      call.trace.learn({ version });
      if (call.purpose === "explain") return unasked({ name: "m", version });
      asked.push({ version, call, request });
      return (await leaves[version]?.(request, call)) ?? wholeReply("m", version);
    },
  };
}

/** A header of the caller's. */
export function headers(words: Readonly<Record<string, string>>): { readonly headers: ReadonlyMap<string, string> } {
  return { headers: new Map(Object.entries(words)) };
}

/** The mistake in the words of a route, as its own schema says it; undefined for right ones. */
export function routeMistake(words: unknown): string | undefined {
  const parsed = branchWord(policyKinds).safeParse(words);
  if (parsed.success) return undefined;
  return parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("\n");
}
