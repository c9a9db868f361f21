// A gateway in a process of its own whose model throws beside its work, and the process in nobody's name when told to.

import { startGateway } from "./gateway.ts";
import { fakeBackend } from "./gateway-fake-backend.ts";

const { kind, put } = fakeBackend();
put("m", "1", {
  inputs: [{ name: "x", datatype: "UINT8", shape: [1] }],
  outputs: [{ name: "x", datatype: "UINT8", shape: [1] }],
  service: async ({ inputs }) => {
    if (inputs[0]?.data[0] !== 1) {
      return { kind: "whole", model: { name: "m", version: "1" }, outputs: inputs, parameters: new Map() };
    }
    // thrown where no caller can catch it, and never answered
    setImmediate(() => {
      throw new Error("broken beside the work");
    });
    return new Promise(() => {});
  },
});

const gateway = await startGateway({ yaml: "backends: {a: {kind: fake}}\n", kinds: [kind] });
process.on("uncaughtException", (error) => void process.send?.({ ends: gateway.running.caught(error) }));
process.on("message", () => {
  setTimeout(() => {
    throw new Error("broken in nobody's name");
  }, 0);
});
process.send?.({ port: gateway.port, grpcPort: gateway.grpcPort });
