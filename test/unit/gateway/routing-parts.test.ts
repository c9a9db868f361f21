import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSink } from "../../../gateway/exposures/sinks.ts";
import { headersOfWay } from "../../../gateway/protocols/way.ts";
import { openTesters } from "../../../gateway/testers.ts";
import { fakeEnv } from "../../support/fake-env.ts";
import { aCall } from "../../support/fake-pool.ts";
import { headers } from "../../support/routes.ts";

describe("testers", () => {
  const tester = openTesters({
    peers: [
      { address: "10.1.0.0", prefix: 16, family: "ipv4" },
      { address: "fd00::", prefix: 8, family: "ipv6" },
    ],
    tenants: ["qa"],
  });

  it.each([
    [{ peer: "10.1.2.3" }, true],
    [{ peer: "10.2.2.3" }, false],
    [{ peer: "::ffff:10.1.2.3" }, true],
    [{ peer: "fd12::1" }, true],
    [{ peer: "2001:db8::1" }, false],
    [{ peer: "10.2.2.3", tenant: "qa" }, true],
    [{ peer: "10.2.2.3", tenant: "other" }, false],
    [{ peer: "" }, false],
    [{ peer: "no address" }, false],
  ])("%j: %s", (caller, is) => {
    expect(tester(caller)).toBe(is);
  });

  it("are nobody where the config lists none", () => {
    expect(openTesters(undefined)({ peer: "127.0.0.1" })).toBe(false);
  });
});

describe("the headers of a way", () => {
  const way = (isTester: boolean, said: string, asked: Record<string, string>) => {
    const call = aCall(fakeEnv(), headers(asked));
    call.trace.decide("canary", said);
    return headersOfWay(call, { tester: () => isTester });
  };

  it("are for testers who ask", () => {
    expect(way(true, "next", { "sluice-explain": "1" })).toEqual({ "sluice-path": "canary next" });
    expect(way(false, "next", { "sluice-explain": "1" })).toEqual({});
    expect(way(true, "next", { "sluice-explain": "0" })).toEqual({});
    expect(way(true, "next", {})).toEqual({});
  });

  it("hold nothing that a header cannot carry", () => {
    const { "sluice-path": path } = way(true, `zoë\r\nx: 1 \ud800 ${"y".repeat(9_000)}`, { "sluice-explain": "1" });
    expect(path).toMatch(/^canary zo%C3%AB%0D%0Ax: 1 %EF%BF%BD y+$/);
    expect(path?.length).toBe(4096);
  });
});

describe("where exposures go", () => {
  const { clock } = fakeEnv();

  it("a file gets whole lines, behind those that it has", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sluice-sink-"));
    const sink = openSink({ file: "e.jsonl" }, folder, clock);
    await sink.write(["1", "2"]);
    await sink.close();
    const later = openSink({ file: join(folder, "e.jsonl") }, "/nowhere", clock);
    await later.write(["3"]);
    await later.close();
    expect(await readFile(join(folder, "e.jsonl"), "utf8")).toBe("1\n2\n3\n");
    await expect(openSink({ file: "no/such/e.jsonl" }, folder, clock).write(["1"])).rejects.toThrow("ENOENT");
    await rm(folder, { recursive: true });
  });

  it("a webhook gets each batch in one POST, and says when it does not take one", async () => {
    const got: { readonly url: string | undefined; readonly type: string | undefined; readonly body: string }[] = [];
    const server = createServer(async (request, response) => {
      let body = "";
      for await (const part of request) body += part;
      got.push({ url: request.url, type: request.headers["content-type"], body });
      response.writeHead(got.length > 1 ? 500 : 204).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const sink = openSink({ webhook: `http://127.0.0.1:${port}/hook?key=1` }, "/", clock);
    await sink.write(["1", "2"]);
    expect(got).toEqual([{ url: "/hook?key=1", type: "application/x-ndjson", body: "1\n2\n" }]);
    await expect(sink.write(["3"])).rejects.toThrow("the webhook answered 500");
    await sink.close();
    server.close();
  });
});
