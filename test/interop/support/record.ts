// Records a real server's answers for tests that replay them: `npm run record -- triton`, or `triton:datatype-` for the
// questions with that in their names only.

import {
  kept,
  keptQuestion,
  type RecordedGrpc,
  type RecordedHttp,
  writeRecording,
} from "../../support/recorded-format.ts";
import { grpcAsk } from "./grpc-ask.ts";
import type { GrpcQuestion, HttpQuestion, Recorded } from "./questions.ts";
import { rawAsk } from "./raw-ask.ts";
import { isMissing, type Missing } from "./venv.ts";

interface Recorder {
  readonly kind: string;
  readonly server: Recorded;
  readonly day: string;
}

async function record(word: string): Promise<void> {
  const [kind = "", part = ""] = word.split(":");
  const list = (await import(`../servers/${kind}.record.ts`)) as { recorded(): Promise<Recorded | Missing> };
  const server = await list.recorded();
  if (isMissing(server)) throw new Error(server.missing);
  const recorder: Recorder = { kind, server, day: new Date().toISOString().slice(0, 10) };
  try {
    let asked = 0;
    for (const [order, question] of server.questions.entries()) {
      if (!question.name.includes(part)) continue;
      const recording =
        "messages" in question
          ? await recordGrpc(recorder, question, order)
          : await recordHttp(recorder, question, order);
      writeRecording(recording);
      asked += 1;
    }
    process.stdout.write(`${kind} ${server.version}: ${asked} exchanges recorded\n`);
  } finally {
    await server.close();
  }
}

async function recordHttp(recorder: Recorder, question: HttpQuestion, order: number): Promise<RecordedHttp> {
  const { kind, server, day } = recorder;
  const { name, method, path, headers, body, port = "http" } = question;
  const answered = await rawAsk(server.ports[port] as number, question);
  return {
    ...{ name, server: kind, version: server.version, recorded: day, order, port },
    request: { method, path, headers, body: keptQuestion(body) },
    response: {
      chunks: answered.chunks.map((chunk) => kept(withoutPrivate(chunk, server))),
      afterwards: answered.afterwards,
    },
  };
}

async function recordGrpc(recorder: Recorder, question: GrpcQuestion, order: number): Promise<RecordedGrpc> {
  const { kind, server, day } = recorder;
  const { name, path, messages } = question;
  const answered = await grpcAsk(server.ports.grpc as number, question);
  const { code, details } = answered.status;
  return {
    ...{ name, server: kind, version: server.version, recorded: day, order, port: "grpc", path, requests: messages },
    responses: answered.responses.map((message) => withoutPrivate(message, server).toString("base64")),
    status: { code, details: withoutPrivate(Buffer.from(details), server).toString() },
    trailers: answered.trailers,
  };
}

/** The bytes with each private text replaced by one of its length, so that what counts bytes stays true. */
function withoutPrivate(bytes: Buffer, server: Recorded): Buffer {
  let text = bytes.toString("latin1");
  for (const word of server.private) text = text.replaceAll(word, "/srv".padEnd(word.length, "-"));
  return Buffer.from(text, "latin1");
}

for (const kind of process.argv.slice(2)) await record(kind);
