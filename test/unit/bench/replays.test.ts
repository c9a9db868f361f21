// The stubs of the benchmarks: recorded answers in a form that keeps the connection, and one for every kind of server.

import { describe, expect, test } from "vitest";
import { keptOpen, managementOf, stubOf } from "../../../bench/replays.ts";
import { EXTERNAL_ROWS } from "../../contract/external-rows.ts";

const text = (answer: string) => Buffer.from(keptOpen(Buffer.from(answer))).toString();

describe("an answer is kept open", () => {
  test.each([
    ["with the length that it has", "content-length: 2\r\nx: 1\r\n\r\nok", "x: 1\r\ncontent-length: 2\r\n\r\nok"],
    ["without its wish to close", "Connection: close\r\nContent-Length: 2\r\n\r\nok", "content-length: 2\r\n\r\nok"],
    [
      "with its chunks joined",
      "transfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
      "content-length: 2\r\n\r\nok",
    ],
    ["with a length where its end was the connection's", "x: 1\r\n\r\nok", "x: 1\r\ncontent-length: 2\r\n\r\nok"],
  ])("%s", (_, given, kept) => {
    expect(text(`HTTP/1.1 200 OK\r\n${given}`)).toBe(`HTTP/1.1 200 OK\r\n${kept}`);
  });

  test("as HTTP/1.1", () => expect(text("HTTP/1.0 200 OK\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 OK\r\n/));
});

describe.each(EXTERNAL_ROWS)("the stub of $kind over $over", (row) => {
  const stub = stubOf(row);

  test("answers the row's question with the recording that the row names", () => {
    expect(stub.usual.byteLength).toBeGreaterThan(0);
    if (row.over === "http") expect(Buffer.from(stub.usual).toString("latin1")).toMatch(/^HTTP\/1\.1 200 /);
    expect(stub.answers.some(({ asked }) => new RegExp(stub.asks).test(asked))).toBe(true);
  });

  test("keeps each answer to one question", () => {
    const asked = stub.answers.map((one) => one.asked);
    if (row.over === "http") expect(new Set(asked).size).toBe(asked.length);
    expect(stub.answers.length).toBeGreaterThan(1);
  });
});

test("the stub of TorchServe's management port lists models, and never runs one", () => {
  const row = EXTERNAL_ROWS.find(({ kind }) => kind === "torchserve")!;
  const { answers, asks } = managementOf(row);
  expect(answers.map(({ asked }) => asked)).toContain("GET /models/digits");
  expect(answers.some(({ asked }) => new RegExp(asks).test(asked))).toBe(false);
});
