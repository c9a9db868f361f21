import { describe, expect, test } from "vitest";
import { formatServerAddress } from "../../../../backends/external/addresses.ts";
import { discover, type Place, type Resolver } from "../../../../backends/external/discovery.ts";
import type { EndpointsWord } from "../../../../backends/external/words.ts";
import { externalKind } from "../../../../backends/external.ts";
import { parseYaml } from "../../../../config/load.ts";
import { evenEnv, fakeResolver, pass, settle } from "./fake-server.ts";

const kind = externalKind({
  kind: "fake",
  words: {},
  connect: () => {
    throw new Error("not in this test");
  },
});

function wordOf(endpoints: unknown): EndpointsWord {
  return (kind.options.parse({ endpoints }) as { readonly endpoints: EndpointsWord }).endpoints;
}

function setUp(endpoints: unknown, resolver: Partial<Resolver> = {}) {
  const env = evenEnv();
  const found: (readonly Place[])[] = [];
  const stop = discover({
    backend: "b",
    word: wordOf(endpoints),
    env,
    resolver: fakeResolver(resolver),
    baseDir: "/base",
    parseYaml,
    found: (places) => found.push(places),
  });
  const addresses = () => found.map((places) => places.map(({ address }) => formatServerAddress(address)));
  const warnings = () => env.lines.map(({ level, message }) => `${level}: ${message}`);
  return { env, found, addresses, warnings, stop };
}

test("a list is found at once and never again", () => {
  const { env, found } = setUp(["a:1", { address: "b:2", weight: 2, zone: "eu", tier: 1, tags: ["big"] }]);
  expect(found).toMatchObject([
    [
      { address: { host: "a", port: 1 }, weight: 1, tier: 0, tags: [] },
      { address: { host: "b", port: 2 }, weight: 2, zone: "eu", tier: 1, tags: ["big"] },
    ],
  ]);
  expect(env.clock.pending).toBe(0);
});

describe("a name in DNS", () => {
  test("gives an endpoint for each address, IPv6 in brackets, under the name's certificate", async () => {
    const { found, addresses } = setUp(
      { dns: "https://triton.models.svc/v" },
      { addresses: async () => ["10.0.0.1", "fd00::1", "10.0.0.1"] },
    );
    await settle();
    expect(addresses()).toEqual([["10.0.0.1:443/v", "[fd00::1]:443/v"]]);
    expect(found[0]?.[0]).toMatchObject({ foundAs: "triton.models.svc", address: { scheme: "https" } });
  });

  test("is resolved again after each interval, and again only when the last time is over", async () => {
    let asked = 0;
    const answers = [["10.0.0.1"], ["10.0.0.2"]];
    const { env, addresses } = setUp(
      { dns: "t:1", every: "10s" },
      { addresses: () => (asked < 2 ? Promise.resolve(answers[asked++] ?? []) : new Promise(() => (asked += 1))) },
    );
    await pass(env, 60_000, 1000);
    expect(addresses()).toEqual([["10.0.0.1:1"], ["10.0.0.2:1"]]);
    expect(asked).toBe(3);
  });

  test("that cannot be resolved, or has no address, keeps the servers known before; each reason is said once", async () => {
    let answer: () => Promise<readonly string[]> = async () => ["10.0.0.1"];
    const { env, addresses, warnings } = setUp({ dns: "t:1" }, { addresses: () => answer() });
    await settle();
    answer = () => Promise.reject(new Error("getaddrinfo EAI_AGAIN t"));
    await pass(env, 50_000, 1000);
    answer = async () => [];
    await pass(env, 50_000, 1000);
    expect(addresses()).toEqual([["10.0.0.1:1"]]);
    expect(warnings()).toEqual([
      "warn: endpoints stay as they are: getaddrinfo EAI_AGAIN t",
      "warn: endpoints stay as they are: expected at least one address of t, got none",
    ]);
    answer = async () => ["10.0.0.2"];
    await pass(env, 10_000, 1000);
    expect(addresses()).toEqual([["10.0.0.1:1"], ["10.0.0.2:1"]]);
  });
});

test("an SRV record gives hosts, ports and weights, and a tier for each priority", async () => {
  const { found } = setUp(
    { srv: "_http._tcp.triton" },
    {
      srv: async () => [
        { name: "b.example.", port: 2, priority: 20, weight: 0 },
        { name: "a.example", port: 1, priority: 10, weight: 60 },
        { name: "c.example", port: 3, priority: 20, weight: 40 },
      ],
    },
  );
  await settle();
  expect(found[0]).toMatchObject([
    { address: { host: "b.example", port: 2 }, tier: 1, weight: 0.1 },
    { address: { host: "a.example", port: 1 }, tier: 0, weight: 60 },
    { address: { host: "c.example", port: 3 }, tier: 1, weight: 40 },
  ]);
});

describe("a file of endpoints", () => {
  test("is read from the config's folder, and again as it changes", async () => {
    let text = "- a:1\n- {address: b:1, weight: 3}\n";
    const paths: string[] = [];
    const { env, addresses } = setUp(
      { file: "endpoints.yaml", every: "2s" },
      {
        async readFile(path) {
          paths.push(path);
          return text;
        },
      },
    );
    await settle();
    text = "[]";
    await pass(env, 2000);
    expect(addresses()).toEqual([["a:1", "b:1"], []]);
    expect(paths).toEqual(["/base/endpoints.yaml", "/base/endpoints.yaml"]);
  });

  test.each([
    ["- a:1\n- nonsense\n", "endpoints.yaml: [1] expected host:port such as triton-0:8001, or a URL"],
    ["- a:1\n- a:1\n", "endpoints.yaml: [1] expected each address once, got a:1 twice"],
    ["a: [", "line 1: expected YAML: flow sequence"],
  ])("with a mistake keeps the servers known before, and says what is wrong: %j", async (text, said) => {
    let now = "- a:1";
    const { env, addresses, warnings } = setUp({ file: "endpoints.yaml", every: "2s" }, { readFile: async () => now });
    await settle();
    now = text;
    await pass(env, 10_000, 1000);
    expect(addresses()).toEqual([["a:1"]]);
    expect(warnings()).toHaveLength(1);
    expect(warnings()[0]).toContain(said);
  });
});

test("nothing is found after the end", async () => {
  let answer: ((hosts: readonly string[]) => void) | undefined;
  const { env, found, stop } = setUp({ dns: "t:1" }, { addresses: () => new Promise((resolve) => (answer = resolve)) });
  stop();
  answer?.(["10.0.0.1"]);
  await pass(env, 20_000, 10_000);
  expect(found).toEqual([]);
  expect(env.clock.pending).toBe(0);
});
