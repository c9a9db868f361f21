// The command line: the commands, their options and help; the one door to commander.

import { Command, CommanderError } from "commander";
import { InferError } from "../core/error.ts";
import { runBreaker } from "./cli/breaker.ts";
import { runPurge } from "./cli/cache.ts";
import { runCheck } from "./cli/check.ts";
import { DEFAULT_ADMIN_URL, DEFAULT_URL } from "./cli/client.ts";
import { runDemo } from "./cli/demo.ts";
import { runExplain } from "./cli/explain.ts";
import { runInfer } from "./cli/infer.ts";
import { CliError, EXIT, type Io, processIo } from "./cli/io.ts";
import { runModels } from "./cli/models.ts";
import { runPlan } from "./cli/plan.ts";
import { runProbe } from "./cli/probe.ts";
import { runRollback } from "./cli/rollback.ts";
import { runSchema } from "./cli/schema.ts";
import { runServe } from "./cli/serve.ts";
import { serverMetadata } from "./version.ts";

/**
 * Runs one command.
 *
 * @param args what stands after `sluice`
 * @returns the exit code: 0 done, 1 refused or failed, 2 wrong usage
 */
export async function main(args: readonly string[], io: Io = processIo()): Promise<number> {
  let code: number = EXIT.ok;
  const program = programFor(io, (result) => {
    code = result;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (!(error instanceof CliError || error instanceof InferError)) throw error;
    for (const line of error.message.split("\n")) io.err(`sluice: ${line}\n`);
    return error instanceof CliError ? error.exitCode : EXIT.failed;
  }
}

const EXIT_CODES = `
Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 70 a fault of sluice itself.
Colours and tables appear on a terminal only; NO_COLOR turns colours off.`;

const CONFIG = "-c, --config <file>";
const CONFIG_SAYS = "the config; else $SLUICE_CONFIG, ./sluice.yaml, or the demo models";
const URL_SAYS = "where the gateway listens";
const ADMIN_URL_SAYS = "where the gateway's admin listener is; its token in $SLUICE_ADMIN_TOKEN";

function programFor(io: Io, done: (code: number) => void): Command {
  const program = new Command("sluice")
    .description("An inference gateway: one endpoint for all models.")
    .version(serverMetadata().version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.err(text.replace(/^error: /, "sluice: ")),
    })
    .showHelpAfterError("(--help says more)")
    .exitOverride();
  // commands copy the settings above, so they come after them
  addServing(program, io, done);
  addAsking(program, io, done);
  addExplaining(program, io, done);
  program.addHelpText("after", EXIT_CODES);
  return program;
}

function addServing(program: Command, io: Io, done: (code: number) => void): void {
  program
    .command("serve")
    .description("run the gateway until SIGTERM or SIGINT")
    .option(CONFIG, CONFIG_SAYS)
    .option("--http <host:port>", "listen here instead; port 0 takes a free one")
    .option("--grpc <host:port>", "clients of gRPC here instead")
    .option("--admin <host:port>", "metrics and health here instead")
    .addHelpText("after", examples("sluice serve", "sluice serve --config sluice.yaml --http 0.0.0.0:80"))
    .action(async (options) => done(await runServe(io, options)));
  program
    .command("check")
    .description("say whether a config is right, or name all its mistakes")
    .option(CONFIG, CONFIG_SAYS)
    .option("--json", "print JSON")
    .addHelpText("after", examples("sluice check --config sluice.yaml"))
    .action(async (options) => done(await runCheck(io, options)));
  program
    .command("demo")
    .description("start the demo models on free ports, send real inputs, show what happens, and stop")
    .addHelpText("after", examples("sluice demo"))
    .action(async () => done(await runDemo(io)));
  program
    .command("schema")
    .description("print the JSON Schema of the config, for editors")
    .addHelpText("after", examples("sluice schema > sluice.schema.json"))
    .action(() => done(runSchema(io)));
}

function addAsking(program: Command, io: Io, done: (code: number) => void): void {
  program
    .command("models")
    .description("list what a running gateway serves")
    .option("-u, --url <url>", URL_SAYS, DEFAULT_URL)
    .option("--json", "print JSON")
    .addHelpText("after", examples("sluice models", "sluice models --json | jq -r '.models[].name'"))
    .action(async (options) => done(await runModels(io, options)));
  program
    .command("infer")
    .description("send one request to a running gateway and print the answer")
    .argument("<model>", "a model, or model:version")
    .option(
      "-i, --input <value>",
      "@file (JSON, .npy, .png, .jpg) or a value; name=@file where there are several",
      collect,
    )
    .option("-d, --data <json>", "the input's values, for a model with one input")
    .option("--scale <factor>", "multiply an image's pixel values, such as 1/255")
    .option("-u, --url <url>", URL_SAYS, DEFAULT_URL)
    .option("--json", "print the gateway's answer as it came")
    .addHelpText("after", INFER_EXAMPLES)
    .action(async (model, options) => done(await runInfer(io, model, options)));
  program
    .command("probe")
    .description("find out what a running server is, and print the config for it")
    .argument("<url>", "http://host:port, grpc://host:port, with s for TLS, or host:port")
    .option("-m, --model <name>", "look at this model; where a server cannot list its own (repeatable)", collect)
    .option(
      "-s, --signature <model=words>",
      "what the server does not tell, in the words of a config (repeatable)",
      collect,
    )
    .option("-H, --header <name: value>", "send this along, such as a key (repeatable)", collect)
    .option("--no-run", "ask no model with made-up inputs")
    .option("--json", "print JSON")
    .addHelpText("after", PROBE_EXAMPLES)
    .action(async (url, options) => done(await runProbe(io, url, options)));
}

