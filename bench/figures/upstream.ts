// Figure f: how much of a client's own throughput of large tensors to Triton is left through the gateway.

import { startTriton } from "../../test/interop/servers/triton.ts";
import { isMissing } from "../../test/interop/support/venv.ts";
import type { Effort, Figure, Finding } from "../figure.ts";
import type { FrontPorts, FrontSetup } from "../front.ts";
import { askFor, type FrontAsk } from "../front-ask.ts";
import { type Arm, compare } from "../harness.ts";
import type { LoadFacts } from "../load.ts";
import { CLIENT_CORE, type Program, SERVER_CORE, type Starter, withPrograms } from "../programs.ts";
import { normalFloats, randomFrom } from "../random.ts";
import { replayedPorts } from "../replayed-triton.ts";

const MODEL = "echo";
const SHAPE = [3 * 224, 224];
/** 602,112 bytes: a picture of 224 x 224 in three colours. */
const BYTES = 4 * 3 * 224 * 224;
const CALLERS = 4;
const MB = 1_000_000;
const SPAN = { warmMs: 500, measureMs: 2000 };

export const upstream: Figure = {
  letter: "f",
  name: "upstream",
  question:
    "How many MB/s of 602 KB tensors go to Triton and back through the gateway, beside a client of Triton's own?",
  async measure(effort, say) {
    const triton = await startTriton({ models: [MODEL] });
    if (isMissing(triton)) {
      say(`without the real Triton: ${triton.missing}`);
      return measureServer({ name: "a stub", ports: undefined }, effort, say);
    }
    try {
      const { version, http, grpc } = triton;
      const real = await measureServer({ name: `Triton ${version}`, ports: { http, grpc } }, effort, say);
      const stub = await measureServer({ name: "a stub", ports: undefined }, effort, say);
      return [...real, ...stub];
    } finally {
      await triton.close();
    }
  },
};

interface Server {
  readonly name: string;
  /** Of the real one; a stub is started when absent. */
  readonly ports: FrontPorts | undefined;
}

function measureServer(server: Server, effort: Effort, say: (line: string) => void): Promise<readonly Finding[]> {
  const values = normalFloats(BYTES / 4, randomFrom(602));
  const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const inputs = [{ name: "fp32", datatype: "FP32", shape: SHAPE, data } as const];
  return withPrograms(async (start) => {
    const ports = server.ports ?? (await replayedPorts(start, { inputs, model: MODEL }));
    const front = await startFront(start, ports);
    const client = await start("programs/client.ts", { core: CLIENT_CORE });
    const findings: Finding[] = [];
    for (const over of ["http", "grpc"] as const) {
      say(`${server.name} over ${over}`);
      const ask = askFor({ model: MODEL, inputs, over });
      findings.push(
        await measureOver(
          { over, ask, client, server: server.name, direct: ports[over], gateway: front[over] },
          effort,
        ),
      );
    }
    return findings;
  });
}

/** A gateway whose HTTP goes to Triton's HTTP, and whose gRPC to its gRPC. */
async function startFront(start: Starter, ports: FrontPorts): Promise<Readonly<Record<"http" | "grpc", number>>> {
  const open = async (over: "http" | "grpc"): Promise<number> => {
    const words = { kind: "triton", protocol: over, health: { every: "1h" }, endpoints: [`127.0.0.1:${ports[over]}`] };
    const setup: FrontSetup = { log: "info", backends: { there: words }, models: { [MODEL]: { backend: "there" } } };
    const gateway = await start("programs/front.ts", { core: SERVER_CORE, input: setup, mute: true });
    return (await gateway.ask<FrontPorts>("ports"))[over];
  };
  return { http: await open("http"), grpc: await open("grpc") };
}

interface Case {
  readonly over: "http" | "grpc";
  readonly ask: FrontAsk;
  readonly client: Program;
  readonly server: string;
  readonly direct: number;
  readonly gateway: number;
}

async function measureOver(one: Case, effort: Effort): Promise<Finding> {
  const { over, client, server } = one;
  const span = { warmMs: SPAN.warmMs * effort.scale, measureMs: SPAN.measureMs * effort.scale };
  const used = { client: 0 };
  const arm = (name: string, port: number): Arm => ({
    name,
    async measure() {
      const facts = await load({ ...one, port }, span);
      used.client = Math.max(used.client, facts.clientCpu);
      return (facts.perSecond * BYTES) / MB;
    },
  });
  const title = `${server} over ${over}, ${BYTES} bytes each way, ${CALLERS} callers`;
  const arms = [arm("client -> server", one.direct), arm("through the gateway", one.gateway)] as const;
  const comparison = await compare({ title, unit: "MB/s", rounds: effort.rounds, arms });
  const share = Math.round(used.client * 100);
  return { title, comparison, goals: [], notes: [`MB/s one way; the client used at most ${share} % of its core`] };

  function load({ ask, port }: { readonly ask: FrontAsk; readonly port: number }, during: typeof span) {
    if (over === "http") {
      return client.ask<LoadFacts>("load", { port, requests: [ask.bytes], connections: CALLERS, ...during });
    }
    return client.ask<LoadFacts>("grpcLoad", { port, path: ask.path, message: ask.bytes, callers: CALLERS, ...during });
  }
}
