// The server that replays recorded answers: its bytes are those of the fixture, and each fault is what it is called.

import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type Fault, type RecordedServer, startRecorded } from "../../support/recorded.ts";
import { answerBytes, isHttp, type RecordedHttp, recordings } from "../../support/recorded-format.ts";

let server: RecordedServer | undefined;

afterEach(async () => {
  await server?.close();
  server = undefined;
});

const recording = (name: string) => recordings("triton").find((one) => one.name === name) as RecordedHttp;
const READY = "GET /v2/health/ready HTTP/1.1\r\nhost: a\r\n\r\n";
const LIVE = "GET /v2 HTTP/1.1\r\nhost: a\r\n\r\n";

interface Seen {
  readonly bytes: Buffer;
  readonly end: "ended" | "reset" | "open";
}

/** All that comes until the connection ends, or for 60 ms after the last byte. */
function send(port: number, text: string): Promise<Seen> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const chunks: Buffer[] = [];
    let timer: NodeJS.Timeout;
    const finish = (end: Seen["end"]) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ bytes: Buffer.concat(chunks), end });
    };
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => finish("open"), 60);
    };
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      wait();
    });
    socket.once("end", () => finish("ended"));
    socket.once("error", () => finish("reset"));
    socket.write(text);
    wait();
  });
}

async function faulted(fault: Fault): Promise<Seen> {
  server = await startRecorded("triton", { fault: () => fault });
  return await send(server.port, LIVE);
}

const WHOLE = answerBytes(recording("server"));
const HEAD = WHOLE.indexOf("\r\n\r\n") + 4;

test("an answer is the recorded bytes, one after the other on one connection", async () => {
  server = await startRecorded("triton");
  const seen = await send(server.port, READY + LIVE);
  expect(seen.bytes.equals(Buffer.concat([answerBytes(recording("ready")), WHOLE]))).toBe(true);
  expect([server.connections.taken, server.asked.map((one) => [one.path, one.nth])]).toEqual([
    1,
    [
      ["/v2/health/ready", 1],
      ["/v2", 2],
    ],
  ]);
});

test("of several recordings of a path, the one with the question's body answers, else the first; or the one named", async () => {
  const wrong = recording("infer-wrong-shape");
  const path = "/v2/models/add_sub/infer";
  const question = (body: string) =>
    `POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const body = (wrong.request.body as { readonly text: string }).text;
  let name: string | undefined;
  server = await startRecorded("triton", { answer: () => name });
  expect((await send(server.port, question(body))).bytes.equals(answerBytes(wrong))).toBe(true);
  expect((await send(server.port, question("{}"))).bytes.equals(answerBytes(recording("infer")))).toBe(true);
  name = "infer-missing-input";
  expect((await send(server.port, question(body))).bytes.equals(answerBytes(recording(name)))).toBe(true);
});

test("what was never recorded gets no server's status", async () => {
  server = await startRecorded("triton");
  const seen = await send(server.port, "GET /never HTTP/1.1\r\nhost: a\r\n\r\n");
  expect(`${seen.bytes}`).toMatch(/^HTTP\/1\.1 599 [\s\S]*GET \/never was never recorded$/);
});

describe("a fault", () => {
  test.each([
    ["reset before any byte", { fault: "reset", after: "nothing" }, 0, "reset"],
    ["reset after the head", { fault: "reset", after: "head" }, HEAD, "reset"],
    ["reset after 3 bytes of the body", { fault: "reset", after: 3 }, HEAD + 3, "reset"],
    ["cut", { fault: "cut" }, HEAD + ((WHOLE.byteLength - HEAD) >> 1), "ended"],
    ["hang before any byte", { fault: "hang", after: "nothing" }, 0, "open"],
    ["hang after the head", { fault: "hang", after: "head" }, HEAD, "open"],
    ["drip", { fault: "drip", bytes: 7 }, WHOLE.byteLength, "open"],
    ["delay", { fault: "delay", ms: 20 }, WHOLE.byteLength, "open"],
  ] as const)("%s", async (_what, fault, length, end) => {
    const seen = await faulted(fault);
    expect(seen.bytes.equals(WHOLE.subarray(0, length))).toBe(true);
    expect(seen.end).toBe(end);
  });

  test.each([
    ["another header", { fault: "header", name: "content-type", value: "text/html" }, /content-type: text\/html\r\n/],
    ["no such header", { fault: "header", name: "content-length", value: undefined }, /^(?![\s\S]*content-length)/i],
    ["another status", { fault: "status", status: 503 }, /^HTTP\/1\.1 503 OK\r\n[\s\S]*"name":"triton"/],
    ["another body", { fault: "body", body: "{}" }, /content-length: 2\r\n\r\n\{\}$/],
    ["raw bytes", { fault: "raw", bytes: "no HTTP" }, /^no HTTP$/],
  ] as const)("%s", async (_what, fault, words) => {
    expect(`${(await faulted(fault)).bytes}`).toMatch(words);
  });
});

test("nothing of the machine where it was recorded stands in a recording", () => {
  for (const kind of ["triton", "mlserver", "kserve", "litserve", "bentoml", "flask", "torchserve"]) {
    const all = recordings(kind);
    expect(all.length, kind).toBeGreaterThan(20);
    for (const one of all) {
      const bytes = isHttp(one) ? `${answerBytes(one)}` : `${one.status.details} ${one.responses.map(atob).join(" ")}`;
      expect(bytes, `${kind}/${one.name}`).not.toMatch(
        /\/tmp\/|\/root\/|\/home\/|site-packages|127\.0\.0\.1|localhost/,
      );
    }
  }
});
