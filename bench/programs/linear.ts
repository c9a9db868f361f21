// A server of the Open Inference Protocol without batching of its own: one run at a time, each of a*rows + B milliseconds of waiting.

import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { answer } from "../program.ts";
import type { Served } from "../simulated.ts";

const tensor = (name: string) => ({ name, datatype: "FP32", shape: [-1, 1] });
const MODEL = { name: "linear", versions: ["1"], platform: "linear", inputs: [tensor("x")], outputs: [tensor("y")] };

const held: { server?: Server; last: Promise<void> } = { last: Promise.resolve() };

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** Resolves when the runs before it and its own are over. */
function run(ms: number): Promise<void> {
  held.last = held.last.then(() => new Promise((resolve) => setTimeout(resolve, ms)));
  return held.last;
}

async function infer({ a, B }: Served, body: string): Promise<unknown> {
  const { inputs } = JSON.parse(body) as { readonly inputs: readonly { readonly shape: readonly number[] }[] };
  const rows = inputs[0]?.shape[0] ?? 0;
  await run(a * rows + B);
  const output = { name: "y", datatype: "FP32", shape: [rows, 1], data: new Array(rows).fill(1) };
  return { model_name: MODEL.name, model_version: "1", outputs: [output] };
}

function about(path: string): unknown {
  if (path === "/v2") return { name: "linear", version: "1", extensions: [] };
  return /^\/v2\/models\/linear(\/versions\/1)?$/.test(path) ? MODEL : {};
}

answer({
  async start(served: Served) {
    const server = createServer(async (request, response) => {
      const path = request.url ?? "";
      const body = await bodyOf(request);
      const said = path.endsWith("/infer") ? await infer(served, body) : about(path);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(said));
    });
    held.server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  },
  port: () => (held.server?.address() as AddressInfo | undefined)?.port,
  stop() {
    held.server?.closeAllConnections();
    held.server?.close();
  },
});
