import { describe, expect, it } from "vitest";
import type { InferError } from "../../../core/error.ts";
import { openProcessFaults } from "../../../gateway/process-faults.ts";
import { fakeEnv } from "../../support/fake-env.ts";

function open() {
  const env = fakeEnv();
  const faults = openProcessFaults(env);
  const failed: string[] = [];
  const request = (id: string) => ({
    about: () => ({ id }),
    fail: (fault: InferError) => void failed.push(`${id} ${fault.code}`),
  });
  return { env, faults, failed, request };
}

const ends = (env: ReturnType<typeof fakeEnv>) =>
  env.events.map((event) => (event.type === "process-fault" ? event.ends : event.type));

describe("a fault that nobody caught", () => {
  it("ends the request on whose behalf it was thrown, a second later, and is logged with it", async () => {
    const { env, faults, failed, request } = open();
    const [mine] = await Promise.all(
      ["a", "b"].map(
        (id) =>
          new Promise<string>((resolve) => {
            faults.serve(request(id), () => {
              // later turns of the loop belong to the request as well
              setImmediate(() => resolve(id === "a" ? faults.caught(new Error("broken")) : "well"));
            });
          }),
      ),
    );
    expect([mine, failed]).toEqual(["request", []]);
    env.clock.advance(1000);
    expect(failed).toEqual(["a internal"]);
    expect(env.lines).toMatchObject([{ level: "error", fields: { id: "a", err: new Error("broken") } }]);
    expect(ends(env)).toEqual(["request"]);
  });

  it("ends the process where it belongs to no request", () => {
    const { env, faults, failed } = open();
    expect(faults.caught(new Error("broken"))).toBe("process");
    expect([ends(env), failed, env.lines[0]?.level]).toEqual([["process"], [], "error"]);
  });

  it("ends the process when twenty came within a minute, and not when they came slowly", () => {
    const { env, faults, request } = open();
    const fault = () => {
      let said: string | undefined;
      faults.serve(request("a"), () => {
        said = faults.caught(new Error("broken"));
      });
      return said;
    };
    const slowly = Array.from({ length: 30 }, () => {
      env.clock.advance(3_200);
      return fault();
    });
    expect(new Set(slowly)).toEqual(new Set(["request"]));
    env.clock.advance(60_000);
    expect(Array.from({ length: 20 }, fault).indexOf("process")).toBe(19);
  });
});
