// A whole gateway over real sockets whose time the test moves, and the words in which chaos is told.

import { backendKinds } from "../../backends/registry.ts";
import { loadConfig } from "../../config/load.ts";
import { formatMistake } from "../../config/mistakes.ts";
import type { BackendKind } from "../../core/backend.ts";
import { openBudget } from "../../gateway/budget.ts";
import { loopCount } from "../../gateway/env.ts";
import { openGrpc } from "../../gateway/grpc.ts";
import { openHttp } from "../../gateway/http.ts";
import { openIntake } from "../../gateway/intake.ts";
import { protocols } from "../../gateway/protocols/registry.ts";
import { openTrees } from "../../gateway/trees.ts";
import { policyKinds } from "../../policies/registry.ts";
import { type FakeClock, type FakeEnv, fakeClock, fakeEnv } from "./fake-env.ts";
import { type GrpcCaller, grpcCaller, inferAnswer, inferMessage } from "./gateway-grpc.ts";
import { elements, type Plain, plain } from "./gateway-oip.ts";
import { ask, until } from "./http-client.ts";

/** The limits of a health check, in milliseconds: no other timer has these, so that a check under way is known by its timer. */
const CHECK_MS = 1009;
const LOOK_MS = 5 * CHECK_MS;
/** The deadline of a request. */
export const DEADLINE_MS = 2_000;
/** Time moves by so much at once, in milliseconds. */
const STEP_MS = 100;

/** What a client saw: the status (or the code of gRPC), whose fault it was, and the values of a right answer. */
export interface Seen {
  readonly status: number;
  readonly origin: string | undefined;
  readonly y: readonly number[] | undefined;
  readonly retryAfter: string | undefined;
}

export interface ChaosGateway {
  readonly env: FakeEnv;
  readonly port: number;
  readonly grpcPort: number;
  /** Asks the model `line` over REST. */
  ask(x: readonly number[]): Promise<Seen>;
  /** The same over gRPC. */
  askGrpc(x: readonly number[]): Promise<Seen>;
  /** What the last event said of the endpoint at that port. */
  health(port: number): "healthy" | "unhealthy" | "gone" | undefined;
  /** Moves time on to the next question about health and waits for its answer; one that hangs is let time out. */
  check(hangs?: boolean): Promise<void>;
  /** How many checks it takes until the endpoint at that port is so; at most 20. */
  checksUntil(port: number, state: "healthy" | "unhealthy", hangs?: boolean): Promise<number>;
  /** The time is so much later at once, as for a process that was stopped: what was due meanwhile happens once, now. */
  jump(ms: number): void;
  close(): Promise<void>;
}

export interface ChaosOptions {
  readonly ports: readonly number[];
  readonly protocol?: "http" | "grpc";
  /** Where the servers are, in the config's words; the ports of this machine when absent. */
  readonly endpoints?: string;
  /** The kinds of backend; the gateway's own when absent. */
  readonly kinds?: readonly BackendKind[];
  /** Words of the backend. */
  readonly backend?: string;
  /** The deadline of a request, in milliseconds; `DEADLINE_MS` when absent. */
  readonly timeoutMs?: number;
  /** Words of the model. */
  readonly model?: string;
}

/** Opens it over servers at these ports and waits until all of them are healthy. */
export async function openChaosGateway(options: ChaosOptions): Promise<ChaosGateway> {
  const checks = { begun: 0, open: 0 };
  const clock = chaosClock(checks);
  const env: FakeEnv = { ...fakeEnv(), clock };
  const text = yamlOf(options);
  const loaded = loadConfig(
    { text, file: "chaos.yaml", env: {} },
    { backends: options.kinds ?? backendKinds, policies: policyKinds },
  );
  if (!loaded.ok) throw new Error(loaded.mistakes.map((one) => formatMistake(one, "chaos.yaml")).join("\n"));
  const { config } = loaded;
  const trees = await openTrees(config, env);
  const address = { host: "127.0.0.1", port: 0 };
  const common = {
    address,
    hold: trees.hold,
    limits: config.limits,
    budget: openBudget(2 ** 28),
    intake: openIntake({ clock: env.clock, loops: loopCount }),
    env,
  };
  const of = (listener: "http" | "grpc") => protocols.filter((one) => one.listener === listener);
  const http = await openHttp({ name: "http", protocols: of("http"), ...common });
  const grpc = await openGrpc({ protocols: of("grpc"), ...common });
  const caller = grpcCaller(grpc.address.port);
  const health = (port: number) =>
    env.events
      .filter((event) => event.type === "endpoint-state" && event.endpoint.endsWith(`:${port}`))
      .map((event) => (event.type === "endpoint-state" ? event.state : undefined))
      .at(-1);
  const check = async (hangs = false) => {
    const { begun } = checks;
    for (let step = 0; checks.begun === begun && step < 200; step += 1) env.clock.advance(STEP_MS);
    if (hangs) env.clock.advance(CHECK_MS);
    await until(() => checks.open === 0, 10_000);
  };
  await until(() => checks.open === 0 && options.ports.every((port) => health(port) === "healthy"), 10_000);
  return {
    env,
    port: http.address.port,
    grpcPort: grpc.address.port,
    ask: (x) => askRest(http.address.port, x),
    askGrpc: (x) => askGrpc(caller, x),
    health,
    check,
    jump: clock.jump,
    async checksUntil(port, state, hangs) {
      for (let count = 0; count <= 20; count += 1) {
        if (health(port) === state) return count;
        await check(hangs);
      }
      throw new Error(`20 checks left the endpoint at ${port} ${health(port)}`);
    },
    async close() {
      caller.close();
      await Promise.all([http.close(0), grpc.close(0)]);
      await trees.close();
    },
  };
}

