import { describe, expect, it } from "vitest";
import { type Artifact, openArtifact } from "../../../../backends/onnx/artifact.ts";
import { undeclared } from "../../../../backends/onnx/declared.ts";
import { openShelf } from "../../../../backends/onnx/shelf.ts";
import { InferError } from "../../../../core/error.ts";
import type { Select } from "../../../../core/request.ts";
import { fakeEnv } from "../../../support/fake-env.ts";

function artifact(session: string): Artifact {
  const signature = { inputs: [], outputs: [], defaults: new Set(""), anyRank: new Set(""), batchDim: undefined };
  return openArtifact({ session, signature: undeclared(signature), hash: "", free: () => {} });
}

function shelfWith(versions: readonly string[]) {
  const env = fakeEnv();
  const shelf = openShelf("local", env);
  for (const version of versions) {
    shelf.change(shelf.add("m", version), "ready", { current: artifact(version) });
  }
  const find = (select: Select, name = "m") => {
    try {
      return shelf.resolve({ name, select }).artifact.session;
    } catch (error) {
      return `${(error as InferError).code}: ${(error as InferError).message}`;
    }
  };
  return { shelf, env, find };
}

describe("the shelf", () => {
  it("answers with the newest ready version by number, the one named, or the one labelled", () => {
    const { shelf, find } = shelfWith(["2", "10", "9"]);
    shelf.relabel("m", { stable: "9", gone: "7" });
    expect(find({ by: "default" })).toBe("10");
    expect(find({ by: "version", version: "2" })).toBe("2");
    expect(find({ by: "label", label: "stable" })).toBe("9");
    expect(find({ by: "label", label: "gone" })).toBe('not-found: model "m" label gone is not known');
    expect(find({ by: "label", label: "constructor" })).toBe('not-found: model "m" label constructor is not known');
    expect(find({ by: "version", version: "3" })).toBe('not-found: model "m" version 3 is not known');
    expect(find({ by: "default" }, "n")).toBe('not-found: model "n" is not known');
  });

  it("passes over a newer version that is not ready, and says why it is not when it is named", () => {
    const { shelf, find } = shelfWith(["1"]);
    const two = shelf.add("m", "2");
    expect(find({ by: "default" })).toBe("1");
    expect(find({ by: "version", version: "2" })).toBe('unavailable: model "m" version 2 is not ready: loading');
    shelf.change(two, "unavailable", { error: new InferError("unavailable", "the file is empty") });
    expect(find({ by: "version", version: "2" })).toBe(
      'unavailable: model "m" version 2 is not ready: the file is empty',
    );
    shelf.change(two, "unavailable", { error: new InferError("unsupported", "BF16") });
    expect(find({ by: "version", version: "2" })).toBe('unsupported: model "m" version 2 is not ready: BF16');
  });

  it("tells its listeners and says each state", () => {
    const { shelf, env } = shelfWith([]);
    let told = 0;
    const stop = shelf.catalog.onChange(() => {
      told += 1;
    });
    const one = shelf.add("m", "1");
    shelf.change(one, "ready", { current: artifact("1") });
    expect([told, shelf.catalog.ready("m"), shelf.catalog.ready("n")]).toEqual([2, ["1"], undefined]);
    shelf.remove(one);
    expect([told, shelf.catalog.ready("m"), shelf.catalog.list()]).toEqual([3, undefined, []]);
    stop();
    shelf.add("m", "1");
    expect(told).toBe(3);
    expect(env.events).toEqual([
      { type: "model-state", backend: "local", model: "m", version: "1", state: "ready", reason: undefined },
    ]);
  });
});

describe("an artifact", () => {
  it("is unused when the last run that used it has ended", async () => {
    const one = artifact("1");
    const ends = [one.use(), one.use()];
    let unused = false;
    void one.unused().then(() => {
      unused = true;
    });
    ends[0]?.();
    await Promise.resolve();
    expect(unused).toBe(false);
    ends[1]?.();
    await Promise.resolve();
    expect(unused).toBe(true);
    await artifact("2").unused();
  });
});
