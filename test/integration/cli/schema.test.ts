import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { parseYaml } from "../../../config/load.ts";
import { schemaText } from "../../../gateway/cli/schema.ts";
import { main } from "../../../gateway/cli.ts";
import { memoryIo } from "../../unit/gateway/cli/memory-io.ts";

describe("sluice schema", () => {
  const committed = readFileSync(new URL("../../../config/sluice.schema.json", import.meta.url), "utf8");

  it("prints what is committed; run `npx sluice schema > config/sluice.schema.json` when this fails", async () => {
    const io = memoryIo();
    expect(await main(["schema"], io)).toBe(0);
    expect(io.written()).toBe(committed);
    expect(schemaText()).toBe(committed);
  });

  it("describes every word", () => {
    const words: string[] = [];
    const bare: string[] = [];
    const walk = (node: Record<string, unknown>, path: string): void => {
      for (const [key, value] of Object.entries(node)) {
        if (typeof value !== "object" || value === null) continue;
        if (key !== "properties") {
          walk(value as Record<string, unknown>, `${path}/${key}`);
          continue;
        }
        for (const [word, schema] of Object.entries(value as Record<string, Record<string, unknown>>)) {
          words.push(word);
          // what stands elsewhere is described there
          if (typeof schema.description !== "string" && !("$ref" in schema || "allOf" in schema))
            bare.push(`${path}/${word}`);
          walk(schema, `${path}/${word}`);
        }
      }
    };
    walk(JSON.parse(committed), "");
    expect(bare).toEqual([]);
    expect(words).toEqual(
      expect.arrayContaining([
        "listen",
        "http",
        "repository",
        "kind",
        "backend",
        "timeout",
        "tenant",
        "breaker",
        "ejection",
      ]),
    );
  });

  it("accepts the packaged config and no broken one", () => {
    const schema = z.fromJSONSchema(JSON.parse(committed));
    const packaged = parseYaml(readFileSync(new URL("../../../config/sluice.yaml", import.meta.url), "utf8"));
    expect(schema.safeParse(packaged).success).toBe(true);
    expect(schema.safeParse({ ...(packaged as object), readines: "any" }).success).toBe(false);
    expect(schema.safeParse({ backends: { local: { kind: "triton" } } }).success).toBe(false);
  });

  it("is named by the first line of the packaged config", () => {
    const [first] = readFileSync(new URL("../../../config/sluice.yaml", import.meta.url), "utf8").split("\n");
    expect(first).toBe("# yaml-language-server: $schema=./sluice.schema.json");
  });
});
