// The life of `sluice serve` as a process: started, under load, told to stop, and models that come while it serves.

import { once } from "node:events";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { backendKinds } from "../../../backends/registry.ts";
import { startGateway } from "../../support/gateway.ts";
import { chance, randomInputs } from "../../support/gateway-demo.ts";
import { binaryBody, elements, jsonBody, plain, readInfer } from "../../support/gateway-oip.ts";
import { openWorkplace, type Workplace } from "../../support/gateway-process.ts";
import { type Answer, ask, keptConnections, until } from "../../support/http-client.ts";

let place: Workplace;

beforeEach(async () => {
  place = await openWorkplace();
});

afterEach(() => place.clear());

/** Rounds of the slow model that take at least so long on any machine these tests run on: about 5 us each. */
const HALF_A_SECOND = 60_000;

const slowRun = (port: number, trips: number): Promise<Answer> =>
  ask({ port, path: "/v2/models/slow/infer", ...jsonBody([plain("trips", "INT64", [], [BigInt(trips)])]) });

async function repository(): Promise<string> {
  await place.copy("add_sub", "models/add_sub");
  await place.copy("slow.onnx", "models/slow.onnx");
  return join(place.folder, "models");
}

interface Load {
  answered: number;
  closing: number;
  readonly wrong: string[];
}

/** Asks and asks again on kept connections until told to stop; each answer is held against its question. */
async function client(port: number, load: Load, going: () => boolean): Promise<void> {
  const agent = keptConnections(1);
  for (let round = 0; going(); round += 1) {
    const a = plain("INPUT0", "INT32", [1, 16], Array(16).fill(round));
    const b = plain("INPUT1", "INT32", [1, 16], Array(16).fill(7));
    try {
      const answer = await ask({ port, agent, path: "/v2/models/add_sub/infer", ...binaryBody([a, b]) });
      const [sum] = readInfer(answer).outputs;
      if (elements(sum!).some((value) => value !== round + 7)) load.wrong.push(`another's answer in round ${round}`);
      load.answered += 1;
      if (answer.headers.connection === "close") load.closing += 1;
    } catch (error) {
      load.wrong.push(`round ${round}: ${error}`);
      return;
    }
  }
  agent.destroy();
}

test.each(["thread", "process"])(
  "SIGTERM under load with isolation: %s loses nothing: not ready at once, served while draining, runs finished, code 0",
  async (isolation) => {
    const models = await repository();
    const local = `{kind: onnx, repository: ${models}, workers: 3, isolation: ${isolation}}`;
    const { child, ports, ended } = await place.serve(`backends: {local: ${local}}\ndrainDelay: 1s\n`);
    const { http, admin } = await ports();
    expect((await ask({ port: admin, path: "/readyz" })).status).toBe(200);
    const load: Load = { answered: 0, closing: 0, wrong: [] };
    let going = true;
    const clients = Array.from({ length: 8 }, () => client(http, load, () => going));
    // two runs that outlast the drain delay by far, so that stopping meets them inside ONNX Runtime
    const slow = [slowRun(http, 4 * HALF_A_SECOND), slowRun(http, 4 * HALF_A_SECOND)];
    await until(() => load.answered > 50);
    expect(load.closing).toBe(0);
    const told = performance.now();
    child.kill("SIGTERM");
    await until(async () => (await ask({ port: admin, path: "/readyz" })).status === 503);
    expect(performance.now() - told).toBeLessThan(500);
    expect(`${(await ask({ port: admin, path: "/readyz" })).body}`).toBe("draining\n");
    const before = load.answered;
    await until(() => load.answered > before + 50);
    expect(load.closing).toBeGreaterThan(40);
    // a load balancer has noticed by now
    going = false;
    await Promise.all(clients);
    expect(load.wrong).toEqual([]);
    for (const answer of await Promise.all(slow)) {
      expect([answer.status, answer.headers.connection]).toEqual([200, "close"]);
      expect(elements(readInfer(answer).outputs[0]!)).toEqual([4096]);
    }
    const { code, signal, err } = await ended;
    expect(performance.now() - told).toBeGreaterThan(1000);
    expect([code, signal], err).toEqual([0, null]);
    await expect(ask({ port: http, path: "/v2" })).rejects.toThrow(/ECONNREFUSED/);
  },
);

