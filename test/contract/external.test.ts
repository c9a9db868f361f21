// What every kind of external server keeps to, against answers recorded from the real ones: a new kind is tested by its row.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { InferError } from "../../core/error.ts";
import { NO_PARAMETERS } from "../../core/tensor.ts";
import { until } from "../support/http-client.ts";
import { bodyOf, headOf } from "../support/http-message.ts";
import type { AskedHttp } from "../support/recorded.ts";
import { answerBytes, isHttp, type RecordedGrpc, type RecordedHttp, recordings } from "../support/recorded-format.ts";
import { aCall, type ExternalBackend, openExternalRow, type Script, shown } from "./external-backend.ts";
import { type ExternalRow, requestOf } from "./external-row.ts";
import { EXTERNAL_ROWS } from "./external-rows.ts";

const NEVER = new AbortController().signal;
const BIG = "x".repeat(2 ** 20 + 1);

describe.each(EXTERNAL_ROWS)("$kind: $server over $over", (row: ExternalRow) => {
  let opened: ExternalBackend;

  beforeAll(async () => {
    opened = await openExternalRow(row);
  });
  afterEach(() => {
    opened.script.answer = undefined;
    opened.script.fault = undefined;
    opened.script.when = undefined;
  });
  afterAll(() => opened?.close());

  async function infer(more: Parameters<typeof requestOf>[1] = {}) {
    const call = aCall(10_000);
    try {
      return await opened.endpoint.infer(requestOf(row, more), call);
    } finally {
      call.end();
    }
  }

  /** What comes of a question when the server does this. */
  async function failing(script: Script): Promise<unknown> {
    Object.assign(opened.script, script);
    const outputs = row.expected().map(([name]) => ({ name, parameters: NO_PARAMETERS }));
    return await infer({ outputs }).then(
      (reply) => shown(reply),
      (error: unknown) => error,
    );
  }

  test("says its name and kind, lists the model as ready, and tells its signature", async () => {
    expect([opened.backend.name, opened.backend.kind]).toEqual(["b", row.kind]);
    expect(opened.backend.endpoints.list().map((one) => one.available())).toEqual([true]);
    const metadata = await opened.backend.metadata({ name: row.model }, NEVER);
    expect(metadata.inputs.map((input) => input.name)).toEqual(row.inputs.map((input) => input.name));
    expect(metadata.outputs.map((output) => [output.name, output.datatype])).toEqual(
      row.expected().map(([name, datatype]) => [name, datatype]),
    );
  });

  test("answers with the model's numbers, and leaves the request's bytes as they were", async () => {
    const before = row.inputs.map((input) => Buffer.from(input.data).toString("hex"));
    const call = aCall();
    const reply = await opened.endpoint.infer(requestOf(row), call);
    call.end();
    const order = row.expected().map(([name]) => name);
    expect([...shown(reply)].sort((a, b) => order.indexOf(a[0]) - order.indexOf(b[0]))).toEqual(
      row.expected().map(([name, datatype, shape, numbers]) => [name, datatype, shape, rounded(datatype, numbers)]),
    );
    expect(row.inputs.map((input) => Buffer.from(input.data).toString("hex"))).toEqual(before);
    expect(call.trace.facts).toMatchObject({ backend: "b", endpoint: opened.endpoint.id });
  });

  test("gives only the outputs asked for", async () => {
    const [name = ""] = row.expected().at(-1) ?? [];
    opened.script.answer = row.oneOutput;
    const reply = await infer({ outputs: [{ name, parameters: NO_PARAMETERS }] });
    expect(shown(reply).map(([each]) => each)).toEqual([name]);
  });

  test.each(row.faults)(
    "takes the recorded %s for %s of the %s, to be tried again: %s",
    async (answer, code, origin, retryable) => {
      const failed = await failing({ answer });
      expect(failed).toBeInstanceOf(InferError);
      expect(failed).toMatchObject({ code, origin, retryable });
      expect((failed as InferError).message).not.toMatch(/127\.0\.0\.1|localhost|\/srv|\n/);
      expect((failed as InferError).message.length).toBeLessThan(700);
    },
  );

  // where an answer names its outputs at all
  const renamed = renamedAnswer(row);
  test.skipIf(renamed === undefined)(
    "takes an answer with other outputs than the model's for the backend's fault",
    async () => {
      await opened.backend.metadata({ name: row.model }, NEVER);
      opened.script.fault = renamed;
      await expect(infer()).rejects.toMatchObject({ code: "bad-backend", origin: "backend" });
      opened.script.fault = undefined;
      expect(shown(await infer())).toHaveLength(row.expected().length);
    },
  );

  test(`${row.runsOn ? "frees the caller that leaves though the server runs on" : "stops asking when the caller leaves"}, and says why`, async () => {
    opened.script.fault = row.over === "http" ? { fault: "hang", after: "nothing" } : { fault: "hang" };
    const asked = opened.asked();
    const call = aCall();
    const failed = opened.endpoint.infer(requestOf(row), call).catch((error: unknown) => error);
    await until(() => opened.asked() > asked);
    const open = opened.http?.connections.open ?? 0;
    call.cancel(new InferError("cancelled", "gone"));
    expect(await failed).toMatchObject({ code: "cancelled", message: "gone" });
    if (row.runsOn === true) {
      expect([opened.http?.connections.open ?? 0, opened.endpoint.slots.busy]).toEqual([open, 1]);
      expect(opened.grpc?.asked.at(-1)?.cancelled).not.toBe(true);
      call.end();
      return;
    }
    if (opened.http !== undefined) await until(() => (opened.http?.connections.open ?? 0) < open);
    if (opened.grpc !== undefined) await until(() => opened.grpc?.asked.at(-1)?.cancelled === true);
    call.end();
  });

  test("gives up when the deadline has come", async () => {
    opened.script.fault = row.over === "http" ? { fault: "hang", after: "nothing" } : { fault: "hang" };
    const call = aCall(60);
    await expect(opened.endpoint.infer(requestOf(row), call)).rejects.toMatchObject({ code: "deadline-exceeded" });
    call.end();
  });

  test("does nothing for a caller who has left before", async () => {
    const asked = opened.asked();
    const call = aCall();
    call.cancel(new InferError("cancelled", "gone"));
    await expect(opened.endpoint.infer(requestOf(row), call)).rejects.toMatchObject({ code: "cancelled" });
    call.end();
    expect(opened.asked()).toBe(asked);
  });

  if (row.over === "http")
    describe("over HTTP", () => {
      test.each([
        ["a connection that is reset before any byte", { fault: "reset", after: "nothing" }, "unavailable"],
        ["a connection that is reset after the head", { fault: "reset", after: "head" }, "unavailable"],
        ["half a body", { fault: "cut" }, "unavailable"],
        ["no HTTP", { fault: "raw", bytes: "SSH-2.0-OpenSSH_9.2\r\n" }, "bad-backend"],
        ["an answer larger than the limit", { fault: "body", body: BIG }, "bad-backend"],
        ["a page of HTML with status 200", { fault: "body", body: "<html>welcome</html>" }, "bad-backend"],
        ["an error in JSON with status 200", { fault: "body", body: '{"error":"boom"}' }, "bad-backend"],
        ["an empty body with status 200", { fault: "body", body: "" }, "bad-backend"],
      ] as const)("takes %s for the backend's fault", async (_what, fault, code) => {
        const failed = await failing({ fault });
        expect(failed).toBeInstanceOf(InferError);
        expect(failed).toMatchObject({ code, origin: "backend" });
      });

      test.each([
        ["comes byte by byte", { fault: "drip", bytes: 3 }],
        ["comes late", { fault: "delay", ms: 30 }],
      ] as const)("understands an answer that %s", async (_what, fault) => {
        expect(await failing({ fault })).toEqual(shown(await infer()));
      });

      // a test that fails until the kind keeps to it: then the row loses its word
      const typed = row.notYet?.includes("content type") === true ? test.fails : test;
      typed("never takes an answer of another content type for other numbers", async () => {
        const right = shown(await infer());
        const got = await failing({ fault: { fault: "header", name: "content-type", value: "text/html" } });
        if (got instanceof InferError) expect(got).toMatchObject({ code: "bad-backend", origin: "backend" });
        else expect(got).toEqual(right);
      });

      test("uses a connection again, unless the server ends it", async () => {
        await infer();
        const taken = opened.http!.connections.taken;
        await infer();
        await infer();
        expect(opened.http!.connections.taken - taken).toBe(row.closes === true ? 2 : 0);
      });

      if (row.closes !== true)
        test("repeats once what a reused connection lost before any byte", async () => {
          const right = shown(await infer());
          const asked = opened.asked();
          // its answer must come over a connection of its own
          const when = (one: AskedHttp) => one.nth > 1;
          expect(await failing({ fault: { fault: "reset", after: "nothing" }, when })).toEqual(right);
          expect(opened.asked() - asked).toBe(2);
        });
    });

  if (row.over === "grpc")
    describe("over gRPC", () => {
      test.each([
        ["bytes that are no message", { fault: "messages", messages: [Buffer.from("<html>")] }, "bad-backend"],
        ["a status of UNAVAILABLE", { fault: "status", code: 14, details: "gone" }, "unavailable"],
        ["a status of RESOURCE_EXHAUSTED", { fault: "status", code: 8, details: "busy" }, "overloaded"],
        ["a status of DATA_LOSS", { fault: "status", code: 15, details: "lost" }, "bad-backend"],
        [
          "an answer larger than the limit",
          { fault: "messages", messages: [Buffer.alloc(2 ** 20 + 1)] },
          "bad-backend",
        ],
      ] as const)("takes %s for the backend's fault", async (_what, fault, code) => {
        const failed = await failing({ fault });
        expect(failed).toBeInstanceOf(InferError);
        expect(failed).toMatchObject({ code, origin: "backend" });
      });
    });

  test("once closed it takes no calls, and closing again does no harm", async () => {
    const other = await openExternalRow(row);
    const call = aCall();
    await other.backend.close();
    await expect(other.endpoint.infer(requestOf(row), call)).rejects.toMatchObject({ code: "unavailable" });
    call.end();
    expect(other.endpoint.available()).toBe(false);
    await other.close();
  });
});

/** The usual answer with every output under another name of the same length; undefined where it does not name them. */
function renamedAnswer(row: ExternalRow): Script["fault"] {
  const usual = recordings(row.server).find(({ name }) => name === row.usual) as RecordedHttp | RecordedGrpc;
  const rename = (bytes: Buffer) => {
    let text = bytes.toString("latin1");
    for (const [name] of row.expected()) text = text.replaceAll(name, `${name.slice(0, -1)}~`);
    return Buffer.from(text, "latin1");
  };
  if (!isHttp(usual)) {
    const messages = usual.responses.map((message) => Buffer.from(message, "base64"));
    return { fault: "messages", messages: messages.map(rename) };
  }
  const bytes = answerBytes(usual);
  const head = headOf(bytes);
  const found = head === undefined ? undefined : bodyOf(bytes.subarray(head.length), head);
  if (found === undefined || found === "untilClose") throw new Error(`${row.usual} has no body`);
  const body = rename(found.body);
  return body.equals(found.body) ? undefined : { fault: "body", body };
}

/** Numbers as the datatype holds them. */
function rounded(datatype: string, numbers: readonly number[]): readonly number[] {
  return datatype === "FP32" ? numbers.map(Math.fround) : numbers;
}
