// Figure j: what each front costs for a small tensor, and how much of a bare server's throughput is left for a large one.

import type { Tensor } from "../../core/tensor.ts";
import type { Effort, Figure, Finding, Goal } from "../figure.ts";
import type { FrontPorts } from "../front.ts";
import { binaryForms, type FrontForm, textForms } from "../front-forms.ts";
import { type Arm, compare } from "../harness.ts";
import type { LoadFacts } from "../load.ts";
import { CLIENT_CORE, type Program, SERVER_CORE, type Starter, withPrograms } from "../programs.ts";
import { normalFloats, randomFrom } from "../random.ts";
import { spread } from "../stats.ts";

/** 16 numbers: the front is all that such a request costs. */
const SMALL = [1, 16];
/** 602,112 bytes: a picture of 224 x 224 in three colours. */
const LARGE = [3 * 224, 224];
const SMALL_CALLERS = 16;
const LARGE_CALLERS = 4;
const WARM_MS = 1500;
/** Short already: a quick run has the same. */
const SPAN = { warmMs: 100, measureMs: 400 };
const LARGE_SPAN = { warmMs: 200, measureMs: 1000 };
/** What a bare server of the library leaves of the same bytes, at least. */
const WANTED = 0.7;
const MB = 1_000_000;

export const fronts: Figure = {
  letter: "j",
  name: "fronts",
  question: "What does each front cost for a small tensor, and what is left of a bare server's MB/s for a large one?",
  measure(effort, say) {
    return withPrograms(async (start) => {
      const place = await openPlace(start);
      const [small, large] = [tensorOf(SMALL), tensorOf(LARGE)];
      const forms = [...binaryForms(small), ...textForms(small)];
      say("warming up");
      for (const form of forms)
        await load(place, { form, callers: SMALL_CALLERS }, { warmMs: 0, measureMs: WARM_MS * effort.scale });
      const findings: Finding[] = [];
      for (const over of ["http", "grpc"] as const) {
        say(`small over ${over}`);
        findings.push(await measureSmall(place, { over, forms }, effort));
      }
      for (const over of ["http", "grpc"] as const) {
        say(`large over ${over}`);
        findings.push(await measureLarge(place, { over, forms: binaryForms(large) }, effort));
      }
      return findings;
    });
  },
};

/** The gateway, the bare servers beside it, and the client of all. */
interface Place {
  readonly client: Program;
  readonly gateway: FrontPorts;
  /** Servers that answer with the bytes they are sent. */
  readonly bare: FrontPorts;
}

async function openPlace(start: Starter): Promise<Place> {
  const gateway = await start("programs/fronts.ts", { core: SERVER_CORE, mute: true });
  const http = await start("programs/echo.ts", { core: SERVER_CORE });
  const grpc = await start("programs/grpc-echo.ts", { core: SERVER_CORE });
  return {
    client: await start("programs/client.ts", { core: CLIENT_CORE }),
    gateway: await gateway.ask<FrontPorts>("ports"),
    bare: { http: await http.ask<number>("port"), grpc: await grpc.ask<number>("port") },
  };
}

function tensorOf(shape: readonly [number, number] | readonly number[]): Tensor {
  const [rows = 0, columns = 0] = shape;
  const values = normalFloats(rows * columns, randomFrom(602));
  return {
    name: "x",
    datatype: "FP32",
    shape,
    data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  };
}

interface Asking {
  readonly form: FrontForm;
  readonly callers: number;
  /** Of the bare server in place of the gateway. */
  readonly isBare?: boolean;
}

type Span = typeof SPAN;

function load(
  { client, gateway, bare }: Place,
  { form, callers, isBare = false }: Asking,
  span: Span,
): Promise<LoadFacts> {
  const { over, ask } = form;
  const port = (isBare ? bare : gateway)[over];
  if (over === "http") return client.ask("load", { port, requests: [ask.bytes], connections: callers, ...span });
  const path = isBare ? "/bench.Echo/Echo" : ask.path;
  return client.ask("grpcLoad", { port, path, message: ask.bytes, callers, ...span });
}

interface Case {
  readonly over: "http" | "grpc";
  readonly forms: readonly FrontForm[];
}

/** Every front beside OIP's of the same transport; over gRPC a bare server with OIP's message comes first. */
async function measureSmall(place: Place, { over, forms }: Case, effort: Effort): Promise<Finding> {
  const asked = forms.filter((form) => form.over === over).map((form) => ({ form, callers: SMALL_CALLERS }));
  const [oip, ...others] = asked;
  if (oip === undefined) throw new Error("expected a form, got none");
  const all = over === "http" ? [oip, ...others] : [{ ...oip, isBare: true }, oip, ...others];
  const title = `FP32 [${SMALL}] over ${over}, ${SMALL_CALLERS} callers`;
  return measure(place, { title, unit: "requests/s", all, span: SPAN, each: 1, rounds: effort.rounds });
}

/** The forms that carry bytes beside a bare server that echoes OIP's. */
async function measureLarge(place: Place, { over, forms }: Case, effort: Effort): Promise<Finding> {
  const asked = forms.filter((form) => form.over === over).map((form) => ({ form, callers: LARGE_CALLERS }));
  const [oip] = asked;
  if (oip === undefined) throw new Error("expected a form, got none");
  const bytes = LARGE.reduce((product, size) => product * size, 4);
  const title = `${bytes} bytes each way over ${over}, ${LARGE_CALLERS} callers`;
  const all = [{ ...oip, isBare: true }, ...asked];
  const finding = await measure(place, {
    ...{ title, unit: "MB/s", all, span: LARGE_SPAN, each: bytes / MB, rounds: effort.rounds },
  });
  return { ...finding, goals: goalsOf(finding) };
}

function goalsOf({ comparison }: Finding): readonly Goal[] {
  return (comparison?.arms ?? []).flatMap(({ name, ratio }) =>
    ratio === undefined
      ? []
      : [{ what: `${name}, share of the bare server`, want: { atLeast: WANTED }, got: ratio.median }],
  );
}

interface Measuring {
  readonly title: string;
  readonly unit: string;
  readonly all: readonly Asking[];
  readonly span: Span;
  /** What one answer counts. */
  readonly each: number;
  readonly rounds: number;
}

async function measure(place: Place, { title, unit, all, span, each, rounds }: Measuring): Promise<Finding> {
  const seen = all.map(() => [] as LoadFacts[]);
  const nameOf = ({ form, isBare }: Asking) =>
    isBare !== true ? form.name : form.over === "http" ? "bare fastify" : "bare grpc-js";
  const arms = all.map(
    (asking, i): Arm => ({
      name: nameOf(asking),
      async measure() {
        const facts = await load(place, asking, span);
        seen[i]?.push(facts);
        return facts.perSecond * each;
      },
    }),
  );
  const [peer, ...others] = arms;
  if (peer === undefined) throw new Error("expected an arm, got none");
  const comparison = await compare({ title, unit, rounds, arms: [peer, ...others] });
  const of = (i: number, key: "p50Ms" | "p99Ms" | "clientCpu") => spread((seen[i] ?? []).map((one) => one[key])).median;
  return {
    title,
    comparison,
    rows: arms.map(({ name }, i) => ({
      name,
      cells: {
        "p50 ms": of(i, "p50Ms"),
        "p99 ms": of(i, "p99Ms"),
        "client's CPU, share of a core": of(i, "clientCpu"),
      },
    })),
    goals: [],
    notes: ["the model answers with its input, in the gateway's own process"],
  };
}
