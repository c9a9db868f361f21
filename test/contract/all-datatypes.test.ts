// All datatypes through every kind of external server, against answers recorded from the real ones: a new kind is tested by its row.

import { afterAll, describe, expect, test } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { InferError } from "../../core/error.ts";
import type { InferRequest } from "../../core/request.ts";
import { DATATYPES, NO_PARAMETERS, type Tensor } from "../../core/tensor.ts";
import { DATATYPE_CASES, type DatatypeCase } from "../support/datatype-cases.ts";
import { headOf } from "../support/http-message.ts";
import { answerBytes, isHttp, type RecordedGrpc, type RecordedHttp, recordings } from "../support/recorded-format.ts";
import { aCall, type ExternalBackend, openExternalRow } from "./external-backend.ts";
import { DATATYPE_ROWS, type DatatypeRow, LOCAL_KINDS } from "./external-datatype-rows.ts";
import { questionOf, recordedQuestion } from "./external-questions.ts";

/** NaN without a payload, by datatype: as arithmetic makes it, and with a sign. */
const NAN: Readonly<Record<string, readonly string[]>> = {
  FP16: ["007e", "00fe"],
  FP32: ["0000c07f", "0000c0ff"],
  FP64: ["000000000000f87f", "000000000000f8ff"],
};

type Reply = readonly [name: string, datatype: string, shape: readonly number[], hex: string];

test("every registered kind has its rows, and every datatype and value its cases", () => {
  const kinds = [...new Set(DATATYPE_ROWS.map(({ kind }) => kind)), ...LOCAL_KINDS];
  expect(kinds.sort()).toEqual(backendKinds.map(({ kind }) => kind).sort());
  expect([...new Set(DATATYPE_CASES.map(({ datatype }) => datatype))].sort()).toEqual([...DATATYPES].sort());
  const names = DATATYPE_CASES.map(({ name }) => name);
  for (const { unlike } of DATATYPE_ROWS) expect(names).toEqual(expect.arrayContaining(Object.keys(unlike)));
});

describe.each(DATATYPE_ROWS)("$kind: $server over $over", (row) => {
  const backends = openRow(row);
  afterAll(() => backends.close());

  test.each(DATATYPE_CASES.map((one) => ({ ...one, borne: row.unlike[one.name] ?? "exact" })))(
    "$name is $borne",
    async ({ borne, ...one }) => {
      const backend = await backends.of(one);
      const { got, sent } = await ask(row, backend, one);
      const recording = recordings(row.server).find(({ name }) => name === row.recorded + one.name);
      const { input, output } = row.ask(one.datatype.toLowerCase());
      if (borne.startsWith("refused: ")) {
        const message = `input "${input}": ${borne.slice("refused: ".length)}`;
        expect(got).toBeInstanceOf(InferError);
        expect(got).toMatchObject({ message, code: "unsupported", origin: "client", retryable: "no" });
        expect(sent).toBeUndefined();
        // where the server was asked all the same, it cannot take it either
        if (recording !== undefined) expect(isGood(recording)).toBe(false);
        return;
      }
      expect(recording).toBeDefined();
      expect(sent).toEqual(recordedQuestion(recording as RecordedHttp | RecordedGrpc, one));
      if (borne === "lost") {
        expect(got).toBeInstanceOf(InferError);
        expect(got).toMatchObject({ code: "bad-backend", origin: "backend" });
        return;
      }
      const hex = borne === "canonical" ? expect.toBeOneOf([...(NAN[one.datatype] ?? [])]) : one.hex;
      expect(got).toEqual([[output, one.datatype, one.shape, hex]]);
    },
  );
});

test("a reader of another datatype would be caught, and a writer that is one off", async () => {
  const row = DATATYPE_ROWS.find(({ kind }) => kind === "bentoml") as DatatypeRow;
  const [narrow, wide] = ["int32", "int64"].map((name) => DATATYPE_CASES.find((one) => one.name === name)) as [
    DatatypeCase,
    DatatypeCase,
  ];
  const wrong = { ...row, ask: () => row.ask("int64") };
  const backends = openRow(wrong);
  try {
    const { got } = await ask(wrong, await backends.of(narrow), narrow, "datatype-int32");
    expect(got).not.toEqual([["output", "INT32", narrow.shape, narrow.hex]]);
  } finally {
    await backends.close();
  }
  const recording = recordings(row.server).find(({ name }) => name === "datatype-int64") as RecordedHttp;
  const { text } = recording.request.body as { readonly text: string };
  const off = { ...recording, request: { ...recording.request, body: { text: text.replace("993,", "992,") } } };
  expect(recordedQuestion(off, wide)).not.toEqual(recordedQuestion(recording, wide));
});

interface RowBackends {
  of(one: DatatypeCase): Promise<ExternalBackend>;
  close(): Promise<void>;
}

/** One backend for each config that the row's cases need. */
function openRow(row: DatatypeRow): RowBackends {
  const opened = new Map<string, Promise<ExternalBackend>>();
  return {
    of({ datatype }) {
      const { model, declared } = row.ask(datatype.toLowerCase());
      const models = declared === undefined ? {} : { models: { [model]: declared } };
      const key = JSON.stringify(models);
      const found =
        opened.get(key) ??
        openExternalRow({
          ...{ kind: row.kind, server: row.server, over: row.over, model: row.model, version: row.version ?? "1" },
          ...(row.port === undefined ? {} : { port: row.port }),
          words: (management) => ({ ...row.words(management), ...models }),
          ...{ inputs: [], expected: () => [], usual: "", asks: row.asks, faults: [] },
        });
      opened.set(key, found);
      return found;
    },
    async close() {
      for (const one of opened.values()) await (await one).close();
    },
  };
}

interface Came {
  readonly got: readonly Reply[] | unknown;
  /** The question that the server saw; undefined for none. */
  readonly sent: unknown;
}

async function ask(row: DatatypeRow, backend: ExternalBackend, one: DatatypeCase, answer?: string): Promise<Came> {
  const asked = row.ask(one.datatype.toLowerCase());
  const data = Buffer.from(one.hex, "hex");
  const input: Tensor = { name: asked.input, datatype: one.datatype, shape: one.shape, data };
  const before = backend.asked();
  backend.script.answer = answer ?? row.recorded + one.name;
  const call = aCall();
  const request: InferRequest = {
    model: { name: asked.model, select: { by: "default" } },
    task: "infer",
    inputs: [input],
    parameters: NO_PARAMETERS,
    stream: false,
    ...(asked.signature === undefined ? {} : { signature: asked.signature }),
  };
  try {
    const reply = await backend.endpoint.infer(request, call).catch((error: unknown) => error);
    const sent = backend.asked() === before ? undefined : questionOf(backend.lastAsked(), one);
    return { got: shownOf(reply), sent };
  } finally {
    call.end();
  }
}

function shownOf(reply: unknown): unknown {
  if (reply instanceof Error) return reply;
  const { outputs } = reply as { readonly outputs: readonly Tensor[] };
  return outputs.map(({ name, datatype, shape, data }) => [name, datatype, shape, Buffer.from(data).toString("hex")]);
}

function isGood(recording: RecordedHttp | RecordedGrpc): boolean {
  if (!isHttp(recording)) return recording.status.code === 0;
  return headOf(answerBytes(recording))?.first.includes(" 200") === true;
}
