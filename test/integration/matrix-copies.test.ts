// How often the bytes of a tensor are copied on their way from a front to a backend and back, between the two sockets.

import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import type { Door } from "../../backends/connection.ts";
import type { Service } from "../../core/service.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { Assembly } from "../../gateway/assemble.ts";
import { fakeBackend } from "../support/gateway-fake-backend.ts";
import { askAt, assembleOver } from "../support/matrix.ts";
import { ECHOING, echoDoor, specOf } from "../support/matrix-backends.ts";
import { type Copied, type Meter, openMeter } from "../support/matrix-copies.ts";
import { FRONTS } from "../support/matrix-fronts.ts";
import type { Value } from "../support/matrix-values.ts";

/** A picture of 224 x 224. */
const PICTURE: Value = {
  ...{ name: "picture", datatype: "FP32", shape: [1, 150_528], tokens: [] },
  data: new Uint8Array(new Float32Array(150_528).fill(1.5).buffer),
};

/** Where requests come from, with the copies that an answer makes on its way back there. */
const FROM = { "oip-rest, binary": 0, "sagemaker, NPY": 0, "oip-grpc, raw": 1, "tfs-grpc, tensor_content": 1 };

/** Where they go, with the copies that a request makes on its way there. */
const TO = { "triton http": 0, "sagemaker npy": 0, "triton grpc": 1, "tf-serving grpc": 1 };

const PAIRS = Object.entries(FROM).flatMap(([from, back]) =>
  Object.entries(TO).map(([to, there]) => ({ from, to, there, back })),
);

const open: { meter?: Meter; assembly?: Assembly } = {};
afterEach(close);

async function close(): Promise<void> {
  open.meter?.close();
  delete open.meter;
  await open.assembly?.close();
  delete open.assembly;
}

interface Journey {
  readonly there: Copied;
  readonly back: Copied;
}

/** What the second of two requests copies; `spoil` is a copy that nobody needs. */
async function measure(from: string, to: string, spoil = (tensor: Tensor) => tensor): Promise<Journey> {
  const front = FRONTS.find(({ protocol, form }) => `${protocol}, ${form}` === from)!;
  const { echo, connect } = ECHOING.find(({ kind, form }) => `${kind} ${form}` === to)!;
  const looks: Copied[] = [];
  const connection = connect(watched(echoDoor(echo, PICTURE), looks));
  const fake = fakeBackend();
  const service: Service = (request, call) =>
    connection.infer({ ...request, inputs: request.inputs.map((input) => spoil(input)) }, call);
  const specs = [specOf("x", PICTURE)];
  fake.put("m", "1", { service, inputs: specs, outputs: specs });
  open.assembly = await assembleOver(fake);
  const { ask } = askAt(front, { name: "m", planes: open.assembly.planes });
  const sent = front.send(PICTURE, "m");
  await ask(sent);
  open.meter = openMeter();
  const reply = await ask(sent);
  looks.push(open.meter.look());
  await close();
  expect(Buffer.compare(front.read(reply, PICTURE).data, PICTURE.data)).toBe(0);
  const [there, , back] = looks;
  return { there: there!, back: back! };
}

/** A door that looks at the meter when a request leaves, and when its answer is there: what the server does counts for nobody. */
function watched(door: Door, looks: Copied[]): Door {
  const around = async <T>(answer: () => Promise<T>): Promise<T> => {
    const look = () => open.meter !== undefined && looks.push(open.meter.look());
    look();
    const answered = await answer();
    look();
    return answered;
  };
  const [http, grpc] = [door.http(), door.grpc()];
  return {
    ...door,
    http: () => ({ ...http, ask: (ask, waiting) => around(() => http.ask(ask, waiting)) }),
    grpc: () => ({ ...grpc, unary: (ask, message, call) => around(() => grpc.unary(ask, message, call)) }),
  };
}

const times = ({ moved }: Copied) => Math.floor(moved / PICTURE.data.byteLength);

test.each(PAIRS)("from $from to $to: $there there, $back back", async ({ from, to, there, back }) => {
  const journey = await measure(from, to);
  expect([times(journey.there), times(journey.back)]).toEqual([there, back]);
  // heads and the like; the memory behind all buffers shows copies that no method makes
  const most = (copies: number) => (copies + 0.05) * PICTURE.data.byteLength;
  for (const [copies, copied] of [[there, journey.there] as const, [back, journey.back] as const]) {
    expect(copied.moved).toBeLessThan(most(copies));
    // small buffers come from a pool of Node's, and any of them may be the first in a new one
    expect(copied.grown).toBeLessThan(most(copies) + Buffer.poolSize);
  }
});

test("a copy too many would be seen, whichever way it is made", async () => {
  const counted = await measure("oip-rest, binary", "triton grpc", (x) => ({ ...x, data: Buffer.from(x.data) }));
  expect(times(counted.there)).toBe(2);
  // what no method moves shows in the growth, save where old buffers are let go of at that moment
  const grown: number[] = [];
  for (let i = 0; i < 5; i += 1) {
    const made = await measure("oip-rest, binary", "triton http", (x) => ({ ...x, data: new Uint8Array(x.data) }));
    expect(times(made.there)).toBe(0);
    grown.push(made.there.grown);
  }
  expect(Math.max(...grown)).toBeGreaterThanOrEqual(PICTURE.data.byteLength);
});

test("docs/design.md has these figures", () => {
  const page = readFileSync(new URL("../../docs/design.md", import.meta.url), "utf8");
  const columns = Object.keys(TO);
  const rows = Object.keys(FROM).map((from) => {
    const cells = PAIRS.filter((pair) => pair.from === from).map(({ there, back }) => `${there} + ${back}`);
    return `| ${[from, ...cells].join(" | ")} |`;
  });
  expect(page).toContain([`| from \\ to | ${columns.join(" | ")} |`, "|---|---|---|---|---|", ...rows].join("\n"));
});
