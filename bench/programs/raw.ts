// The raw arm: ONNX Runtime called in a loop in one worker thread, with tensors that lie in memory; nothing else.

import { Worker } from "node:worker_threads";
import { answer } from "../program.ts";
import type { RawJob, RawSetup } from "../raw.ts";

const running: { worker?: Worker } = {};

function ask(message: RawSetup | RawJob): Promise<unknown> {
  const { worker } = running;
  if (worker === undefined) throw new Error("expected start first");
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("message", (said) => {
      worker.off("error", reject);
      resolve(said);
    });
    worker.postMessage(message);
  });
}

answer({
  async start(setup: RawSetup) {
    running.worker = new Worker(new URL("./raw-worker.ts", import.meta.url));
    await ask(setup);
  },
  run: (job: RawJob) => ask(job),
  async stop() {
    running.worker?.postMessage({ type: "end" });
  },
});
