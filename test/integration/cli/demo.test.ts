import { describe, expect, it } from "vitest";
import { main } from "../../../gateway/cli.ts";
import { memoryIo } from "../../unit/gateway/cli/memory-io.ts";

describe("sluice demo", () => {
  it("shows both versions, three flowers, five languages, seven refusals and the metrics, then stops", async () => {
    const io = memoryIo({ env: { SLUICE_CONFIG: "nowhere.yaml" } });
    expect(await main(["demo"], io)).toBe(0);
    const text = io.written();
    expect(io.complained()).toBe("");
    expect(text).not.toContain("\u001b");
    expect(text.match(/version \d says \d/g)).toEqual([
      ...["version 1 says 3", "version 2 says 3"],
      ...["version 1 says 7", "version 2 says 7"],
      ...["version 1 says 1", "version 2 says 6"],
    ]);
    expect(text.match(/ (right|wrong)$/gm)).toEqual([" right", " right", " right", " right", " wrong", " right"]);
    expect(text.match(/█{2}/g)?.length).toBeGreaterThan(20);
    expect(text.match(/setosa|versicolor|virginica/g)).toEqual(["setosa", "versicolor", "virginica"]);
    expect(text.match(/^ {2}(en|de|el|ja|vi) /gm)).toHaveLength(5);
    expect(text).toContain('input "image": shape [1,1,8,8] needs 64 elements, got 63 (400)');
    expect(text).toContain('model "cats" is not known (404)');
    expect(text.match(/\(4\d\d\)$/gm)).toHaveLength(7);
    const counted = [...text.matchAll(/^ {2}sluice_requests_total\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
    // 6 digits, 1 of flowers, 2 of languages, 7 bad ones
    expect(counted.reduce((sum, count) => sum + count, 0)).toBe(16);
    expect(text).toMatch(/\nDone in \d+\.\d s; the gateway has stopped\./);
  });
});
