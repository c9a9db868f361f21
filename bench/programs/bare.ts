// A bare node:http server in front of ONNX Runtime in one worker thread: what serving costs with nothing between the two.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Worker } from "node:worker_threads";
import { answer } from "../program.ts";
import type { RawSetup } from "../raw.ts";

/** One body whose answer is waited for. */
interface Waiting {
  readonly values: Float32Array<ArrayBuffer>;
  done(output: Uint8Array): void;
}

const held: { worker?: Worker; bytes: number } = { bytes: 0 };
const queue: Waiting[] = [];
const inWorker: Waiting[] = [];

/** One runs in the worker and one waits there, as the gateway has it. */
function pump(): void {
  while (inWorker.length < 2) {
    const next = queue.shift();
    if (next === undefined) return;
    inWorker.push(next);
    held.worker?.postMessage({ type: "one", values: next.values }, [next.values.buffer]);
  }
}

const server = createServer((request, response) => {
  const body = Buffer.allocUnsafeSlow(Number(request.headers["content-length"]));
  let at = 0;
  request.on("data", (part: Buffer) => {
    body.set(part, at);
    at += part.byteLength;
  });
  request.on("end", () => {
    // the tensor is what stands last; it is copied, since it begins where it likes
    const values = new Float32Array(new Uint8Array(body.subarray(-held.bytes)).buffer);
    queue.push({
      values,
      done(output) {
        response.writeHead(200, { "content-type": "application/octet-stream", "content-length": output.byteLength });
        response.end(output);
      },
    });
    pump();
  });
});

answer({
  async start(setup: RawSetup) {
    const worker = new Worker(new URL("./raw-worker.ts", import.meta.url));
    held.worker = worker;
    held.bytes = setup.shape.reduce((product, size) => product * size, 4);
    worker.postMessage(setup);
    await new Promise((resolve) => worker.once("message", resolve));
    worker.on("message", (output: Uint8Array) => {
      inWorker.shift()?.done(output);
      pump();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  },
  port: () => (server.address() as AddressInfo).port,
  stop() {
    held.worker?.postMessage({ type: "end" });
    server.closeAllConnections();
    server.close();
  },
});
