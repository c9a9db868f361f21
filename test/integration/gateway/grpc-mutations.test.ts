// Thousands of mutated messages over gRPC: each gets a right answer or a clear refusal, alone and among others on a stream.

import { afterAll, beforeAll, expect, test } from "vitest";
import { checkTensor, DATATYPES, type Tensor } from "../../../core/tensor.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { type Chance, chance, DEMO_VERSIONS, demoFile, randomInputs, startDemo } from "../../support/gateway-demo.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import {
  type GrpcCaller,
  grpcCaller,
  type InferAsk,
  inferAnswer,
  inferMessage,
  streamAnswer,
} from "../../support/gateway-grpc.ts";
import { openReference, type Reference } from "../../support/gateway-reference.ts";
import { wholeReply } from "../../support/scripted.ts";

/** More for a soak: SLUICE_TEST_MUTATIONS=20000. */
const COUNT = Number(process.env.SLUICE_TEST_MUTATIONS ?? 4_000);
const SEED = Number(process.env.SLUICE_TEST_SEED ?? 20_260_102);
const CLIENTS = 24;
/** INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED and UNIMPLEMENTED, by the client itself. */
const REFUSALS = [3, 5, 8, 12];

let reference: Reference;

beforeAll(() => {
  reference = openReference();
});

afterAll(() => reference.close());

interface Shot {
  readonly message: Buffer;
  readonly id: string;
  /** What must be answered where nothing was changed. */
  readonly right: { readonly file: string; readonly inputs: readonly Tensor[] } | undefined;
  readonly story: string;
}

/** A request before it is encoded. */
type Draft = InferAsk;

/** Changes that leave a message of protobuf. */
const CHANGES: readonly (readonly [string, (draft: Draft, dice: Chance) => Partial<Draft>])[] = [
  ["another model", (_, dice) => ({ model: dice.pick(["", "nobody", "iris ", "../iris", "digits\u0000", "é"]) })],
  ["another version", (_, dice) => ({ version: dice.pick(["0", "9", "-1", "x", "1.0", "99999999999999999999"]) })],
  ["no inputs", () => ({ inputs: [] })],
  ["an input too few", ({ inputs }) => ({ inputs: inputs.slice(1) })],
  ["an input twice", ({ inputs }) => ({ inputs: [...inputs, ...inputs.slice(0, 1)] })],
  ["another name", (draft, dice) => first(draft, () => ({ name: dice.pick(["", "x", "input", "é\u0000"]) }))],
  ["another datatype", (draft, dice) => first(draft, () => ({ datatype: dice.pick(DATATYPES) }))],
  ["no datatype", (draft, dice) => first(draft, () => ({ datatype: dice.pick(["", "FP33", "fp32"]) as "FP32" }))],
  ["another shape", (draft, dice) => first(draft, ({ shape }) => ({ shape: dice.pick([...SHAPES, [...shape, 1]]) }))],
  ["bytes too few", (draft) => first(draft, ({ data }) => ({ data: data.subarray(0, -1) }))],
  ["bytes too many", (draft) => first(draft, ({ data }) => ({ data: Buffer.concat([data, Buffer.from([1])]) }))],
  ["other bytes", (draft, dice) => first(draft, ({ data }) => ({ data: Buffer.from(data).fill(dice.below(256)) }))],
  ["an output that is not there", () => ({ outputs: ["nothing"] })],
  ["an output twice", () => ({ outputs: ["OUTPUT0", "OUTPUT0"] })],
  ["an empty output", () => ({ outputs: [""] })],
  ["parameters", (_, dice) => ({ parameters: new Map([[dice.pick(KEYS), dice.pick(VALUES)]]) })],
  ["shared memory", (draft) => first(draft, () => ({ parameters: new Map([["shared_memory_region", "r"]]) }))],
];

const SHAPES = [[], [0], [1], [-1, 4], [2 ** 31, 2 ** 31], [2 ** 40], new Array(100).fill(1)];
const KEYS = ["timeout", "priority", "sequence_id", "sequence_start", "triton_x", "sluice_x", "own", ""];
const VALUES = [true, "x", "", 5_000_000n, -1n, 2n ** 63n, 0.5, Number.NaN];

/** The draft's first input, changed. */
function first(draft: Draft, how: (tensor: Tensor) => Partial<Tensor>): Partial<Draft> {
  const [tensor, ...rest] = draft.inputs;
  return tensor === undefined ? {} : { inputs: [{ ...tensor, ...how(tensor) }, ...rest] };
}

