// The servers of the compose file: the gateway's config reaches them, they find their models, and their health checks can tell.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../config/load.ts";
import { kinds } from "../../gateway/kinds.ts";
import { freePorts } from "../interop/support/ports.ts";
import { ROOT, readCompose, readText, type Service } from "./files.ts";

const { gateway: _, valkey, ...services } = readCompose().services;
const config = parse(readText("deploy/compose.yaml")) as {
  readonly backends: Readonly<Record<string, { readonly kind: string; readonly endpoints?: readonly string[] }>>;
  readonly models: { readonly digits: { readonly versions: { readonly 1: { readonly targets: readonly Target[] } } } };
};

interface Target {
  readonly backend: string;
}

function service(name: string): Service {
  const found = services[name];
  if (found === undefined) throw new Error(`expected one of ${Object.keys(services).join(" ")}, got ${name}`);
  return found;
}

describe("the gateway's config", () => {
  test("has one model in front of every server", () => {
    const targets = config.models.digits.versions[1].targets.map(({ backend }) => backend);
    expect(targets).toEqual(["triton", "tf-serving", "torchserve"]);
    expect(Object.keys(services).sort()).toEqual([...targets].sort());
  });

  // the ports that each image listens on by itself, or by the file that is mounted
  test.each([
    ["triton", "triton:8001"],
    ["tf-serving", "tf-serving:8500"],
    ["torchserve", "http://torchserve:8080"],
  ])("reaches %s by its service's name", (name, endpoint) => {
    expect(config.backends[name]).toMatchObject({ kind: name, endpoints: [endpoint] });
  });

  test("is told TorchServe's ports by the file that TorchServe reads", () => {
    const lines = readText("deploy/servers/torchserve/config.properties").split("\n");
    expect(lines).toContain("inference_address=http://0.0.0.0:8080");
    expect(lines).toContain("management_address=http://0.0.0.0:8081");
    expect(config.backends.torchserve).toMatchObject({ management: 8081 });
  });
});

describe("the store", () => {
  test("is there only where its profile is asked for, and is the one that the gateway's config names", () => {
    expect(valkey).toMatchObject({ profiles: ["store"] });
    const file = join(ROOT, "deploy/compose.yaml");
    const loaded = loadConfig({ text: readText("deploy/compose.yaml"), file, env: {} }, kinds);
    expect(loaded.ok && loaded.config.store?.valkey).toBe("redis://valkey:6379");
    expect(loaded.ok && loaded.config.models?.find(({ name }) => name === "iris")?.policies.has("cache")).toBe(true);
  });

  test("has a bound, gives way when it is full, and writes nothing to a disk", () => {
    const words = valkey?.command?.join(" ") ?? "";
    for (const word of ["--save  ", "--appendonly no", "--maxmemory 256mb", "--maxmemory-policy allkeys-lru"])
      expect(words).toContain(word);
  });
});

describe("each server finds its model", () => {
  const mountsOf = (name: string) =>
    new Map(
      service(name)
        .volumes?.map((volume) => volume.split(":") as [string, string])
        .map(([from, to]) => [to, from]),
    );
  const wordBehind = (words: readonly string[] = [], word: string) => words[words.indexOf(word) + 1];

  test("Triton, in the repository of its command", () => {
    expect(wordBehind(service("triton").command, "--model-repository")).toBe("/store");
    const mounts = mountsOf("triton");
    expect(existsSync(join(ROOT, mounts.get("/store/digits/1") ?? "", "model.onnx"))).toBe(true);
    expect(readText(mounts.get("/store/digits/config.pbtxt") ?? "")).toMatch(
      /^name: "digits"\nbackend: "onnxruntime"$/m,
    );
  });

  test("TensorFlow Serving, where its image looks for the model that is named", () => {
    // MODEL_BASE_PATH of the image is /models
    const folder = mountsOf("tf-serving").get("/models") ?? "";
    const { MODEL_NAME = "" } = service("tf-serving").environment ?? {};
    expect(existsSync(join(ROOT, folder, MODEL_NAME, "1", "saved_model.pb"))).toBe(true);
  });

  test("TorchServe, in the store of its command and by the names in its files", () => {
    const { command } = service("torchserve");
    const store = mountsOf("torchserve").get(wordBehind(command, "--model-store") ?? "") ?? "";
    const text = readText(join(store, (wordBehind(command, "--ts-config") ?? "").replace("/store/", "")));
    const properties = new Map(text.split("\n").map((line) => line.split(/=(.*)/) as [string, string]));
    const name = properties.get("load_models") ?? "";
    const { model } = JSON.parse(readText(join(store, name, "MAR-INF/MANIFEST.json"))) as {
      readonly model: { readonly modelName: string; readonly modelVersion: string; readonly handler: string };
    };
    expect(existsSync(join(ROOT, store, name, model.handler))).toBe(true);
    expect(existsSync(join(ROOT, store, name, "weights.npy"))).toBe(true);
    expect(JSON.parse(properties.get("models") ?? "")).toMatchObject({
      [model.modelName]: { [model.modelVersion]: { marName: name, defaultVersion: true } },
    });
    expect(Object.keys(config.models)).toContain(model.modelName);
  });
});

/** `from` in what the real server was recorded to answer; with `to` in its place the model is not ready. */
const CHECKS = [
  { name: "triton", port: 8000, recorded: "digits-ready", from: "200 OK", to: "400 Bad Request" },
  { name: "tf-serving", port: 8501, recorded: "status", from: "AVAILABLE", to: "LOADING" },
  { name: "torchserve", port: 8081, recorded: "model", from: "READY", to: "UNLOADING" },
] as const;

/** The path that the compose file's model has where the recorded one may have another. */
const PATHS = { triton: "/v2/models/digits/ready", "tf-serving": "/v1/models/digits", torchserve: "/models/digits" };

function recordedText(server: string, name: string): string {
  const { response } = JSON.parse(readText(`test/fixtures/recorded/${server}/${name}.json`)) as {
    readonly response: { readonly chunks: readonly { readonly text: string }[] };
  };
  return response.chunks.map(({ text }) => text).join("");
}

/** The exit status of a health check with its port exchanged. */
async function check(name: string, from: number, to: number): Promise<number | null> {
  const [kind, program = "", ...args] = service(name).healthcheck.test;
  expect(kind).toBe("CMD");
  const words = args.map((word) => word.replace(`/127.0.0.1/${from}`, `/127.0.0.1/${to}`));
  expect(words).not.toEqual(args);
  const child = spawn(program, words, { stdio: "ignore" });
  return new Promise((resolve, reject) => child.once("error", reject).once("exit", resolve));
}

describe.each(CHECKS)("the health check of $name", ({ name, port, recorded, from, to }) => {
  test.each([
    ["says yes to a model that is ready", from, 0],
    ["says no to a model that is not", to, 1],
  ])("%s", async (_, said, exit) => {
    const text = recordedText(name, recorded);
    expect(text).toContain(from);
    let asked = "";
    const server = createServer((socket) => {
      socket.on("error", () => {}); // it leaves as soon as it knows
      socket.on("data", (bytes) => {
        asked += bytes;
        if (asked.endsWith("\r\n\r\n")) socket.end(text.replace(from, said));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      expect(await check(name, port, (server.address() as { readonly port: number }).port)).toBe(exit);
      expect(asked).toBe(`GET ${PATHS[name]} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    } finally {
      server.close();
    }
  });

  test("says no where nobody listens", async () => {
    const [free = 0] = await freePorts(1);
    expect(await check(name, port, free)).not.toBe(0);
  });
});