test("a second SIGTERM on the heels of the first changes nothing", async () => {
  const models = await repository();
  const { child, ports, ended } = await place.serve(
    `backends: {local: {kind: onnx, repository: ${models}, workers: 1}}\ndrainDelay: 300ms\n`,
  );
  const { http } = await ports();
  const slow = slowRun(http, HALF_A_SECOND);
  await pause(100);
  child.kill("SIGTERM");
  await pause(50);
  child.kill("SIGTERM");
  expect((await slow).status).toBe(200);
  expect(await ended).toMatchObject({ code: 0, signal: null });
});

test("a second SIGTERM after a while ends the process by that signal, and not by an abort, though a run goes on", async () => {
  const models = await repository();
  const { child, ports, ended } = await place.serve(
    `backends: {local: {kind: onnx, repository: ${models}, workers: 1}}\ndrainDelay: 0s\n`,
  );
  const { http } = await ports();
  const slow = slowRun(http, 100 * HALF_A_SECOND).catch((error: NodeJS.ErrnoException) => error.code);
  await pause(150);
  child.kill("SIGTERM");
  await pause(1200);
  child.kill("SIGTERM");
  expect(await slow).toBe("ECONNRESET");
  expect(await ended).toMatchObject({ code: null, signal: "SIGTERM" });
});

test("a run that outlasts the drain limit is cut off for its client, and the process still ends in order", async () => {
  const models = await repository();
  const { child, ports, ended } = await place.serve(
    `backends: {local: {kind: onnx, repository: ${models}, workers: 1}}\ndrainDelay: 0s\ndrainLimit: 100ms\n`,
  );
  const { http } = await ports();
  const slow = slowRun(http, 2 * HALF_A_SECOND).catch((error: NodeJS.ErrnoException) => error.code);
  await pause(150);
  child.kill("SIGTERM");
  expect(await slow).toBe("ECONNRESET");
  // an exit inside the run would be a SIGABRT
  expect(await ended).toMatchObject({ code: 0, signal: null });
});

test("a port that is taken is a clear error and exit code 1", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as { port: number };
  const models = await repository();
  const { ended } = await place.serve(
    `listen: {http: "127.0.0.1:${port}", admin: "127.0.0.1:0"}\nbackends: {local: {kind: onnx, repository: ${models}}}\n`,
  );
  const { code, err } = await ended;
  taken.close();
  expect([code, err]).toEqual([1, expect.stringContaining(`cannot listen on 127.0.0.1:${port}: the port is in use`)]);
});

test("a name in two backends is an error that names both, and exit code 1", async () => {
  const models = await repository();
  const local = `{kind: onnx, repository: ${models}, workers: 1}`;
  const { ended } = await place.serve(`backends: {left: ${local}, right: ${local}}\n`);
  const { code, err } = await ended;
  expect(code).toBe(1);
  expect(err).toMatch(/model "add_sub" is in backend "left" and in backend "right"/);
});

test("a broken version does not take the good one down, and a new one is the newest from its arrival on", async () => {
  await place.copy("digits/1", "models/digits/1");
  await mkdir(join(place.folder, "models/digits/2"));
  await writeFile(join(place.folder, "models/digits/2/model.onnx"), "this is no model");
  const gateway = await startGateway({
    yaml: `backends: {local: {kind: onnx, repository: ${join(place.folder, "models")}, workers: 1}}`,
    kinds: backendKinds,
  });
  try {
    const inputs = randomInputs("digits", chance(1), { rows: 1, finite: true });
    const infer = (path: string) => gateway.ask({ path: `/v2/models/digits${path}/infer`, ...binaryBody(inputs) });
    const newest = async () => readInfer(await infer("")).model_version;
    expect(await newest()).toBe("1");
    const broken = await infer("/versions/2");
    expect([broken.status, broken.headers["sluice-error-origin"]]).toEqual([503, "backend"]);
    // made beside the repository and moved in whole, as a careful deployment does
    await place.copy("digits/2", "3");
    await rename(join(place.folder, "3"), join(place.folder, "models/digits/3"));
    await until(async () => (await newest()) === "3", 10_000);
    expect(readInfer(await infer("/versions/1")).model_version).toBe("1");
  } finally {
    await gateway.close();
  }
});
