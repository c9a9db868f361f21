// The config of a server that was probed, as YAML that `sluice check` accepts, with what was found as comments.

import type { ProbedModel } from "../../backends/probe/models.ts";
import type { Probed } from "../../backends/probe.ts";

/** What was said on the command line and stands in the config again. */
export interface Given {
  /** The names of the headers that were sent. */
  readonly headers: readonly string[];
  readonly signatures: ReadonlyMap<string, object>;
}

/** Lines of YAML. */
export function configLines(probed: Probed, { headers, signatures }: Given): readonly string[] {
  const { kind, endpoint, words, models } = probed;
  const backend = [
    `  ${kind}:`,
    `    kind: ${kind}`,
    ...Object.entries(words).map(([word, value]) => `    ${word}: ${scalar(value)}`),
    `    endpoints: [${scalar(endpoint)}]`,
    ...(headers.length === 0 ? [] : ["    headers:", "      send:", ...headers.map(headerLine)]),
    ...batchLines(models),
  ];
  const served = models.filter(({ versions }) => versions.length > 0 || !probed.recognised);
  const untold = served.find((model) => model.signature === undefined);
  const names = ownNames(served.map(({ name }) => name));
  const lines = served.flatMap((model, i) => [
    ...modelLines({ backend: kind, own: names[i] ?? model.name, model, signature: signatures.get(model.name) }),
    ...(model.signature === undefined ? toDeclare(model === untold) : []),
  ]);
  return ["backends:", ...backend, ...(served.length === 0 ? [] : ["models:", ...lines])];
}

// A key does not belong into a file: its variable does.
function headerLine(name: string): string {
  const variable = `PROBED_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`;
  return `        ${scalar(name)}: "\${${variable}:-}"`;
}

/**
 * What the server says of rows, set right where the trial found otherwise. That rows are independent is only proposed: a
 * trial can refute it and never prove it.
 */
function batchLines(models: readonly ProbedModel[]): readonly string[] {
  const said = (model: ProbedModel) => model.signature?.batchDim === 0;
  const found = (model: ProbedModel) => areIndependent(model.trial?.rows?.together);
  const not = models.filter((model) => said(model) && found(model) === false);
  const also = models.filter((model) => !said(model) && found(model) === true);
  const line = ({ name }: ProbedModel, holds: boolean) => `${scalar(name)}: { batchDim: ${holds} }`;
  return [
    ...(not.length === 0 ? [] : ["    models:", ...not.map((model) => `      ${line(model, false)}`)]),
    ...(also.length === 0 ? [] : ["    # rows were found to be independent; under models here:"]),
    ...also.map((model) => `    #   ${line(model, true)}`),
  ];
}

/** Whether rows may be joined, where the trial tells. */
function areIndependent(together: string | undefined): boolean | undefined {
  if (together === "equal" || together === "close") return true;
  return together === "different" || together === "merged" || together === "refused" ? false : undefined;
}

/** Names of the gateway's own for models: the same where it may be, else with _ for what stands in no URL, and each once. */
function ownNames(names: readonly string[]): readonly string[] {
  const taken = new Set(names);
  return names.map((name) => {
    const told = name.replaceAll(/[^\p{L}\p{N} .:@_-]/gu, "_").trim();
    const good = /^(\.*|__proto__)$/.test(told) ? "model" : told;
    if (good === name) return name;
    let own = good;
    for (let n = 2; taken.has(own); n += 1) own = `${good}_${n}`;
    taken.add(own);
    return own;
  });
}

interface ModelLines {
  readonly backend: string;
  readonly own: string;
  readonly model: ProbedModel;
  readonly signature: object | undefined;
}

function modelLines({ backend, own, model: { name }, signature }: ModelLines): readonly string[] {
  return [
    `  ${scalar(own)}:`,
    `    backend: ${backend}`,
    ...(own === name ? [] : [`    model: ${scalar(name)}`]),
    ...(signature === undefined ? [] : [`    signature: ${scalar(signature)}`]),
  ];
}

function toDeclare(isFirst: boolean): readonly string[] {
  if (!isFirst) return ["    # signature: as above"];
  return [
    "    # what the server does not tell; with it, every protocol can ask the model:",
    "    # signature:",
    "    #   inputs: [{ name: x, datatype: FP32, shape: [-1, 4] }]",
    "    #   outputs: [{ name: y, datatype: FP32, shape: [-1, 1] }]",
  ];
}

/** YAML's words for something else than text. Source: YAML 1.2, core schema, and the words of 1.1 that readers still take. */
const NO_TEXT = /^(true|false|yes|no|on|off|null|~|y|n)$/i;

/** A value on one line: bare where YAML reads it back as the same text. */
function scalar(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  if (/^[A-Za-z_][\w-]*(\.[\w-]+)*$/.test(value) && !NO_TEXT.test(value)) return value;
  // `$${` stands for a plain `${` in a config
  return JSON.stringify(value.replaceAll("${", () => "$${"));
}
