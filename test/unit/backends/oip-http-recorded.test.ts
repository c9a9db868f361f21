import { afterEach, describe, expect, it } from "vitest";
import type { Connection } from "../../../backends/connection.ts";
import { openOipHttp } from "../../../backends/oip/http.ts";
import type { InferRequest } from "../../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../../core/tensor.ts";
import { ask, faultOf, numbers, outputsOf } from "../../support/kind-door.ts";
import { liveCall, liveDoor } from "../../support/live-door.ts";
import { type RecordedOptions, startRecorded } from "../../support/recorded.ts";

const NEVER = new AbortController().signal;

describe("bytes recorded from real servers", () => {
  const open: { close(): Promise<unknown> }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close();
  });

  async function replay(server: string, options: RecordedOptions = {}) {
    const recorded = await startRecorded(server, options);
    const connection = openOipHttp(liveDoor(recorded.url), "auto");
    open.push(recorded, connection);
    return { recorded, connection };
  }

  async function addSub(connection: Connection, more: Partial<InferRequest> = {}) {
    const row = Array.from({ length: 16 }, (_, index) => index);
    const inputs = ["INPUT0", "INPUT1"].map((name) => numbers(name, "INT32", [1, 16], row));
    const call = liveCall();
    try {
      return await connection.infer(ask("add_sub", inputs, more), call);
    } finally {
      call.end();
    }
  }

  const SUMS = [
    ["OUTPUT0", Array.from({ length: 16 }, (_, index) => index * 2)],
    ["OUTPUT1", Array(16).fill(0)],
  ];
  const values = (outputs: readonly Tensor[]) =>
    outputs.map(({ name, data }) => [name, [...new Int32Array(Uint8Array.from(data).buffer)]]);

  it.each([
    ["triton", "triton 2.51.0", "infer-binary"],
    ["kserve", "kserve 0.21.0", "infer-binary"],
    ["mlserver", "mlserver 1.7.1", "infer"],
  ])("%s says what it is, and is asked in its own way from then on", async (server, word, name) => {
    const answer: RecordedOptions["answer"] = ({ method }) => (method === "POST" ? name : undefined);
    const { recorded, connection } = await replay(server, { answer });
    expect(await connection.health(NEVER)).toBe(word);
    expect(recorded.asked.map(({ path }) => path)).toEqual(["/v2/health/ready", "/v2"]);
    const reply = await addSub(connection);
    expect(values(outputsOf(reply))).toEqual(SUMS);
    expect(reply).toMatchObject({ model: { name: "add_sub", version: "1" }, parameters: NO_PARAMETERS });
    const isBinary = recorded.asked.at(-1)?.headers.has("inference-header-content-length");
    expect(isBinary).toBe(server !== "mlserver");
    expect(recorded.connections.taken).toBe(1);
  });

  it("tell signatures", async () => {
    const { connection } = await replay("kserve");
    await connection.health(NEVER);
    expect(await connection.metadata({ name: "add_sub", version: "1" }, NEVER)).toMatchObject({
      version: "1",
      versions: ["1"],
      batchDim: 0,
      stateful: false,
    });
    expect((await faultOf(connection.metadata({ name: "faulty" }, NEVER)))[0]).toBe("unsupported");
    expect((await faultOf(connection.metadata({ name: "nobody" }, NEVER)))[0]).toBe("not-found");
  });

  it("are the backend's fault when half of them come", async () => {
    const { connection } = await replay("triton", {
      answer: ({ method }) => (method === "POST" ? "infer-binary" : undefined),
      fault: ({ method }) => (method === "POST" ? { fault: "cut" } : undefined),
    });
    await connection.health(NEVER);
    expect((await faultOf(addSub(connection))).slice(0, 3)).toEqual(["unavailable", "backend", "elsewhere"]);
  });

  it("say that the server is not ready", async () => {
    const { connection } = await replay("triton", { fault: () => ({ fault: "status", status: 400 }) });
    expect((await faultOf(connection.health(NEVER))).slice(0, 3)).toEqual(["unavailable", "backend", "elsewhere"]);
    const other = await replay("kserve", { fault: () => ({ fault: "body", body: '{"ready":false}' }) });
    expect((await faultOf(other.connection.health(NEVER)))[3]).toBe("the server says that it is not ready");
  });
});
