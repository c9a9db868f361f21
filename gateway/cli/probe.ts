// `sluice probe`: says what a running server is, and prints the config for it.

import type { ProbedModel } from "../../backends/probe/models.ts";
import { parseTarget, TARGET_EXPECTED } from "../../backends/probe/target.ts";
import type { Trial } from "../../backends/probe/trial.ts";
import { type Probed, probe } from "../../backends/probe.ts";
import { parseYaml } from "../../config/load.ts";
import { InferError } from "../../core/error.ts";
import { signatureWord } from "../../core/signature.ts";
import { systemClock, systemEnv } from "../env.ts";
import { openLog } from "../log.ts";
import { openSlicer } from "../slicer.ts";
import { CliError, EXIT, type Io } from "./io.ts";
import { specText } from "./models.ts";
import { paintFor, printable } from "./paint.ts";
import { configLines, type Given } from "./probe-config.ts";

export interface ProbeCommandOptions {
  readonly model?: readonly string[];
  readonly signature?: readonly string[];
  readonly header?: readonly string[];
  /** False: models are looked at and not asked. */
  readonly run?: boolean;
  readonly json?: boolean;
}

/**
 * 0 when a server was found, also one that no kind recognises and plain HTTP may reach.
 *
 * @throws CliError when nothing answers, or nothing that can be spoken to
 */
export async function runProbe(io: Io, url: string, options: ProbeCommandOptions): Promise<number> {
  const target = parseTarget(url);
  if (target === undefined) {
    throw new CliError(`expected ${TARGET_EXPECTED}, got ${JSON.stringify(url)}`, EXIT.usage);
  }
  const headers = readHeaders(options.header ?? []);
  const signatures = readSignatures(options.signature ?? []);
  const env = systemEnv({ log: openLog({ level: "silent", pretty: false }), emit: () => {}, variables: io.env });
  const context = { env, baseDir: io.cwd, parseYaml, run: openSlicer(systemClock) };
  try {
    const asked = { target, models: options.model ?? [], signatures, run: options.run !== false, headers };
    const probed = await probe(asked, context);
    say(io, probed, { json: options.json === true, given: { headers: Object.keys(headers), signatures } });
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    throw new CliError(`${url}: ${error.message}`);
  }
}

/** `name: value`, as curl has it; names in lower case. */
function readHeaders(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, value = ""] = /^([!#$%&'*+.^`|~\w-]+):\s*([\t\x20-\x7e\x80-\xff]*)$/.exec(text) ?? [];
      if (name === undefined) {
        throw new CliError(`--header: expected "name: value", got ${JSON.stringify(text)}`, EXIT.usage);
      }
      return [name.toLowerCase(), value.trim()];
    }),
  );
}

/** `model={inputs: [...], outputs: [...]}`, the words of a config. */
function readSignatures(texts: readonly string[]): ReadonlyMap<string, object> {
  return new Map(
    texts.map((text) => {
      const at = text.indexOf("=");
      const [name, words] = [text.slice(0, at), text.slice(at + 1)];
      if (at < 1) throw wrongSignature(text);
      const read = signatureWord.safeParse(readYaml(words));
      if (!read.success) throw wrongSignature(text, read.error.issues[0]?.message);
      return [name, read.data];
    }),
  );
}

function readYaml(text: string): unknown {
  try {
    return parseYaml(text);
  } catch {
    return undefined;
  }
}

function wrongSignature(text: string, why?: string): CliError {
  const said = why === undefined ? "" : ` (${why})`;
  const expected = "model={inputs: [{name: x, datatype: FP32, shape: [-1, 4]}], outputs: [...]}";
  return new CliError(`--signature: expected ${expected}, got ${JSON.stringify(text)}${said}`, EXIT.usage);
}

interface Saying {
  readonly json: boolean;
  readonly given: Given;
}

// The whole text is a config, so that `sluice probe URL > sluice.yaml` makes one.
function say(io: Io, probed: Probed, { json, given }: Saying): void {
  const config = configLines(probed, given);
  if (json) {
    io.out(`${JSON.stringify({ ...probed, config: `${config.join("\n")}\n` }, undefined, 2)}\n`);
    return;
  }
  const { dim } = paintFor(io);
  for (const line of findings(probed)) io.out(`${dim(`# ${printable(line)}`)}\n`);
  io.out(`\n${config.map((line) => (line.trim().startsWith("#") ? dim(line) : line)).join("\n")}\n`);
}

function findings(probed: Probed): readonly string[] {
  const { kind, endpoint, server, words, quirks, models, recognised, unwell } = probed;
  const how = typeof words.protocol === "string" ? ` over ${words.protocol}` : "";
  return [
    recognised
      ? `${server} at ${endpoint} is of the kind ${kind}${how}`
      : `no kind of server is recognised at ${endpoint}: below it is taken for plain HTTP, whose path and body you say`,
    ...quirks.map((quirk) => `- ${quirk}`),
    ...(unwell === undefined ? [] : [`- it does not do its work now, so its models are not known: ${unwell}`]),
    ...(recognised && unwell === undefined && models.length === 0 ? ["- names no models: --model names them"] : []),
    ...models.flatMap(modelFindings),
  ];
}

function modelFindings({ name, versions, signature, untold, trial, untried }: ProbedModel): readonly string[] {
  const states = versions.map(({ version, state }) => (state === "ready" ? version : `${version} (${state})`));
  return [
    `model ${name}${states.length === 0 ? "" : `, version ${states.join(", ")}`}`,
    ...(signature === undefined
      ? [`- signature not told: ${untold ?? "nobody knows why"}`]
      : [
          ...signature.inputs.map((spec) => `- takes ${specText(spec)}${spec.optional === true ? ", optional" : ""}`),
          ...signature.outputs.map((spec) => `- gives ${specText(spec)}`),
        ]),
    ...(trial === undefined ? [`- not tried: ${untried ?? "nobody knows why"}`] : trialFindings(trial)),
  ];
}

function trialFindings({ refused, firstMs, repeatable, rows }: Trial): readonly string[] {
  if (refused !== undefined) return [`- made-up input is refused: ${refused}`];
  const lines = [
    `- the same input twice gives ${repeatable === true ? "the same bytes" : "different bytes"} (first answer after ${firstMs} ms)`,
  ];
  if (rows === undefined) return [...lines, "- its first dimension is fixed: no rows to join"];
  const { together, said, most, stopped } = rows;
  const more = said === undefined ? "" : `: ${said}`;
  if (most === undefined) return [...lines, `- ${TOGETHER[together]}${more}`];
  return [...lines, `- ${TOGETHER[together]}${more}`, `- takes ${most} rows at once; ${stopped}`];
}

const TOGETHER: Readonly<Record<NonNullable<Trial["rows"]>["together"], string>> = {
  equal: "rows together give what each gives alone, bit by bit",
  close: "rows together give what each gives alone, to a part in 100,000",
  different: "rows together give something else than each alone: they must not be joined",
  refused: "several rows are refused",
  merged: "rows do not come out as they went in",
  unknown: "whether rows depend on each other cannot be told",
};
