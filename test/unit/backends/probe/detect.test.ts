// Which kind a server is taken for: asked of answers recorded from the real ones, and of servers that nobody knows.

import { createServer, type Server } from "node:http";
import { createServer as createSocketServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { HttpAnswer, HttpClient } from "../../../../backends/connection.ts";
import { openGrpcClient } from "../../../../backends/grpc-client.ts";
import { openHttpClient } from "../../../../backends/http-client.ts";
import { detectGrpc } from "../../../../backends/probe/detect-grpc.ts";
import { detectHttp } from "../../../../backends/probe/detect-http.ts";
import { parseTarget } from "../../../../backends/probe/target.ts";
import { type Probed, type ProbeOptions, probe } from "../../../../backends/probe.ts";
import { parseYaml } from "../../../../config/load.ts";
import { systemClock, systemEnv } from "../../../../gateway/env.ts";
import { openLog } from "../../../../gateway/log.ts";
import { openSlicer } from "../../../../gateway/slicer.ts";
import { startRecorded } from "../../../support/recorded.ts";
import { startRecordedGrpc } from "../../../support/recorded-grpc.ts";

const NEVER = new AbortController().signal;
const env = systemEnv({ log: openLog({ level: "silent", pretty: false }), emit: () => {} });
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function seenOverHttp(port: number) {
  const client = openHttpClient({
    url: new URL(`http://127.0.0.1:${port}`),
    connections: 1,
    timeouts: { connectMs: 1_000, headersMs: 5_000, bodyMs: 5_000 },
    maxAnswerBytes: 2 ** 20,
  });
  closing.push(() => client.close());
  return detectHttp(client, {}, NEVER);
}

function seenOverGrpc(port: number) {
  const url = new URL(`http://127.0.0.1:${port}`);
  const limits = { connectTimeoutMs: 1_000, maxMessageBytes: 2 ** 20 };
  return detectGrpc((options) => openGrpcClient({ ...options, ...limits, url, env }), {
    headers: {},
    signal: NEVER,
    env,
  });
}

describe("over HTTP", () => {
  test.each([
    ["triton", "triton", "triton 2.51.0", { protocol: "http" }],
    ["mlserver", "oip", "mlserver 1.7.1", { protocol: "http" }],
    ["kserve", "oip", "kserve 0.21.0", { protocol: "http" }],
    ["bentoml", "bentoml", "bentoml service sluice_demo", {}],
    ["litserve", "litserve", "litserve", {}],
    ["torchserve", "torchserve", "torchserve 0.12.0", { protocol: "http" }],
    ["tf-serving", "tf-serving", "tf-serving", { protocol: "rest" }],
    ["flask", "sagemaker", "sagemaker container", { mode: "container", multiModel: true }],
  ])("%s is recognised as %s without running or changing anything", async (server, kind, said, words) => {
    const recorded = await startRecorded(server, server === "flask" ? { answer: invocations } : {});
    closing.push(recorded.close);
    expect(await seenOverHttp(recorded.port)).toMatchObject({ kind, server: said, words, transport: "http" });
    expect(recorded.asked.map(({ method }) => method).filter((one) => one !== "GET" && one !== "OPTIONS")).toEqual([]);
    expect(new Set(recorded.asked.map(({ method, path }) => `${method} ${path}`)).size).toBeLessThanOrEqual(9);
  });

  test("KServe is said to speak its V1 protocol too", async () => {
    const recorded = await startRecorded("kserve");
    closing.push(recorded.close);
    expect(await seenOverHttp(recorded.port)).toMatchObject({ notes: [expect.stringContaining("kserve-v1")] });
  });

  test.each([
    [
      "LitServe with a key",
      { "/info": [401, { "www-authenticate": "APIKey" }, '{"detail":"Not authenticated"}'] },
      "litserve",
    ],
    ["a server of KServe's V1 protocol", { "/v1/models": [200, {}, '{"models":["a"]}'] }, "kserve-v1"],
    ["OpenVINO's model server", { "/v2": [200, {}, '{"name":"OpenVINO Model Server","version":"2025.1"}'] }, "oip"],
    [
      "TorchServe with tokens",
      { "/ping": [400, {}, '{"code":400,"type":"InvalidKeyException","message":"Token Authorization failed"}'] },
      "torchserve",
    ],
  ] as const)("%s is recognised", async (_what, answers, kind) => {
    expect(await detectHttp(scripted(answers), {}, NEVER)).toMatchObject({ kind });
  });

  test("a server that wants credentials for everything is said to", async () => {
    const client = scripted({}, [401, {}, ""]);
    expect(await detectHttp(client, {}, NEVER)).toEqual({ why: "refused", said: "status 401" });
  });

  test("a page for people is nothing that is known", async () => {
    const client = scripted({}, [200, { connection: "close" }, "<html>welcome</html>"]);
    expect(await detectHttp(client, {}, NEVER)).toMatchObject({
      why: "unknown",
      said: expect.stringMatching(/closes the connection/),
    });
  });

  test("the headers that were asked for go with each question", async () => {
    const sent: unknown[] = [];
    const client = scripted({}, [404, {}, ""], (headers) => sent.push(headers));
    await detectHttp(client, { "x-api-key": "k" }, NEVER);
    expect(sent.length).toBe(6);
    expect(new Set(sent.map((headers) => JSON.stringify(headers)))).toEqual(new Set(['{"x-api-key":"k"}']));
  });
});

describe("over gRPC", () => {
  test.each([
    ["triton", "triton", "triton 2.51.0"],
    ["mlserver", "oip", "mlserver 1.7.1"],
    ["kserve", "oip", "kserve 0.21.0"],
    ["tf-serving", "tf-serving", "tf-serving"],
  ])("%s is recognised as %s", async (server, kind, said) => {
    const recorded = await startRecordedGrpc(server);
    closing.push(recorded.close);
    expect(await seenOverGrpc(recorded.port)).toMatchObject({ kind, server: said, words: { protocol: "grpc" } });
  });
});

describe("a whole probe", () => {
  test("finds a gRPC port behind a bare address, and lists the models there", async () => {
    const recorded = await startRecordedGrpc("triton");
    closing.push(recorded.close);
    const probed = await probeOf(`127.0.0.1:${recorded.port}`);
    expect(probed).toMatchObject({ kind: "triton", endpoint: `127.0.0.1:${recorded.port}`, recognised: true });
    expect(probed.models.map(({ name }) => name)).toContain("digits");
  });

  test("takes what it does not know for plain HTTP, and says so", async () => {
    const server = await listening(createServer((_request, response) => response.end("hello")));
    const probed = await probeOf(`http://127.0.0.1:${server}`, { models: ["m"] });
    expect(probed).toMatchObject({ kind: "http", recognised: false, models: [{ name: "m", versions: [] }] });
  });

  test.each([
    ["nobody listens there", async () => 1, "unavailable"],
    [
      "what listens there speaks neither HTTP nor gRPC",
      async () => {
        const server = createSocketServer((socket) => {
          socket.on("error", () => {});
          socket.write("SSH-2.0-OpenSSH_9.2\r\n", () => socket.destroy());
        });
        return listening(server as unknown as Server);
      },
      "unsupported",
    ],
    [
      "the server wants credentials",
      async () => listening(createServer((_request, response) => response.writeHead(401).end())),
      "permission-denied",
    ],
  ])("says it when %s", async (_what, start, code) => {
    await expect(probeOf(`http://127.0.0.1:${await start()}`)).rejects.toMatchObject({ code });
  });
});

describe("the text of a target", () => {
  test.each([
    ["http://triton:8000", "http", "http://triton:8000/", "http://triton:8000", "triton:8000"],
    ["https://a.b/prefix/", "http", "https://a.b/prefix", "https://a.b:443/prefix", "https://a.b:443/prefix"],
    ["grpc://tfs:8500", "grpc", "http://tfs:8500/", "http://tfs:8500", "tfs:8500"],
    ["grpcs://tfs:8500/", "grpc", "https://tfs:8500/", "https://tfs:8500", "https://tfs:8500"],
    ["[::1]:8001", "any", "http://[::1]:8001/", "http://[::1]:8001", "[::1]:8001"],
  ])("%s", (text, transport, url, http, grpc) => {
    expect(parseTarget(text)).toMatchObject({ transport, url: new URL(url), endpoint: { http, grpc } });
  });

  test.each(["triton", "grpc://tfs", "ftp://a:1", "http://a:99999", "grpc://http://a:1", ""])("%j is none", (text) => {
    expect(parseTarget(text)).toBeUndefined();
  });
});

// the Flask service's answer to a GET where only POST is taken
const invocations = ({ path }: { readonly path: string }) => (path === "/invocations" ? "wrong-method" : undefined);

type Scripted = readonly [status: number, headers: Readonly<Record<string, string>>, body: string];

function scripted(
  answers: Readonly<Record<string, Scripted>>,
  other: Scripted = [404, {}, ""],
  hear: (headers: unknown) => void = () => {},
): HttpClient {
  return {
    async ask({ path, headers }): Promise<HttpAnswer> {
      hear(headers);
      const [status, told, body] = answers[path] ?? other;
      return { status, headers: new Map(Object.entries(told)), body: Buffer.from(body) };
    },
    stream: () => Promise.reject(new Error("no stream is asked for")),
    close: async () => {},
  };
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as { readonly port: number }).port;
}

function probeOf(text: string, options: Partial<ProbeOptions> = {}): Promise<Probed> {
  const target = parseTarget(text);
  if (target === undefined) throw new Error(`${text} is no target`);
  const asked = { target, models: [], signatures: new Map(), run: false, headers: {}, ...options };
  return probe(asked, { env, baseDir: ".", parseYaml, run: openSlicer(systemClock) });
}
