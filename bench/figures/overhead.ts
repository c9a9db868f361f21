// Figure e: what the gateway adds between a client and each kind of server, beside nginx in the same place.

import type { ExternalRow } from "../../test/contract/external-row.ts";
import { EXTERNAL_ROWS } from "../../test/contract/external-rows.ts";
import type { Effort, Figure, Finding, Row } from "../figure.ts";
import type { FrontPorts, FrontSetup } from "../front.ts";
import { askFor, type FrontAsk } from "../front-ask.ts";
import { type Arm, type Comparison, compare } from "../harness.ts";
import type { Asked, LoadFacts } from "../load.ts";
import { hasNginx, startNginx } from "../nginx.ts";
import { CLIENT_CORE, type Program, SERVER_CORE, type Starter, withPrograms } from "../programs.ts";
import { managementOf, stubOf } from "../replays.ts";
import { spread } from "../stats.ts";
import type { SeenAsk, StubPort } from "../upstream-stub.ts";

const CALLERS = [1, 64];
const WARM_MS = 2000;
/** Short already: a quick run has the same. */
const SPAN = { warmMs: 100, measureMs: 400 };
const QUICK_ROWS = 3;
const US = 1_000_000;

export const overhead: Figure = {
  letter: "e",
  name: "overhead",
  question: "What does the gateway add between a client and a fast server of each kind, beside nginx in its place?",
  measure(effort, say) {
    const rows = EXTERNAL_ROWS.slice(0, effort.quick ? QUICK_ROWS : undefined);
    return withPrograms(async (start) => {
      const places = await openPlaces(rows, start);
      const nginx = hasNginx() ? await startNginx(places) : undefined;
      if (nginx === undefined) say("nginx is not installed: without it");
      try {
        const findings: Finding[] = [];
        for (const [i, place] of places.entries()) {
          say(place.name);
          const ways = await waysTo(place, nginx?.ports[i]);
          for (const callers of CALLERS) findings.push(await measureCase({ place, ways, callers }, effort));
        }
        return findings;
      } finally {
        await nginx?.stop();
      }
    });
  },
};

/** A stub of one kind, and the gateway's model in front of it. */
interface Place {
  readonly name: string;
  readonly row: ExternalRow;
  readonly model: string;
  readonly over: "http" | "grpc";
  readonly port: number;
  readonly front: FrontPorts;
  readonly client: Program;
  /** What was asked of the stub last. */
  seen(): Promise<SeenAsk>;
}

async function openPlaces(rows: readonly ExternalRow[], start: Starter): Promise<readonly Place[]> {
  const stubs: StubPort[] = rows.flatMap((row) => [stubOf(row), managementOf(row)]);
  const stub = await start("programs/stub.ts", { core: CLIENT_CORE, input: stubs });
  const ports = await stub.ask<readonly number[]>("ports");
  const models = rows.map((row, i) => `${row.kind}-${i}`);
  const setup: FrontSetup = {
    log: "info",
    backends: Object.fromEntries(
      rows.map((row, i) => {
        const words = { kind: row.kind, health: { every: "1h" }, ...row.words(ports[2 * i + 1] ?? 0) };
        return [models[i], { ...words, endpoints: [`127.0.0.1:${ports[2 * i]}`] }];
      }),
    ),
    models: Object.fromEntries(
      rows.map((row, i) => [models[i], { backend: models[i], model: row.model, version: row.version }]),
    ),
  };
  const gateway = await start("programs/front.ts", { core: SERVER_CORE, input: setup, mute: true });
  const client = await start("programs/client.ts", { core: CLIENT_CORE });
  const front = await gateway.ask<FrontPorts>("ports");
  return rows.map((row, i) => ({
    name: `${row.kind} over ${row.over}`,
    row,
    model: models[i] ?? "",
    over: row.over,
    port: ports[2 * i] ?? 0,
    front,
    client,
    async seen() {
      const found = (await stub.ask<readonly (SeenAsk | undefined)[]>("seen"))[2 * i];
      if (found === undefined) throw new Error(`${row.kind}: expected the stub to be asked, but it was not`);
      return found;
    },
  }));
}

