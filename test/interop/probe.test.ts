// `sluice probe` against the real servers: what it says is what is known of them, and its config is one.

import { expect, it } from "vitest";
import type { Probed } from "../../backends/probe.ts";
import { loadConfig } from "../../config/load.ts";
import { main } from "../../gateway/cli.ts";
import { kinds } from "../../gateway/kinds.ts";
import { memoryIo } from "../unit/gateway/cli/memory-io.ts";
import { startBentoMl } from "./servers/bentoml.ts";
import { startFlask } from "./servers/flask.ts";
import { startKServe } from "./servers/kserve.ts";
import { startLitServe } from "./servers/litserve.ts";
import { startMlServer } from "./servers/mlserver.ts";
import { startTfServing } from "./servers/tf-serving.ts";
import { startTorchServe } from "./servers/torchserve.ts";
import { startTriton } from "./servers/triton.ts";
import { realServer } from "./support/suite.ts";

const DIGITS =
  "digits={inputs: [{name: image, datatype: FP32, shape: [-1, 1, 8, 8]}], outputs: [{name: probabilities, datatype: FP32, shape: [-1, 10]}, {name: digit, datatype: INT64, shape: [-1]}]}";

/** The server, the kind, and what comes of asking `digits`: twice the same, rows alone and together. */
async function probed(url: string, ...args: readonly string[]) {
  const io = memoryIo();
  expect(await main(["probe", url, "--json", ...args], io), io.complained()).toBe(0);
  const found = JSON.parse(io.written()) as Probed & { readonly config: string };
  const loaded = loadConfig({ text: found.config, file: "/sluice.yaml", env: {} }, kinds);
  expect(loaded.ok).toBe(true);
  return found;
}

function digitsOf({ models }: Probed) {
  const found = models.find(({ name }) => name === "digits");
  return [found?.trial?.repeatable, found?.trial?.rows?.together, found?.trial?.rows?.most];
}

const chosen = (process.env.SLUICE_INTEROP ?? "").split(/[\s,]+/);
const KINDS = ["triton", "mlserver", "kserve", "litserve", "bentoml", "torchserve", "tf-serving", "flask"];
/** Where kinds are named, only theirs are started. */
const isWanted = (kind: string) => chosen.includes(kind) || !KINDS.some((one) => chosen.includes(one));

if (isWanted("triton"))
  realServer(
    "triton",
    () => startTriton({ models: ["digits", "stream", "sum", "broken"] }),
    (server) => {
      it.each(["http", "grpc"] as const)("over %s is told with its batch limit", async (over) => {
        const found = await probed(`${over}://127.0.0.1:${server()[over]}`);
        expect([found.kind, found.server, found.words]).toEqual(["triton", "triton 2.51.0", { protocol: over }]);
        expect(digitsOf(found)).toEqual([true, "equal", 256]);
        const others = found.models.filter(({ name }) => name !== "digits");
        expect(others.map(({ name, untried }) => [name, untried])).toEqual([
          ["broken", "it is not ready"],
          ["stream", "it answers in streams"],
          ["sum", "it keeps state"],
        ]);
      });
    },
  );

if (isWanted("mlserver"))
  realServer("mlserver", startMlServer, (server) => {
    it.each(["http", "grpc"] as const)("over %s is told", async (over) => {
      const found = await probed(`${over}://127.0.0.1:${server()[over]}`, "--model", "digits");
      expect([found.kind, found.server]).toEqual(["oip", "mlserver 1.7.1"]);
      expect(found.models[0]?.versions.map(({ version }) => version)).toEqual(["1", "2"]);
      expect(digitsOf(found)).toEqual([true, "equal", 4096]);
    });
  });

if (isWanted("kserve"))
  realServer("kserve", startKServe, (server) => {
    it.each(["http", "grpc"] as const)("over %s is told", async (over) => {
      const found = await probed(`${over}://127.0.0.1:${server()[over]}`, "--model", "digits");
      expect([found.kind, found.server]).toEqual(["oip", "kserve 0.21.0"]);
      expect(digitsOf(found)).toEqual([true, "equal", 4096]);
    });
  });

if (isWanted("litserve"))
  realServer("litserve", startLitServe, (server) => {
    it("is told, and tried where its signature is given", async () => {
      const found = await probed(`http://127.0.0.1:${server().http}`, "--signature", DIGITS);
      expect([found.kind, digitsOf(found)]).toEqual(["litserve", [true, "equal", 4096]]);
    });
  });

if (isWanted("bentoml"))
  realServer("bentoml", startBentoMl, (server) => {
    it("is told with the signature of an API that declares it", async () => {
      const found = await probed(`http://127.0.0.1:${server().http}`, "--model", "probabilities");
      expect(found.kind).toBe("bentoml");
      expect(found.models[0]?.trial).toMatchObject({ repeatable: true, rows: { together: "equal" } });
    });
  });

if (isWanted("torchserve"))
  realServer(
    "torchserve",
    () => startTorchServe({ models: ["digits"] }),
    (server) => {
      it.each(["http", "grpc"] as const)("over %s is told, and tried where its signature is given", async (over) => {
        const found = await probed(`${over}://127.0.0.1:${server()[over]}`, "--signature", DIGITS);
        expect([found.kind, found.words, digitsOf(found).slice(0, 2)]).toEqual([
          "torchserve",
          { protocol: over },
          [true, "equal"],
        ]);
      });

      it("on its management port is told apart", async () => {
        const found = await probed(`http://127.0.0.1:${server().management}`);
        expect(found.quirks[0]).toMatch(/^this is its management port/);
      });
    },
  );

if (isWanted("tf-serving"))
  realServer(
    "tf-serving",
    () => startTfServing({ demo: ["digits"] }),
    (server) => {
      it.each(["http", "grpc"] as const)("over %s is told", async (over) => {
        const found = await probed(`${over}://127.0.0.1:${server()[over]}`, "--model", "digits");
        expect([found.kind, digitsOf(found)]).toEqual(["tf-serving", [true, "equal", 4096]]);
      });
    },
  );

if (isWanted("flask"))
  realServer("flask", startFlask, (server) => {
    it("is told as the SageMaker container that it also is", async () => {
      const found = await probed(`http://127.0.0.1:${server().http}`);
      expect([found.kind, found.words]).toEqual(["sagemaker", { mode: "container", multiModel: true }]);
      expect(found.quirks).toContain("closes the connection after each answer");
    });
  });
