// The example of the whole config language: `sluice check` finds nothing, and it serves before servers played by other gateways.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type Server } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { main } from "../../gateway/cli.ts";
import { ROOT, startGateway, type TestGateway } from "../support/gateway.ts";
import { ask, until } from "../support/http-client.ts";
import { type Certs, makeCerts } from "../support/upstream-certs.ts";
import { memoryIo } from "../unit/gateway/cli/memory-io.ts";

const EXAMPLE = readFileSync(join(ROOT, "test/fixtures/language.yaml"), "utf8");
const certs = makeCerts();

/** Requests of a tenant at once; by the hour here, so that the test's own pace says nothing. */
const RATE = 20;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-language-"));
  for (const [from, to] of [
    ["models/digits", "models/digits"],
    ["test/fixtures/onnx/fraud.onnx", "models/fraud/1/model.onnx"],
  ] as const) {
    cpSync(join(ROOT, from), join(folder, to), { recursive: true });
  }
  mkdirSync(join(folder, "tls"), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true }));

test("sluice check finds no mistake in it, and says what it would serve", async () => {
  writeFileSync(join(folder, "sluice.yaml"), EXAMPLE);
  const io = memoryIo({ cwd: folder });
  expect(await main(["check"], io)).toBe(0);
  expect(io.complained()).toBe("");
  expect(io.written()).toBe(`ok sluice.yaml
  listens on 127.0.0.1:8000 (http)
  listens on 127.0.0.1:8001 (grpc)
  listens on 127.0.0.1:8002 (admin)
  backend local: onnx
  backend gpu: triton
  backend tf: tf-serving
  backend torch: torchserve
  backend kserve: oip
  model digits: on local
  model fraud: version 1 fraud_tf version 12 on tf, version 2 on gpu, version 3 on kserve and on local
warning backends.torch: no model uses it (sluice.yaml)
`);
});

describe.skipIf(certs === undefined)("before the servers that it names", () => {
  let servers: Servers;
  let gateway: TestGateway;
  beforeAll(async () => {
    servers = await openServers(folder, certs as Certs);
    gateway = await startGateway({ yaml: servers.here(EXAMPLE), kinds: backendKinds });
    const ready = (version: number) => gateway.ask({ path: `/v2/models/fraud/versions/${version}/ready` });
    await until(async () => (await Promise.all([1, 2, 3].map(ready))).every(({ status }) => status === 200), 40_000);
    // what was kept of a server is forgotten when another one joins it
    await until(async () => (await gateway.metrics()).sum("sluice_endpoint_healthy", { backend: "gpu" }) === 2, 40_000);
  }, 60_000);
  afterAll(async () => {
    await gateway?.close();
    await servers?.close();
  });

  const score = async (values: number, more: { path?: string; headers?: Record<string, string> } = {}) => {
    const inputs = [{ name: "x", datatype: "FP32", shape: [1, 30], data: Array(30).fill(values) }];
    const answer = await gateway.ask({
      method: "POST",
      path: more.path ?? "/v2/models/fraud/infer",
      headers: { "content-type": "application/json", "x-tenant": "initech", ...more.headers },
      body: JSON.stringify({ inputs }),
    });
    const { model_version: version, outputs, error } = JSON.parse(`${answer.body}`);
    return {
      status: answer.status,
      version,
      score: outputs?.[0].data[0],
      cache: answer.headers["sluice-cache"],
      error,
    };
  };

  test.each([1, 2, 3])("version %i answers under its own names from its own server", async (version) => {
    const path = `/v2/models/fraud/versions/${version}/infer`;
    expect(await score(version, { path })).toEqual({
      status: 200,
      version: `${version}`,
      score: version,
      cache: "miss",
    });
    expect(await score(version, { path })).toMatchObject({ score: version, cache: "hit" });
  });

  test("its route sends whoever asks for the next version, and a tenant, to version 2, and others to version 1", async () => {
    expect(await score(5, { headers: { "x-force-version": "2" } })).toMatchObject({ version: "2", score: 5 });
    expect(await score(6, { headers: { "x-tenant": "acme" } })).toMatchObject({ version: "2", score: 6 });
    expect(await score(7)).toMatchObject({ version: "1", score: 7 });
  });

  test("the model of one line answers", async () => {
    const body = readFileSync(join(ROOT, "models/digits/samples/seven.json"));
    const answer = await gateway.ask({ method: "POST", path: "/v2/models/digits/infer", body });
    expect(JSON.parse(`${answer.body}`)).toMatchObject({ model_version: "2", outputs: [{}, { data: [7] }] });
  });

  test("its limit holds for each tenant alone", async () => {
    const statuses: number[] = [];
    for (let i = 0; i < RATE + 2; i++) statuses.push((await score(8, { headers: { "x-tenant": "busy" } })).status);
    expect(statuses).toEqual([...Array(RATE).fill(200), 429, 429]);
    expect(await score(8)).toMatchObject({ status: 200, score: 8 });
  });

  test("its canary is moved while it serves", async () => {
    const user = { headers: { "x-user-id": "ada" } };
    const move = (percent: number) =>
      ask({
        port: gateway.adminPort,
        method: "PATCH",
        path: "/admin/models/fraud/route",
        body: `{"percent": ${percent}}`,
      });
    expect((await move(0)).status).toBe(200);
    expect(await score(9, user)).toMatchObject({ version: "1", score: 9 });
    expect((await move(100)).status).toBe(200);
    expect(await score(9, user)).toMatchObject({ version: "2", score: 9 });
  });
});

