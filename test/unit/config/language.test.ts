import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { loadConfig } from "../../../config/load.ts";
import { mistakesIn, stub } from "./kinds.ts";

describe("the whole example of the language", () => {
  const example = readFileSync(new URL("../../fixtures/language.yaml", import.meta.url), "utf8");

  it("is refused with 'not yet' for every word that is not built, and knows every word", () => {
    const mistakes = mistakesIn(example);
    expect(mistakes.map((mistake) => mistake.replace(/ comes? with a later release \(f\.yaml:\d+\)$/, ""))).toEqual([
      'backends.gpu.kind: not yet: the backend kind "triton"',
      'backends.tf.kind: not yet: the backend kind "tf-serving"',
      'backends.torch.kind: not yet: the backend kind "torchserve"',
      'backends.kserve.kind: not yet: the backend kind "oip"',
    ]);
  });

  it("gives way to a kind that already has a planned word of its own", () => {
    const retrying = { ...stub, options: z.strictObject({ retry: z.int() }) };
    const source = { text: "backends: {b: {kind: onnx, retry: 3}}", file: "f.yaml", env: {} };
    const loaded = loadConfig(source, { backends: [retrying], plannedBackends: [], policies: [] });
    expect(loaded.ok && loaded.config.backends[0]?.options).toEqual({ retry: 3 });
  });
});
