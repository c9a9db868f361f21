import type { IncomingMessage } from "node:http";
import { describe, expect, test } from "vitest";
import type { Protocol, Route } from "../../../core/protocol.ts";
import { openKnownWays, type Way } from "../../../gateway/known-ways.ts";

const asking = (method: string, url: string) => ({ method, url }) as IncomingMessage;
const wayTo = (model: string): Way => ({
  protocol: { name: "oip-rest" } as Protocol,
  route: { method: "POST", path: "/v2/models/:model/infer" } as Route,
  params: { model },
});

describe("ways that the router has found before", () => {
  test("are found again for the same method and URL, and for no other", () => {
    const ways = openKnownWays();
    const way = wayTo("a");
    ways.keep(asking("POST", "/v2/models/a/infer"), way);

    expect(ways.find(asking("POST", "/v2/models/a/infer"))).toBe(way);
    expect(ways.find(asking("GET", "/v2/models/a/infer"))).toBeUndefined();
    expect(ways.find(asking("POST", "/v2/models/a/infer?x=1"))).toBeUndefined();
    expect(ways.find(asking("POST", "/v2/models/A/infer"))).toBeUndefined();
    expect(ways.find(asking("POST", "/v2/models/b/infer"))).toBeUndefined();
  });

  test("are begun anew after 1,024, so that strangers' URLs cannot fill the memory", () => {
    const ways = openKnownWays();
    for (let i = 0; i < 1024; i += 1) ways.keep(asking("POST", `/v2/models/m${i}/infer`), wayTo(`m${i}`));
    expect(ways.find(asking("POST", "/v2/models/m0/infer"))?.params.model).toBe("m0");

    ways.keep(asking("POST", "/v2/models/m1024/infer"), wayTo("m1024"));
    expect(ways.find(asking("POST", "/v2/models/m0/infer"))).toBeUndefined();
    expect(ways.find(asking("POST", "/v2/models/m1024/infer"))?.params.model).toBe("m1024");
  });

  test("a URL of over 512 bytes is left to the router", () => {
    const ways = openKnownWays();
    const url = `/v2/models/${"m".repeat(600)}/infer`;
    ways.keep(asking("POST", url), wayTo("m"));
    expect(ways.find(asking("POST", url))).toBeUndefined();
  });
});