function yamlOf({ ports, protocol = "http", backend = "", model = "", ...rest }: ChaosOptions): string {
  const endpoints = rest.endpoints ?? `[${ports.map((port) => `"127.0.0.1:${port}"`).join(", ")}]`;
  return `backends:
  b: {kind: oip, protocol: ${protocol}, dialect: plain, endpoints: ${endpoints}, balance: round-robin, health: {timeout: ${CHECK_MS}ms}${backend}}
models:
  line: {backend: b, timeout: ${rest.timeoutMs ?? DEADLINE_MS}ms${model}}`;
}

/** A clock of the test's, which counts questions about health that begin and that are open. */
function chaosClock(checks: { begun: number; open: number }): FakeClock & Pick<ChaosGateway, "jump"> {
  const base = fakeClock();
  const timers = new Map<() => void, number>();
  let ahead = 0;
  const after = (ms: number, callback: () => void) => {
    const at = base.now() + ms;
    const run = () => {
      stop();
      callback();
    };
    const stopTimer = base.after(ms, run);
    const stop = () => {
      timers.delete(run);
      stopTimer();
    };
    timers.set(run, at);
    return stop;
  };
  const watched = (ms: number, callback: () => void) => {
    if (ms === CHECK_MS) checks.begun += 1;
    checks.open += 1;
    let open = true;
    const end = () => {
      if (!open) return;
      open = false;
      // the look follows the question at once: in between nothing is over
      setImmediate(() => {
        checks.open -= 1;
      });
    };
    const stop = after(ms, () => {
      end();
      callback();
    });
    return () => {
      end();
      stop();
    };
  };
  return {
    now: () => base.now() + ahead,
    wall: () => base.wall() + ahead,
    after: (ms, callback) => (ms === CHECK_MS || ms === LOOK_MS ? watched : after)(ms, callback),
    advance: base.advance,
    get pending() {
      return base.pending;
    },
    jump(ms) {
      const due = [...timers].filter(([, at]) => at <= base.now() + ms);
      ahead += ms;
      for (const [run] of due) run();
    },
  };
}

async function askRest(port: number, x: readonly number[]): Promise<Seen> {
  const inputs = [{ name: "x", datatype: "INT32", shape: [x.length], data: x }];
  const answer = await ask({ port, path: "/v2/models/line/infer", body: JSON.stringify({ inputs }) });
  const json = answer.json<{ readonly outputs?: readonly { readonly data: readonly number[] }[] }>();
  const origin = answer.headers["sluice-error-origin"];
  return {
    status: answer.status,
    origin: typeof origin === "string" ? origin : undefined,
    y: json.outputs?.[0]?.data,
    retryAfter: answer.headers["retry-after"],
  };
}

async function askGrpc(caller: GrpcCaller, x: readonly number[]): Promise<Seen> {
  const inputs = [plain("x", "INT32", [x.length], x)];
  const answer = await caller.ask({ method: "ModelInfer", messages: [inferMessage({ model: "line", inputs })] });
  const [first] = answer.messages;
  const y = first === undefined ? undefined : inferAnswer(first).outputs[0];
  return {
    status: answer.code,
    origin: answer.trailers["sluice-error-origin"],
    y: y === undefined ? undefined : elements(y as Plain).map(Number),
    retryAfter: answer.trailers["grpc-retry-pushback-ms"],
  };
}
