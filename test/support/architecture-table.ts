// The architecture as data: who may import whom, and through which one file each library and each part of the world enters.

export interface Table {
  /** A layer is a folder; the longest that fits a file is its own. The layers that it may import, beside itself. */
  readonly layers: Readonly<Record<string, readonly string[]>>;
  /** Folders and files at the top that may import anything and are imported by nobody. */
  readonly outside: readonly string[];
  /** The files (or folders, with a slash at the end) that may import a library. */
  readonly doors: Readonly<Record<string, readonly string[]>>;
  /** Libraries that any file may import. */
  readonly everywhere: readonly string[];
  /** Layers that do no I/O, and the modules of Node that they may import all the same. */
  readonly pure: Readonly<Record<string, readonly string[]>>;
  /** The files that may use a global; `process.env` stands for itself and what is below it. */
  readonly world: Readonly<Record<string, readonly string[]>>;
  /** Files that are a thread or a process of their own: their module level is their life, so it may hold state. */
  readonly programs: readonly string[];
  /** Dependencies that work without being imported: programs and types. */
  readonly notImported: readonly string[];
}

const TIME_AND_CHANCE = ["gateway/env.ts"];
const COMMAND_LINE = ["gateway/cli.ts", "gateway/cli/"];
const WORKER = "backends/onnx/worker.ts";
const NO_IO = ["node:buffer", "node:crypto", "node:util"];

/** The table of Sluice. CONTRIBUTING.md explains it in words. */
export const TABLE: Table = {
  layers: {
    core: [],
    wire: ["core"],
    policies: ["core"],
    backends: ["core", "wire"],
    config: ["core"],
    "gateway/protocols": ["core", "wire"],
    gateway: ["core", "wire", "policies", "backends", "config", "gateway/protocols"],
  },
  outside: ["bench", "bin", "test", "vitest.config.ts"],
  doors: {
    "@fastify/http-proxy": ["gateway/passthrough.ts"],
    // the AWS SDK's own reader of event streams, beside which ours is tested
    "@smithy/core": [],
    // the real client of SageMaker's runtime, which only tests use
    "@aws-sdk/client-sagemaker-runtime": [],
    "@smithy/signature-v4": ["backends/sagemaker/sign.ts"],
    "@jmespath-community/jmespath": ["backends/http/expression.ts"],
    "@datadog/sketches-js": ["policies/quantiles.ts"],
    "@grpc/grpc-js": ["gateway/grpc.ts", "backends/grpc-client.ts"],
    "@marcbachmann/cel-js": ["policies/rules/expression.ts"],
    chokidar: ["backends/onnx/watch.ts"],
    "cli-table3": COMMAND_LINE,
    commander: ["gateway/cli.ts"],
    "fast-png": COMMAND_LINE,
    "fastest-levenshtein": ["config/mistakes.ts"],
    fastify: ["gateway/http.ts"],
    ioredis: ["gateway/valkey.ts"],
    "jpeg-js": COMMAND_LINE,
    limiter: ["policies/limit/buckets.ts"],
    "lru-cache": ["policies/cache/store.ts"],
    "onnxruntime-node": [WORKER],
    opossum: ["policies/breaker.ts"],
    picocolors: COMMAND_LINE,
    pino: ["gateway/log.ts"],
    "pino-pretty": ["gateway/log.ts"],
    "prom-client": ["gateway/metrics.ts", "gateway/metrics/"],
    protobufjs: ["wire/protobuf.ts"],
    ws: ["gateway/passthrough/socket.ts"],
    undici: ["backends/http-client.ts"],
    yaml: ["config/load.ts"],
    // Node's own modules that would be a second way to time, the environment or the terminal
    "node:console": [],
    "node:perf_hooks": ["gateway/loop-delay.ts", WORKER],
    "node:process": COMMAND_LINE,
    "node:timers": TIME_AND_CHANCE,
    "node:timers/promises": [],
  },
  everywhere: ["zod"],
  pure: {
    core: NO_IO,
    wire: NO_IO,
    policies: NO_IO,
    // of node:net only the words about addresses
    config: [...NO_IO, "node:net", "node:path"],
  },
  world: {
    "Math.random": TIME_AND_CHANCE,
    "Date.now": TIME_AND_CHANCE,
    "new Date": TIME_AND_CHANCE,
    // a worker measures its own runs: it has a thread, or a process, and a clock of its own
    "performance.now": [...TIME_AND_CHANCE, WORKER],
    setTimeout: TIME_AND_CHANCE,
    setInterval: TIME_AND_CHANCE,
    "process.env": COMMAND_LINE,
    "process.exit": [...COMMAND_LINE, WORKER],
    console: COMMAND_LINE,
    fetch: COMMAND_LINE,
  },
  programs: [WORKER],
  notImported: ["@biomejs/biome", "@types/node", "@types/opossum", "@types/ws", "node", "typescript"],
};
