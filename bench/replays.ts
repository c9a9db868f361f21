// Stubs of real servers: what each kind was recorded to answer, as bytes that a stub has ready.

import type { ExternalRow } from "../test/contract/external-row.ts";
import { bodyOf, headOf } from "../test/support/http-message.ts";
import {
  answerBytes,
  isHttp,
  type RecordedGrpc,
  type RecordedHttp,
  recordings,
} from "../test/support/recorded-format.ts";
import type { ReadyAnswer, StubPort } from "./upstream-stub.ts";

/** A stub that answers as the row's server was recorded. */
export function stubOf(row: ExternalRow): StubPort {
  const all = recordings(row.server);
  if (row.over === "http")
    return httpStub(
      row,
      all.filter(isHttp).filter(({ port }) => port === "http"),
    );
  const grpc = all.filter((one): one is RecordedGrpc => !isHttp(one));
  const usual = grpc.find(({ name }) => name === row.usual);
  const answers = grpc.map(({ path, requests, responses }): ReadyAnswer => {
    const bytes = Buffer.from(responses[0] ?? "", "base64");
    return { asked: path, message: requests[0] ?? "", bytes };
  });
  const bytes = Buffer.from(usual?.responses[0] ?? "", "base64");
  return { over: "grpc", answers, asks: row.asks.source, usual: bytes };
}

/** A stub of TorchServe's management port, where the server has one. */
export function managementOf(row: ExternalRow): StubPort {
  const known = recordings(row.server).filter(isHttp);
  return httpStub(
    { ...row, asks: /^never$/ },
    known.filter(({ port }) => port === "management"),
  );
}

function httpStub(row: ExternalRow, known: readonly RecordedHttp[]): StubPort {
  const answers = new Map<string, ReadyAnswer>();
  for (const one of known) {
    const asked = `${one.request.method} ${one.request.path}`;
    // the first of the list is the usual answer
    if (!answers.has(asked)) answers.set(asked, { asked, bytes: keptOpen(answerBytes(one)) });
  }
  const usual = known.find(({ name }) => name === row.usual);
  const bytes = usual === undefined ? new Uint8Array(0) : keptOpen(answerBytes(usual));
  return { over: "http", answers: [...answers.values()], asks: row.asks.source, usual: bytes };
}

/** The answer with its length told and its connection kept: what ends a connection is not what is measured. */
export function keptOpen(answer: Buffer): Uint8Array {
  const head = headOf(answer);
  if (head === undefined) return answer;
  const rest = answer.subarray(head.length);
  const found = bodyOf(rest, head);
  const body = found === undefined || found === "untilClose" ? rest : found.body;
  const lines = answer
    .toString("latin1", 0, head.length - 4)
    .split("\r\n")
    .filter((line) => !/^(content-length|transfer-encoding|connection|keep-alive):/i.test(line))
    .map((line) => line.replace(/^HTTP\/1\.0/, "HTTP/1.1"));
  const text = `${lines.join("\r\n")}\r\ncontent-length: ${body.byteLength}\r\n\r\n`;
  return Buffer.concat([Buffer.from(text, "latin1"), body]);
}
