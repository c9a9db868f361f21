import { describe, expect, it } from "vitest";
import { compareVersions } from "../../../core/model.ts";

describe("versions", () => {
  it.each([
    [["10", "9", "1"], "1 9 10"],
    // as TorchServe's are
    [["10.0", "2.0", "1.10", "1.9"], "1.9 1.10 2.0 10.0"],
    [["1.0", "1", "2"], "1 1.0 2"],
    [["9007199254740993", "9007199254740992"], "9007199254740992 9007199254740993"],
    [["b", "a", "3", "1.x", "v2"], "3 1.x a b v2"],
  ])("%j stand in the order %s", (versions, order) => {
    expect([...versions].sort(compareVersions).join(" ")).toBe(order);
  });

  it("that are equal are equal", () => {
    for (const version of ["1", "1.0", "a"]) expect(compareVersions(version, version)).toBe(0);
  });
});
