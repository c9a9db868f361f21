// The gateway with a model that answers with its input, in this process: what is measured is the fronts and nothing else.

import { loadConfig } from "../../config/load.ts";
import { tuneHeap } from "../../gateway/env.ts";
import { kinds } from "../../gateway/kinds.ts";
import { openLog } from "../../gateway/log.ts";
import { type Running, serve } from "../../gateway/main.ts";
import { fakeBackend } from "../../test/support/gateway-fake-backend.ts";
import { wholeReply } from "../../test/support/scripted.ts";
import type { FrontPorts } from "../front.ts";
import { MODEL, V1_MODEL } from "../front-forms.ts";
import { answer } from "../program.ts";

const held: { gateway?: Running } = {};

function configOf() {
  const fake = fakeBackend("echo");
  const x = { name: "x", datatype: "FP32", shape: [-1, -1] } as const;
  fake.put(MODEL, "1", {
    inputs: [x],
    outputs: [x],
    service: async ({ inputs }) => wholeReply(MODEL, "1", { outputs: inputs }),
  });
  // JSON is YAML
  const text = JSON.stringify({
    listen: { http: "127.0.0.1:0", grpc: "127.0.0.1:0", admin: "127.0.0.1:0" },
    log: { level: "info" },
    backends: { there: { kind: "echo" } },
    models: {
      [MODEL]: { backend: "there" },
      [V1_MODEL]: { backend: "there", model: MODEL, dialect: "kserve-v1" },
    },
  });
  const loaded = loadConfig(
    { text, file: "bench.yaml", env: {} },
    { ...kinds, backends: [...kinds.backends, fake.kind] },
  );
  if (!loaded.ok) throw new Error(loaded.mistakes.map(({ path, message }) => `${path}: ${message}`).join("; "));
  return loaded.config;
}

answer({
  async start() {
    tuneHeap();
    held.gateway = await serve({ config: configOf(), log: openLog({ level: "info", pretty: false }) });
    await held.gateway.settled();
  },
  ports: (): FrontPorts => ({
    http: held.gateway?.addresses.http?.port ?? 0,
    grpc: held.gateway?.addresses.grpc?.port ?? 0,
  }),
  stop: () => held.gateway?.stop(),
});
