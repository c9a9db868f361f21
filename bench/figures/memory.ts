// Figure h: what the gateway's process holds in memory as endpoints and models become many.

import type { ExternalRow } from "../../test/contract/external-row.ts";
import { EXTERNAL_ROWS } from "../../test/contract/external-rows.ts";
import type { Figure, Row } from "../figure.ts";
import type { FrontMemory, FrontPorts, FrontSetup } from "../front.ts";
import { askFor } from "../front-ask.ts";
import type { LoadFacts } from "../load.ts";
import { CLIENT_CORE, SERVER_CORE, withPrograms } from "../programs.ts";
import { stubOf } from "../replays.ts";
import type { ReadyAnswer, StubPort } from "../upstream-stub.ts";

interface Size {
  readonly endpoints: number;
  readonly models: number;
}

const SIZES: readonly Size[] = [
  { endpoints: 1, models: 1 },
  { endpoints: 64, models: 1 },
  { endpoints: 1, models: 100 },
  { endpoints: 64, models: 100 },
];
const QUICK_SIZES: readonly Size[] = [
  { endpoints: 1, models: 1 },
  { endpoints: 8, models: 10 },
];
const LOAD_MS = 10_000;
const CALLERS = 64;
const KIB = 1024;

export const memory: Figure = {
  letter: "h",
  name: "memory",
  question: "What does the gateway's process hold with 64 endpoints of 100 models each?",
  async measure(effort, say) {
    const [row] = EXTERNAL_ROWS;
    if (row === undefined) throw new Error("expected a kind of server, got none");
    const seen: Seen[] = [];
    for (const size of effort.quick ? QUICK_SIZES : SIZES) {
      say(nameOf(size));
      seen.push({ size, ...(await measureSize(row, size, LOAD_MS * effort.scale)) });
    }
    return [{ title: "memory of the gateway's process", rows: rowsOf(seen), goals: [], notes: NOTES }];
  },
};

const NOTES = [
  "fresh: every model ready, nothing asked; used: after every model was asked in turn for a while; both after a collection of garbage",
  "every endpoint has every model; KiB a pair: the heap beyond that of one endpoint and one model, by endpoints times models",
];

function nameOf({ endpoints, models }: Size): string {
  return `${endpoints} x ${models}`;
}

interface Measured {
  readonly fresh: FrontMemory;
  readonly used: FrontMemory;
  readonly perSecond: number;
}

interface Seen extends Measured {
  readonly size: Size;
}

function measureSize(row: ExternalRow, { endpoints, models }: Size, loadMs: number): Promise<Measured> {
  const names = Array.from({ length: models }, (_, i) => `m${i}`);
  return withPrograms(async (start) => {
    const one = manyModels(stubOf(row), row.model, names);
    const stub = await start("programs/stub.ts", {
      core: CLIENT_CORE,
      input: Array.from({ length: endpoints }, () => one),
    });
    const ports = await stub.ask<readonly number[]>("ports");
    const setup: FrontSetup = {
      log: "info",
      backends: { all: { kind: row.kind, endpoints: ports.map((port) => `127.0.0.1:${port}`) } },
      models: Object.fromEntries(names.map((name) => [name, { backend: "all" }])),
    };
    const execArgv = ["--expose-gc"];
    const gateway = await start("programs/front.ts", { core: SERVER_CORE, input: setup, mute: true, execArgv });
    const fresh = await gateway.ask<FrontMemory>("memory");
    const { http: port } = await gateway.ask<FrontPorts>("ports");
    const client = await start("programs/client.ts", { core: CLIENT_CORE });
    const requests = names.map((model) => askFor({ model, inputs: row.inputs, over: "http" }).bytes);
    const load = { port, requests, connections: CALLERS, warmMs: 0, measureMs: loadMs };
    const { perSecond } = await client.ask<LoadFacts>("load", load);
    return { fresh, used: await gateway.ask<FrontMemory>("memory"), perSecond };
  });
}

/** The stub of one model as that of many alike: the recorded answers, with their names. */
function manyModels(stub: StubPort, model: string, names: readonly string[]): StubPort {
  const answers = stub.answers.flatMap((answer): readonly ReadyAnswer[] => {
    if (answer.asked.startsWith("POST /v2/repository/index")) return [{ ...answer, bytes: indexOf(names) }];
    if (!answer.asked.includes(`/models/${model}`)) return [answer];
    return names.map((name) => ({
      asked: answer.asked.replace(`/models/${model}`, `/models/${name}`),
      bytes: renamed(answer.bytes, model, name),
    }));
  });
  return { ...stub, answers, asks: stub.asks.replace(model, "m\\d+") };
}

/** As Triton lists its repository. Source: the recording of that question. */
function indexOf(names: readonly string[]): Uint8Array {
  const body = JSON.stringify(names.map((name) => ({ name, version: "1", state: "READY" })));
  return withBody("HTTP/1.1 200 OK\r\nContent-Type: application/json", body);
}

function renamed(answer: Uint8Array, from: string, to: string): Uint8Array {
  const [head = "", body = ""] = Buffer.from(answer).toString("latin1").split("\r\n\r\n");
  return withBody(head.replace(/\r\ncontent-length:[^\r]*/i, ""), body.replace(`"${from}"`, `"${to}"`));
}

function withBody(head: string, body: string): Uint8Array {
  return Buffer.from(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`, "latin1");
}

function rowsOf(seen: readonly Seen[]): readonly Row[] {
  const least = seen[0]?.used.heapMiB ?? 0;
  return seen.map(({ size, fresh, used, perSecond }) => ({
    name: nameOf(size),
    cells: {
      "fresh RSS MiB": fresh.rssMiB,
      "fresh heap MiB": fresh.heapMiB,
      "used RSS MiB": used.rssMiB,
      "used heap MiB": used.heapMiB,
      "KiB a pair": Math.max(0, ((used.heapMiB - least) * KIB) / (size.endpoints * size.models)),
      "requests/s": perSecond,
    },
  }));
}
