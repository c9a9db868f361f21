import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { backendKinds } from "../../../backends/registry.ts";
import { main } from "../../../gateway/cli.ts";
import { memoryIo } from "../../unit/gateway/cli/memory-io.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-check-"));
});
afterAll(() => rm(folder, { recursive: true }));

const BROKEN = "test/fixtures/broken.yaml";

const KINDS = backendKinds.map(({ kind }) => kind).join(", ");

const MISTAKES = [
  "listen.http: expected host:port such as 127.0.0.1:8000 or [::1]:8000, got 8000 (3)",
  "listen.grpc: expected host:port such as 127.0.0.1:8000 or [::1]:8000, got 8001 (4)",
  "listen.admin: expected a loopback address such as 127.0.0.1:8002, got 0.0.0.0:8002: off loopback the admin listener needs a token (admin.token) (5)",
  'readines: unknown key, did you mean "readiness"? (6)',
  "drainDelay: expected a duration with its unit (ms, s, m, h or d), such as 500ms or 5s, got 5 (7)",
  'timeout: expected a duration above 0, got "0s" (8)',
  "tenant.trusted: expected true, as until there is authentication only a header that is declared trusted may name the tenant, got nothing (9)",
  "limits.body: expected a size with its unit (B, KB, MB, GB, KiB, MiB or GiB), such as 256MiB, got 64 (11)",
  "limits.inputs: expected a number of at least 1, got 0 (12)",
  "limits.nesting: expected the environment variable SLUICE_FIXTURE_UNSET to be set, or a default as in ${SLUICE_FIXTURE_UNSET:-default}, got nothing (13)",
  'limits.url: expected ${NAME} or ${NAME:-default}, got "${oops" ($${ stands for a plain ${) (14)',
  'log.level: expected one of debug, info, warn, error, silent, got "infos", did you mean "info"? (15)',
  "backends.local.repository: expected text, got nothing (17)",
  'backends.local.repositry: unknown key, did you mean "repository"? (19)',
  'backends.local.workers: expected "auto" or a number, got "many" (20)',
  "backends.local.breaker.errorRate: expected a number of at most 1, got 50 (21)",
  'backends.gpu.endpoints: expected host:port such as triton-0:8001, or a URL such as http://triton-0:8000/prefix, got "triton 0:8001" at [0] (24)',
  'backends.gpu.balance: expected one of least-time, round-robin, weighted, least-outstanding, p2c, peak-ewma, hash or a map, got "fastest" (25)',
  `backends.cpu.kind: expected a kind of backend (${KINDS}), got "onx", did you mean "onnx"? (26)`,
  "backends.spare.kind: expected a kind of backend such as onnx, got nothing (27)",
  'models.language.backend: expected the name of a backend (local, gpu, cpu, spare), got "lokal", did you mean "local"? (30)',
  'models.iris.timout: unknown key, did you mean "timeout"? (31)',
  'models["a/b"]: expected a name without a slash, got "a/b" (32)',
  "models.add_sub.backend: expected the name of a backend, got nothing (33)",
  'models.fraud.versions.1.backend: expected the name of a backend (local, gpu, cpu, spare), got "lokal", did you mean "local"? (37)',
  "models.fraud.versions.1.inputs.x: expected datatype (what clients send) and there (what the backend takes), got datatype without there (37)",
  'models.fraud.labels.stable: expected one of the model\'s versions (1), got "2" (38)',
  "models.digits: expected each key once, got it twice (39)",
  "models.guarded.cache.ttl: expected a duration with its unit (ms, s, m, h or d), such as 500ms or 5s, got 600 (42)",
  "models.guarded.cache.maxBytes: expected a size with its unit (B, KB, MB, GB, KiB, MiB or GiB), such as 256MiB, got 256 (42)",
  "models.guarded.limit: expected requests and a period (s, m, h or d), such as 200/s or 1000000/d, got 200 at rate (43)",
  'models.guarded.retries: unknown key, did you mean "retry"? (44)',
  "models.guarded.hedge.after: expected a quantile from p50 to p99.9, or a duration such as 50ms, got 95 (45)",
  'models.guarded.breaker.errorRate: expected a number, got "50%" (46)',
  "models.guarded.breaker.threshold: unknown key, expected one of errorRate, minimumCalls, consecutive, openFor, openMax (46)",
  "models.guarded.breaker.openFor: expected a duration with its unit (ms, s, m, h or d), such as 500ms or 5s, got 5 (46)",
  'models.guarded.rateLimit: unknown key, did you mean "limit"? (47)',
  'models.asked.cache: expected true or a map, got "10m" (48)',
  'models.asked.limit: expected a map such as {rate: 200/s, by: tenant}, or a list of such, got "200/s" (48)',
  'models.asked.deadline: expected true or false, got "500ms" (48)',
  'models.asked.balance: expected one of least-time, round-robin, weighted, least-outstanding, p2c, peak-ewma, hash or a map, got "leasttime", did you mean "least-time"? (48)',
  "models.bounded.limit.queue: expected queue only beside concurrency (49)",
  "models.bounded.retry.attempts: expected a number of at most 5, got 10 (49)",
  "models.bounded.retry.backoff: unknown key, expected one of attempts, budget, pause, repeatable (49)",
  "store.valkey: expected the URL of a Valkey or Redis such as redis://127.0.0.1:6379 (50)",
  "store.secret: expected a secret of at least 32 signs (50)",
  "store.timeout: expected a duration with its unit (ms, s, m, h or d), such as 500ms or 5s, got 5 (50)",
  "cache.maxBytes: expected a size with its unit (B, KB, MB, GB, KiB, MiB or GiB), such as 256MiB, got 10 (51)",
  "cache.ttl: unknown key, expected one of maxBytes (51)",
  'limit: expected requests and a period (s, m, h or d), such as 200/s or 1000000/d, got "100/week" at rate (52)',
];