interface Servers {
  /** The example with the servers' addresses here, and without its listeners. */
  here(example: string): string;
  close(): Promise<void>;
}

/** Two gateways that play Triton, and TensorFlow Serving and MLServer, with TLS before the first. */
async function openServers(place: string, made: Certs): Promise<Servers> {
  const local = `backends: {local: {kind: onnx, repository: ${join(place, "models")}, workers: 1}}`;
  const renamed = "inputs: {INPUT__0: x}, outputs: {OUTPUT__0: score}";
  const triton = await startGateway({
    yaml: `${local}\nmodels: {fraud: {backend: local, ${renamed}}}\n`,
    kinds: backendKinds,
  });
  const others = await startGateway({
    yaml: `${local}\nmodels: {fraud: {backend: local}, fraud_tf: {versions: {12: {backend: local, model: fraud}}}}\n`,
    kinds: backendKinds,
  });
  const front = await openTls(made, triton.grpcPort);
  const files = { ca: made.server.cert, cert: made.client.cert, key: made.client.key };
  for (const [name, bytes] of Object.entries({ ...files, ca: made.ca })) {
    writeFileSync(join(place, "tls", `${name}.pem`), bytes);
  }
  const { port } = front.address() as AddressInfo;
  const tls = (name: string) => join(place, "tls", `${name}.pem`);
  return {
    here: (example) =>
      replaced(example, [
        [/listen:\n( {2}.*\n)*/, ""],
        ["repository: ./models ", `repository: ${join(place, "models")} `],
        ["- triton-0:8001", `- 127.0.0.1:${port}`],
        ["address: triton-1:8001", `address: localhost:${port}`],
        ["http://tfs:8501", `http://127.0.0.1:${others.port}`],
        ["http://torchserve:8080", `http://127.0.0.1:${others.port}`],
        ["http://mlserver:8080", `http://127.0.0.1:${others.port}`],
        ["rate: 200/s", `rate: ${RATE}/h`],
        [/tls: \{.*\}/, `tls: {ca: ${tls("ca")}, cert: ${tls("cert")}, key: ${tls("key")}}`],
      ]),
    async close() {
      front.close();
      await triton.close();
      await others.close();
    },
  };
}

/** @throws Error where a text to replace is not there */
function replaced(text: string, changes: readonly (readonly [string | RegExp, string])[]): string {
  return changes.reduce((now, [from, to]) => {
    const next = now.replace(from, to);
    if (next === now) throw new Error(`expected ${from} in the example`);
    return next;
  }, text);
}

/** TLS that asks for the client's certificate, before a server that speaks HTTP/2 in the clear. */
async function openTls({ ca, server }: Certs, port: number): Promise<Server> {
  const front = createServer({ ...server, ca, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ["h2"] });
  front.on("secureConnection", (socket) => {
    const behind = connect(port, "127.0.0.1");
    socket.pipe(behind).pipe(socket);
    socket.on("error", () => behind.destroy());
    behind.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
  return front;
}
