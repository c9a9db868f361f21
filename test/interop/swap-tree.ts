// A listener whose tree of services a test swaps under load, and the load: 200 inputs asked again and again over HTTP.

import { loadConfig } from "../../config/load.ts";
import { formatMistake } from "../../config/mistakes.ts";
import type { Env } from "../../core/env.ts";
import { type Assembly, assemble } from "../../gateway/assemble.ts";
import { openBudget } from "../../gateway/budget.ts";
import { loopCount, systemClock, systemEnv } from "../../gateway/env.ts";
import { openHttp } from "../../gateway/http.ts";
import { openIntake } from "../../gateway/intake.ts";
import { kinds } from "../../gateway/kinds.ts";
import { openLog } from "../../gateway/log.ts";
import { protocols } from "../../gateway/protocols/registry.ts";
import { ROOT } from "../support/gateway.ts";
import { binaryBody, type Plain, readInfer } from "../support/gateway-oip.ts";
import { ask, keptConnections, until } from "../support/http-client.ts";
import { pictures } from "./json-calls.ts";

/** How many inputs there are, each of one to four rows. */
export const INPUTS = 200;
const CALLERS = 6;
const INPUT_LIST = Array.from({ length: INPUTS }, (_, i) => pictures((i % 4) + 1, i + 1) as Plain);

/** A gateway whose config is another one from one request to the next. */
export interface SwappedGateway {
  /** What was answered to one of the inputs: outputs with datatype, shape and bytes. */
  answer(input: number): Promise<string>;
  /** Puts another config in place once its model is ready; the old tree goes when its last request has been answered. */
  swap(yaml: string): Promise<void>;
  /** Requests answered so far by each backend. */
  readonly served: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

export async function openSwapped(yaml: string): Promise<SwappedGateway> {
  const served = new Map<string, number>();
  const env = systemEnv({
    log: openLog({ level: "silent", pretty: false }),
    emit(event) {
      if (event.type !== "request-done" || event.code !== "ok" || event.backend === undefined) return;
      served.set(event.backend, (served.get(event.backend) ?? 0) + 1);
    },
  });
  let tree = await openTree(yaml, env);
  const inFlight = new Set<Promise<unknown>>();
  const { limits } = tree.config;
  const server = await openHttp({
    name: "http",
    address: { host: "127.0.0.1", port: 0 },
    protocols: protocols.filter(({ listener }) => listener === "http"),
    hold: () => ({ planes: tree.planes, release: () => {} }),
    limits,
    budget: openBudget(2 ** 28),
    intake: openIntake({ clock: systemClock, loops: loopCount }),
    env,
  });
  const agent = keptConnections(CALLERS + 1);
  const answer = async (input: number): Promise<string> => {
    const { body, headers } = binaryBody([INPUT_LIST[input] as Plain]);
    const path = "/v2/models/digits/infer";
    const { outputs } = readInfer(await ask({ port: server.address.port, method: "POST", path, headers, body, agent }));
    const shown = outputs.map((one) => [one.name, one.datatype, one.shape, Buffer.from(one.data).toString("hex")]);
    return JSON.stringify(shown);
  };
  return {
    served,
    answer(input) {
      const work = answer(input);
      const settled = work.catch(() => {});
      inFlight.add(settled);
      void settled.then(() => inFlight.delete(settled));
      return work;
    },
    async swap(next) {
      const old = tree;
      tree = await openTree(next, env, old);
      await Promise.all(inFlight);
      await old.close();
    },
    async close() {
      await server.close(1_000);
      agent.destroy();
      await tree.close();
    },
  };
}

async function openTree(yaml: string, env: Env, previous?: Assembly): Promise<Assembly> {
  const file = `${ROOT}swap.yaml`;
  const loaded = loadConfig({ text: yaml, file, env: {} }, kinds);
  if (!loaded.ok) throw new Error(loaded.mistakes.map((mistake) => formatMistake(mistake, file)).join("\n"));
  const tree = await assemble(loaded.config, env, previous);
  const { signal } = new AbortController();
  // as long as a version is loading, an older one answers
  const isLoading = () => tree.backends.some(({ catalog }) => catalog.list().some(({ state }) => state === "loading"));
  const isReady = () => tree.planes.data.ready({ name: "digits", select: { by: "default" } }, signal);
  await until(async () => !isLoading() && (await isReady()), 30_000);
  return tree;
}

/** Callers that ask one input after the other until they are stopped, and hold each answer to the expected one. */
export function openLoad(gateway: SwappedGateway, expected: readonly string[]) {
  let stopped = false;
  let asked = 0;
  const failures: string[] = [];
  const caller = async () => {
    while (!stopped) {
      const input = asked++ % INPUTS;
      const got = await gateway.answer(input).catch((error: unknown) => `${error}`);
      if (got !== expected[input]) failures.push(`input ${input}: ${got}`);
    }
  };
  const callers = Array.from({ length: CALLERS }, caller);
  return {
    failures,
    async stop(): Promise<number> {
      stopped = true;
      await Promise.all(callers);
      return asked;
    },
  };
}