const PROBE_EXAMPLES = examples(
  "sluice probe http://triton:8000 > sluice.yaml && sluice check",
  "sluice probe grpc://tf-serving:8500 --model fraud --model churn",
  "sluice probe http://litserve:8000 --header 'x-api-key: ...' --no-run --json",
  "sluice probe http://litserve:8000 --signature 'iris={inputs: [{name: x, datatype: FP32, shape: [-1, 4]}], outputs: []}'",
);

function addExplaining(program: Command, io: Io, done: (code: number) => void): void {
  program
    .command("explain")
    .description("say which way a request would take, and why; nothing is sent to a model")
    .requiredOption("-m, --model <name>", "the model that the request names")
    .option("-H, --header <name=value>", "a header that it brings", collect)
    .option("--query <name=value>", "a parameter of its URL", collect)
    .option("--parameter <name=value>", "a parameter of its body", collect)
    .option("--input <name:datatype:[shape]>", "an input, for rules that look at one", collect)
    .option("--tenant <name>", "its tenant")
    .option("--protocol <name>", "the protocol that it comes by, oip-rest where nothing is said")
    .option("--peer <address>", "the client's address")
    .option("--version <version>", "the version that it names")
    .option("--label <label>", "the label that it names")
    .option("-u, --url <url>", ADMIN_URL_SAYS, DEFAULT_ADMIN_URL)
    .option("--json", "print the gateway's answer as it came")
    .addHelpText("after", examples("sluice explain --model digits --header x-user-id=42"))
    .action(async (options) => done(await runExplain(io, options)));
  program
    .command("plan")
    .description("say what another config would change in a running gateway, and for which share of its users")
    .argument("<file>", "the other config")
    .option("-u, --url <url>", ADMIN_URL_SAYS, DEFAULT_ADMIN_URL)
    .option("--json", "print the gateway's answer as it came")
    .addHelpText("after", examples("sluice plan new.yaml"))
    .action(async (file, options) => done(await runPlan(io, file, options)));
  program
    .command("breaker")
    .description("list the breakers and ejections of a running gateway, or set the breaker of an endpoint by hand")
    .argument("[what...]", "open, close or reset, and the endpoint as backend/address; a reset takes the others back")
    .option("-u, --url <url>", ADMIN_URL_SAYS, DEFAULT_ADMIN_URL)
    .option("--json", "print the gateway's answer as it came")
    .addHelpText("after", examples("sluice breaker", "sluice breaker open gpu/triton-0:8001"))
    .action(async (what, options) => done(await runBreaker(io, what, options)));
  program
    .command("rollback")
    .description("go back to the config before this one, or to an earlier one, while the gateway runs")
    .option("--to <number>", "the entry of the history to go back to")
    .option("--why <words>", "what the history says of it")
    .option("-u, --url <url>", ADMIN_URL_SAYS, DEFAULT_ADMIN_URL)
    .option("--json", "print the gateway's answer as it came")
    .addHelpText("after", examples("sluice rollback", "sluice rollback --to 3 --why 'too many errors'"))
    .action(async (options) => done(await runRollback(io, options)));
  program
    .command("cache")
    .description("what a running gateway has kept of its answers")
    .command("purge")
    .description("forget the answers of a model, or of all, also on the replicas that share a store")
    .argument("[model]", "a model with a cache; all of them without it")
    .option("--tenant <name>", "only that tenant's, where tenants have answers of their own")
    .option("-u, --url <url>", ADMIN_URL_SAYS, DEFAULT_ADMIN_URL)
    .option("--json", "print the gateway's answer as it came")
    .addHelpText("after", examples("sluice cache purge", "sluice cache purge fraud --tenant acme"))
    .action(async (model, options) => done(await runPurge(io, model, options)));
}

const INFER_EXAMPLES = examples(
  "sluice infer digits --input @models/digits/samples/seven.json",
  "sluice infer digits:1 --input @models/digits/samples/hard.png --scale 16/255",
  "sluice infer iris --data '[[5.1, 3.5, 1.4, 0.2]]'",
  "sluice infer language --input 'Tous les êtres humains naissent libres'",
  "sluice infer add_sub --input INPUT0=@a.npy --input INPUT1=@b.npy --json",
);

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