/** Pieces of protobuf's wire format: unknown fields, wrong wire types, groups, ends that lie beyond. */
const PIECES = [
  [0xa0, 6, 1],
  [0x3a, 0],
  [0x2a, 0],
  [0x0b],
  [0x0c],
  [0x2d, 1, 2, 3, 4],
  [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x28, 1],
  [0x22, 2, 0x0a, 0],
  [0x3a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
  [0x0a, 1, 0xff],
  [0x00],
  [0x07],
];

/** Changes of the bytes themselves. */
const DAMAGES: readonly (readonly [string, (message: Buffer, dice: Chance) => Buffer])[] = [
  ["a byte changed", (message, dice) => (message.byteLength === 0 ? message : flipped(message, dice))],
  [
    "many bytes changed",
    (message, dice) => Array.from({ length: 8 }).reduce<Buffer>((bytes) => flipped(bytes, dice), message),
  ],
  ["cut off", (message, dice) => message.subarray(0, dice.below(message.byteLength + 1))],
  ["a piece put in", (message, dice) => put(message, dice.below(message.byteLength + 1), dice.pick(PIECES))],
  ["a piece behind", (message, dice) => put(message, message.byteLength, dice.pick(PIECES))],
  ["twice", (message) => Buffer.concat([message, message])],
  ["noise", (_, dice) => Buffer.from(Array.from({ length: dice.below(64) }, () => dice.below(256)))],
];

function flipped(message: Buffer, dice: Chance): Buffer {
  const bytes = Buffer.from(message);
  if (bytes.byteLength > 0) bytes[dice.below(bytes.byteLength)] = dice.below(256);
  return bytes;
}

function put(message: Buffer, at: number, piece: readonly number[]): Buffer {
  return Buffer.concat([message.subarray(0, at), Buffer.from(piece), message.subarray(at)]);
}

function shotOf(serial: number): Shot {
  const dice = chance(SEED + serial);
  const [model, version] = dice.pick(DEMO_VERSIONS);
  const inputs = randomInputs(model, dice, { rows: 1 + dice.below(3) });
  const contents = dice.pick(["raw", "typed"] as const);
  const id = `shot-${serial}`;
  let draft: Draft = { model, version, id, inputs, contents };
  const story = [`${model} ${contents}`];
  for (let left = dice.pick([0, 1, 1, 1, 2]); left > 0; left -= 1) {
    const [name, apply] = dice.pick(CHANGES);
    story.push(name);
    draft = { ...draft, ...apply(draft, dice) };
  }
  let message = encoded(draft);
  if (dice.below(3) === 0) {
    const [name, apply] = dice.pick(DAMAGES);
    story.push(name);
    message = apply(message, dice);
  }
  const right = story.length === 1 ? { file: demoFile(model, version), inputs } : undefined;
  return { message, id, right, story: `seed ${SEED + serial} (${story.join(", ")})` };
}

/** What has no typed form goes raw. */
function encoded(draft: Draft): Buffer {
  try {
    for (const input of draft.inputs) checkTensor(input);
    return inferMessage(draft);
  } catch {
    return inferMessage({ ...draft, contents: "raw" });
  }
}

interface Report {
  readonly counts: Record<number, number>;
  readonly faults: string[];
}

/** A shot alone. */
async function fire(caller: GrpcCaller, shot: Shot, report: Report): Promise<void> {
  const { code, details, messages, trailers } = await caller.ask({ method: "ModelInfer", messages: [shot.message] });
  report.counts[code] = (report.counts[code] ?? 0) + 1;
  const wrong =
    code === 0
      ? await judge(
          shot,
          messages.map((bytes) => inferAnswer(bytes)),
        )
      : refusal({ code, details, origin: trailers["sluice-error-origin"] });
  if (wrong !== undefined) report.faults.push(`${shot.story}: ${wrong}`);
  else if (code !== 0 && shot.right !== undefined) report.faults.push(`${shot.story}: refused: ${details}`);
}

/** Several on one stream, which must end in order. */
async function volley(caller: GrpcCaller, shots: readonly Shot[], report: Report): Promise<void> {
  const answer = await caller.ask({ method: "ModelStreamInfer", messages: shots.map(({ message }) => message) });
  if (answer.code !== 0 || answer.messages.length !== shots.length) {
    const got = `${answer.messages.length} of ${shots.length} answers, status ${answer.code} ${answer.details}`;
    report.faults.push(`a stream from ${shots[0]?.story}: ${got}`);
    return;
  }
  for (const [i, shot] of shots.entries()) {
    const part = streamAnswer(answer.messages[i]);
    report.counts[part.kind === "answer" ? 0 : -1] = (report.counts[part.kind === "answer" ? 0 : -1] ?? 0) + 1;
    if (part.kind === "error" && shot.right !== undefined)
      report.faults.push(`${shot.story}: refused: ${part.message}`);
    if (part.kind === "error" && /internal|undefined/.test(part.message))
      report.faults.push(`${shot.story}: ${part.message}`);
    const wrong = part.kind === "answer" ? await judge(shot, [part.response]) : undefined;
    if (wrong !== undefined) report.faults.push(`${shot.story}: ${wrong}`);
  }
}

async function judge(shot: Shot, answers: readonly ReturnType<typeof inferAnswer>[]): Promise<string | undefined> {
  const [answer] = answers;
  if (answer === undefined || answers.length > 1) return `${answers.length} answers`;
  if (shot.right === undefined) return undefined;
  if (answer.id !== shot.id) return `the answer of ${answer.id}`;
  const right = await reference.run(shot.right.file, shot.right.inputs as Parameters<Reference["run"]>[1]);
  for (const { name, data } of right) {
    const got = answer.outputs.find((output) => output.name === name);
    if (got === undefined || !Buffer.from(got.data).equals(data)) return `output "${name}" is not what the model gives`;
  }
  return undefined;
}

function refusal(end: { readonly code: number; readonly details: string; readonly origin: string | undefined }) {
  if (!REFUSALS.includes(end.code) || end.origin !== "client" || end.details === "") return JSON.stringify(end);
  return undefined;
}

async function storm(port: number, count: number): Promise<Report> {
  const report: Report = { counts: {}, faults: [] };
  let next = 0;
  const client = async () => {
    const caller = grpcCaller(port);
    while (next < count) {
      const from = next;
      const alone = chance(SEED - from).below(4) > 0;
      next += alone ? 1 : 5;
      const shots = Array.from({ length: next - from }, (_, i) => shotOf(from + i));
      const [first] = shots;
      if (alone && first !== undefined) await fire(caller, first, report);
      else await volley(caller, shots, report);
    }
    caller.close();
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return report;
}

test(`${COUNT} mutated messages get a right answer or a clear refusal, and afterwards all is as before`, {
  timeout: 60_000 + COUNT * 10,
}, async () => {
  const gateway: TestGateway = await startDemo();
  try {
    const { counts, faults } = await storm(gateway.grpcPort, COUNT);
    expect(faults.slice(0, 10), JSON.stringify(counts)).toEqual([]);
    // both sides of the line are really tried
    expect(counts[0]).toBeGreaterThan(COUNT / 10);
    expect(counts[3]).toBeGreaterThan(COUNT / 10);
    const after = await gateway.metrics();
    for (const code of ["internal", "bad-backend", "unavailable", "overloaded", "cancelled"]) {
      expect([code, after.sum("sluice_requests_total", { code })]).toEqual([code, 0]);
    }
    expect(after.sum("sluice_workers_lost_total")).toBe(0);
    expect([after.sum("sluice_in_flight_bytes"), after.sum("sluice_in_flight_requests")]).toEqual([0, 0]);
    expect((await storm(gateway.grpcPort, 5)).faults).toEqual([]);
  } finally {
    await gateway.close();
  }
});

test("the judge reports every answer with one bit that is wrong", async () => {
  const fake = fakeBackend();
  for (const [name, version] of DEMO_VERSIONS) {
    fake.put(name, version, {
      async service({ inputs }) {
        const outputs = await reference.run(demoFile(name, version), inputs as Parameters<Reference["run"]>[1]);
        const [one, ...rest] = outputs;
        if (one === undefined || name !== "add_sub") return wholeReply(name, version, { outputs });
        const data = Uint8Array.from(one.data);
        data[0] = (data[0] ?? 0) ^ 1;
        return wholeReply(name, version, { outputs: [{ ...one, data }, ...rest] });
      },
    });
  }
  const gateway = await startGateway({ yaml: "backends: {local: {kind: fake}}", kinds: [fake.kind] });
  try {
    const { faults } = await storm(gateway.grpcPort, 300);
    const shots = Array.from({ length: 300 }, (_, i) => shotOf(i));
    const spoilt = shots.filter(({ right }) => right?.file === demoFile("add_sub", "1"));
    expect(spoilt.length).toBeGreaterThan(5);
    expect(faults.filter((fault) => fault.includes("is not what the model gives"))).toHaveLength(spoilt.length);
  } finally {
    await gateway.close();
  }
});
