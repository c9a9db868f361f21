import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { main } from "../../../gateway/cli.ts";
import { type MemoryIo, memoryIo } from "../../unit/gateway/cli/memory-io.ts";

const SAMPLES = new URL("../../../models/", import.meta.url).pathname;

const LISTEN = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

let folder = "";
let io: MemoryIo;
let code: Promise<number>;
let url = "";
let admin = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-serve-"));
  const backend = `{kind: onnx, repository: ${JSON.stringify(SAMPLES)}, workers: 1}`;
  await writeFile(join(folder, "sluice.yaml"), `log: {level: silent}\nbackends: {local: ${backend}}\n`);
  io = memoryIo({ cwd: folder });
  code = main(["serve", ...LISTEN], io);
  await served(io);
  url = /at (http:\S+)/.exec(io.written())?.[1] ?? "";
  admin = /metrics {2}(http:\S+)\/metrics/.exec(io.written())?.[1] ?? "";
});

afterAll(async () => {
  io.signal("SIGINT");
  expect(await code).toBe(0);
  await rm(folder, { recursive: true });
});

function served(asked: MemoryIo): Promise<unknown> {
  return vi.waitUntil(() => asked.written().includes("curl"), { timeout: 15_000, interval: 10 });
}

async function run(...args: readonly string[]) {
  const asked = memoryIo();
  const exit = await main([...args, "--url", url], asked);
  return { exit, out: asked.written(), err: asked.complained() };
}

describe("sluice serve", () => {
  it("says what it serves and where", async () => {
    expect(io.written()).toMatch(/^Sluice \d+\.\d+\.\d+ serves 4 models at http:\/\/127\.0\.0\.1:\d+\n/);
    expect(io.written()).toContain(
      "  add_sub   version 1\n  digits    versions 1, 2\n  iris      version 1\n  language  version 1\n",
    );
    expect((await fetch(`${admin}/readyz`)).status).toBe(200);
    expect(io.written()).toContain(`  config   ${folder}/sluice.yaml\n`);
    expect(io.complained()).toBe("");
  });

  it("prints a line that, pasted into a shell, is answered", async () => {
    const line =
      io
        .written()
        .split("\n")
        .find((text) => text.startsWith("curl")) ?? "";
    const args = execFileSync("/bin/sh", ["-c", line.replace("curl", `printf '%s\\n'`)])
      .toString()
      .trimEnd()
      .split("\n");
    expect([args[0], args[2], args[4]]).toEqual(["-s", "-H", "-d"]);
    const [name = "", value = ""] = args[3]?.split(": ") ?? [];
    const answer = await fetch(args[1] ?? "", { method: "POST", headers: { [name]: value }, body: args[5] ?? "" });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      model_name: "iris",
      outputs: [{ name: "label", data: [0, 1, 2] }, { name: "probabilities" }],
    });
  });
});

describe("sluice models", () => {
  it("lists names, versions, inputs and outputs", async () => {
    expect(await run("models")).toEqual({
      exit: 0,
      out: [
        "add_sub\t1\tready\tINPUT0 INT32 [-1,16], INPUT1 INT32 [-1,16]\tOUTPUT0 INT32 [-1,16], OUTPUT1 INT32 [-1,16]\n",
        "digits\t1, 2\tready\timage FP32 [-1,1,8,8]\tprobabilities FP32 [-1,10], digit INT64 [-1]\n",
        "iris\t1\tready\tmeasurements FP32 [-1,4]\tlabel INT64 [-1], probabilities FP32 [-1,3]\n",
        "language\t1\tready\ttext BYTES [-1]\tlabel BYTES [-1], probabilities FP32 [-1,24]\n",
      ].join(""),
      err: "",
    });
  });

  it("gives the same as JSON, for a script", async () => {
    const { models } = JSON.parse((await run("models", "--json")).out);
    expect(models[1]).toEqual({
      name: "digits",
      ready: true,
      versions: ["1", "2"],
      inputs: [{ name: "image", datatype: "FP32", shape: [-1, 1, 8, 8] }],
      outputs: [
        { name: "probabilities", datatype: "FP32", shape: [-1, 10] },
        { name: "digit", datatype: "INT64", shape: [-1] },
      ],
    });
  });

  it("says when nobody answers", async () => {
    const alone = memoryIo();
    // the port of a listener that was there a moment ago
    const { port } = new URL(await closedUrl());
    expect(await main(["models", "--url", `http://127.0.0.1:${port}`], alone)).toBe(1);
    expect(alone.complained()).toBe(
      `sluice: no gateway answers at http://127.0.0.1:${port}: connection refused ("sluice serve" starts one, --url names another)\n`,
    );
  });

  it("says when somebody else answers", async () => {
    const asked = memoryIo();
    expect(await main(["models", "--url", admin], asked)).toBe(1);
    expect(asked.complained()).toMatch(/^sluice: .*404/);
  });
});

