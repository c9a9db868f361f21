// What nobody caught, in a gateway of its own process: it ends its request alone, with an honest error, and the others go on.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { grpcCaller, inferMessage } from "../support/gateway-grpc.ts";
import { plain } from "../support/gateway-oip.ts";
import { ask } from "../support/http-client.ts";

let child: ChildProcess | undefined;
afterEach(() => void child?.kill("SIGKILL"));

interface Ports {
  readonly port: number;
  readonly grpcPort: number;
}

function body(x: number) {
  return JSON.stringify({ inputs: [{ name: "x", datatype: "UINT8", shape: [1], data: [x] }] });
}

test("a fault beside a request's work ends that request over REST and gRPC, one in nobody's name the process", {
  timeout: 60_000,
}, async () => {
  child = fork(fileURLToPath(new URL("../support/process-child.ts", import.meta.url)), {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const said: unknown[] = [];
  const [{ port, grpcPort }] = (await once(child, "message")) as [Ports];
  child.on("message", (message) => said.push(message));
  const caller = grpcCaller(grpcPort);
  const inputs = [plain("x", "UINT8", [1], [1])];
  const broken = ask({ port, path: "/v2/models/m/infer", body: body(1) });
  const brokenToo = caller.ask({ method: "ModelInfer", messages: [inferMessage({ model: "m", inputs })] });
  const well = await Promise.all([2, 3, 4].map((x) => ask({ port, path: "/v2/models/m/infer", body: body(x) })));
  expect(well.map(({ status }) => status)).toEqual([200, 200, 200]);
  const answer = await broken;
  expect([answer.status, answer.headers["sluice-error-origin"], answer.json().error]).toEqual([
    500,
    "gateway",
    "internal error",
  ]);
  expect(await brokenToo).toMatchObject({ code: 13, details: "internal error" });
  expect(said).toEqual([{ ends: "request" }, { ends: "request" }]);
  expect((await ask({ port, path: "/v2/models/m/infer", body: body(5) })).status).toBe(200);
  child.send("break");
  const [last] = await once(child, "message");
  expect(last).toEqual({ ends: "process" });
  caller.close();
});