/** How often a second so many callers are answered on one way. */
interface Way {
  readonly name: string;
  load(callers: number, span: { readonly warmMs: number; readonly measureMs: number }): Promise<LoadFacts>;
}

/** The stub and nginx get the very bytes that the gateway sends to the stub. */
async function waysTo(place: Place, nginx: number | undefined): Promise<readonly [Way, ...Way[]]> {
  const asked = askFor({ model: place.model, inputs: place.row.inputs, over: place.over });
  const gateway = wayOf(place, { name: "gateway", ask: asked, port: place.front[place.over] });
  await firstAnswer(place, asked);
  const { path, bytes } = await place.seen();
  const ask = { ...asked, path, bytes };
  const direct = wayOf(place, { name: "client -> stub", ask, port: place.port });
  const proxied = nginx === undefined ? [] : [wayOf(place, { name: "nginx", ask, port: nginx })];
  return [direct, ...proxied, gateway];
}

/** Throws on any status but 200, or OK. */
async function firstAnswer({ client, front, over, name }: Place, { path, bytes }: FrontAsk): Promise<void> {
  if (over === "grpc") {
    await client.ask("grpcLoad", { port: front.grpc, path, message: bytes, callers: 1, warmMs: 0, measureMs: 1 });
    return;
  }
  const [answer] = await client.ask<readonly Asked[]>("ask", { port: front.http, requests: [bytes] });
  if (answer === undefined || answer.body.byteLength === 0) throw new Error(`${name}: expected an answer, got none`);
}

function wayOf(
  { client, over }: Place,
  { name, ask, port }: { readonly name: string; readonly ask: FrontAsk; readonly port: number },
): Way {
  if (over === "http") {
    return {
      name,
      load: (connections, span) => client.ask("load", { port, requests: [ask.bytes], connections, ...span }),
    };
  }
  return {
    name,
    load: (callers, span) => client.ask("grpcLoad", { port, path: ask.path, message: ask.bytes, callers, ...span }),
  };
}

interface Case {
  readonly place: Place;
  readonly ways: readonly [Way, ...Way[]];
  readonly callers: number;
}

async function measureCase({ place, ways, callers }: Case, effort: Effort): Promise<Finding> {
  const { scale, rounds } = effort;
  for (const way of ways) await way.load(callers, { ...SPAN, warmMs: WARM_MS * scale });
  const seen = ways.map(() => [] as LoadFacts[]);
  const arms = ways.map(
    (way, i): Arm => ({
      name: way.name,
      async measure() {
        const facts = await way.load(callers, SPAN);
        seen[i]?.push(facts);
        return facts.perSecond;
      },
    }),
  );
  const title = `${place.name}, ${callers} ${callers === 1 ? "caller" : "callers"}`;
  const [peer, ...others] = arms;
  if (peer === undefined) throw new Error("expected an arm, got none");
  const comparison = await compare({ title, unit: "requests/s", rounds, arms: [peer, ...others] });
  return { title, comparison, rows: rowsOf(comparison, { seen, callers }), goals: [], notes: [] };
}

function rowsOf(
  { arms }: Comparison,
  { seen, callers }: { readonly seen: readonly (readonly LoadFacts[])[]; readonly callers: number },
): readonly Row[] {
  const [direct] = arms;
  return arms.map(({ name, values }, i) => {
    const p99 = spread((seen[i] ?? []).map(({ p99Ms }) => p99Ms)).median;
    if (callers > 1) return { name, cells: { "p99 ms": p99 } };
    // one caller: the time of a request is what is between two answers
    const added = values.map((value, round) => US / value - US / (direct?.values[round] ?? Number.NaN));
    return {
      name,
      cells: {
        "us a request": US / spread(values).median,
        "us added": Math.max(0, spread(added).median),
        "p99 ms": p99,
      },
    };
  });
}