describe("sluice infer", () => {
  const digits = `${SAMPLES}digits/samples/`;
  const truth = JSON.parse(readFileSync(`${digits}expected.json`, "utf8"));

  it.each(["zero", "three", "seven", "hard"])(
    "reads %s from JSON, NumPy and PNG alike, by each version",
    async (name) => {
      for (const version of ["1", "2"]) {
        const expected = `digit INT64 [1]  ${truth[name].versions[version]}\n`;
        for (const [file, ...more] of [["json"], ["npy"], ["png", "--scale", "16/255"]] as const) {
          const { exit, out } = await run(
            "infer",
            `digits:${version}`,
            "--input",
            `@${digits}${name}.${file}`,
            ...more,
          );
          expect([exit, out.slice(out.indexOf("digit INT64"))]).toEqual([0, expected]);
          expect(out).toMatch(new RegExp(`^digits version ${version} answered in \\d+\\.\\d ms$`, "m"));
        }
      }
    },
  );

  it("says what was done to a picture, and marks the likeliest class", async () => {
    const { out } = await run("infer", "digits", "-i", `@${digits}seven.png`, "--scale", "16/255");
    expect(out).toMatch(/^image: 8x8 grey, pixel values 0 to 255 times 0\.06275\n/);
    expect(out).toMatch(/^ {2}7 +99\.\d\d% █+\S? <-$/m);
  });

  it("answers values as typed: rows, text, several inputs", async () => {
    expect((await run("infer", "iris", "--data", "[[5.1, 3.5, 1.4, 0.2]]")).out).toContain("label INT64 [1]  0\n");
    expect((await run("infer", "iris", "--data", "[5.1, 3.5, 1.4, 0.2, 6.3, 3.4, 5.6, 2.4]")).out).toContain(
      "label INT64 [2]  0 2\n",
    );
    expect((await run("infer", "language", "-i", "Tous les êtres humains naissent libres")).out).toContain(
      'label BYTES [1]  "fr"\n',
    );
    const count = `[${Array.from({ length: 16 }, (_, i) => i).join(",")}]`;
    const { out } = await run("infer", "add_sub", "-i", `INPUT0=${count}`, "-i", `INPUT1=${count}`);
    expect(out).toContain("OUTPUT0 INT32 [1,16]  0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30\n");
  });

  it("prints the gateway's own JSON for a script", async () => {
    const { exit, out } = await run("infer", "digits", "-i", `@${digits}seven.npy`, "--json");
    expect(exit).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      model_name: "digits",
      model_version: "2",
      outputs: [{ name: "probabilities" }, { name: "digit", data: [7] }],
    });
  });

  it("passes on the gateway's words when it refuses, and exits 1", async () => {
    expect(await run("infer", "cats", "-d", "1")).toMatchObject({
      exit: 1,
      out: "",
      err: 'sluice: model "cats" is not known (404)\n',
    });
    const { exit, err } = await run(
      "infer",
      "iris",
      "-d",
      '{"inputs":[{"name":"measurements","shape":[1,4],"datatype":"FP32","data":[1,2,3]}]}',
    );
    expect([exit, err]).toEqual([1, 'sluice: input "measurements": shape [1,4] needs 4 elements, got 3 (400)\n']);
  });
});

async function closedUrl(): Promise<string> {
  const asked = memoryIo({ cwd: folder });
  const done = main(["serve", ...LISTEN], asked);
  await served(asked);
  asked.signal("SIGINT");
  await Promise.resolve();
  // npm passes on what the terminal has sent already: an echo is no second wish
  asked.signal("SIGINT");
  expect([await done, asked.exits]).toEqual([0, []]);
  return /at (http:\S+)/.exec(asked.written())?.[1] ?? "";
}