describe("sluice check", () => {
  it("names every mistake of the broken fixture, in order, and exits 1", async () => {
    const io = memoryIo();
    expect(await main(["check", "--config", BROKEN], io)).toBe(1);
    expect(io.written()).toBe(MISTAKES.map((line) => `${line.replace(/\((\d+)\)$/, `(${BROKEN}:$1)`)}\n`).join(""));
    expect(io.complained()).toBe(`sluice: ${MISTAKES.length} mistakes in ${BROKEN}\n`);
  });

  it("gives the same as JSON, for a script", async () => {
    const io = memoryIo();
    expect(await main(["check", "-c", BROKEN, "--json"], io)).toBe(1);
    const { ok, file, mistakes } = JSON.parse(io.written());
    expect([ok, file, mistakes.length]).toEqual([false, BROKEN, MISTAKES.length]);
    expect(mistakes[3]).toEqual({
      path: "readines",
      line: 6,
      column: 1,
      message: 'unknown key, did you mean "readiness"?',
    });
  });

  it("says what a right config would serve, and exits 0", async () => {
    const file = join(folder, "right.yaml");
    await writeFile(
      file,
      "backends: {a: {kind: onnx, repository: m}, b: {kind: onnx, repository: n}}\nmodels: {x: {backend: a}, y: {backend: a, model: z}}\n",
    );
    const io = memoryIo({ cwd: folder });
    expect(await main(["check", "--config", "right.yaml"], io)).toBe(0);
    expect(io.written()).toBe(`ok right.yaml
  listens on 127.0.0.1:8000 (http)
  listens on 127.0.0.1:8002 (admin)
  backend a: onnx
  backend b: onnx
  model x: on a
  model y: z on a
warning backends.b: no model uses it (right.yaml)
`);
    const json = memoryIo({ cwd: folder });
    expect(await main(["check", "--config", "right.yaml", "--json"], json)).toBe(0);
    expect(JSON.parse(json.written())).toEqual({
      ok: true,
      file: "right.yaml",
      warnings: ["backends.b: no model uses it"],
      serves: {
        listen: { http: "127.0.0.1:8000", admin: "127.0.0.1:8002" },
        backends: [
          { name: "a", kind: "onnx" },
          { name: "b", kind: "onnx" },
        ],
        models: [
          { name: "x", backend: "a", model: "x" },
          { name: "y", backend: "a", model: "z" },
        ],
      },
    });
  });

  it("reads --config, else $SLUICE_CONFIG, else ./sluice.yaml, else the packaged config", async () => {
    const good = "backends: {a: {kind: onnx, repository: m}}\n";
    for (const name of ["flag", "variable", "sluice"]) await writeFile(join(folder, `${name}.yaml`), good);
    const shown = async (args: readonly string[], env: Record<string, string>, cwd = folder) => {
      const io = memoryIo({ cwd, env });
      await main(["check", ...args], io);
      return io.written().split("\n")[0];
    };
    expect(await shown(["-c", "flag.yaml"], { SLUICE_CONFIG: "variable.yaml" })).toBe("ok flag.yaml");
    expect(await shown([], { SLUICE_CONFIG: "variable.yaml" })).toBe("ok variable.yaml");
    expect(await shown([], { SLUICE_CONFIG: "" })).toBe("ok sluice.yaml");
    await rm(join(folder, "sluice.yaml"));
    expect(await shown([], {})).toMatch(/^ok \/.*\/config\/sluice\.yaml$/);
  });

  it("says when there is no such file", async () => {
    const io = memoryIo({ cwd: folder });
    expect(await main(["check", "--config", "nowhere.yaml"], io)).toBe(1);
    expect(io.complained()).toBe(
      `sluice: expected a file that can be read, got ${join(folder, "nowhere.yaml")}: it does not exist\n`,
    );
  });
});

test("sluice serve refuses a broken config, naming its mistakes", async () => {
  const io = memoryIo();
  expect(await main(["serve", "--config", BROKEN], io)).toBe(1);
  expect(
    io
      .complained()
      .split("\n")
      .filter((line) => line.startsWith("sluice: ")),
  ).toHaveLength(MISTAKES.length);
});
