// The scenes of the demo: digits by two versions, flowers, languages, and what bad input gets.

import { z } from "zod";
import { percent } from "./answer.ts";
import { type Client, modelPath, refusal } from "./client.ts";
import { CliError } from "./io.ts";
import { bar, type Paint } from "./paint.ts";
import { beside, picture } from "./picture.ts";
import { argmax } from "./values.ts";

/** What a scene plays with. */
export interface Scene {
  readonly client: Client;
  readonly paint: Paint;
  /** Prints a line. */
  say(line: string): void;
  /** The text of a file below models/. */
  sample(path: string): Promise<string>;
}

const ANSWER = z.object({
  outputs: z.array(z.object({ name: z.string(), data: z.array(z.union([z.number(), z.string()])) })),
});
const REQUEST = z.object({ inputs: z.array(z.object({ data: z.array(z.union([z.number(), z.string()])) })) });
const TRUTHS = z.record(z.string(), z.object({ truth: z.unknown() }));

/** Two versions of one model read the same pictures; the older is wrong about the hard one. */
export async function digits(scene: Scene): Promise<void> {
  const { paint, say } = scene;
  say(
    `\n${paint.bold("1. Handwritten digits, read by two versions of one model")}  ${paint.dim("digits: 1 linear, 2 convolutional")}`,
  );
  const truths = TRUTHS.parse(JSON.parse(await scene.sample("digits/samples/expected.json")));
  for (const name of ["three", "seven", "hard"]) {
    const body = await scene.sample(`digits/samples/${name}.json`);
    const truth = Number(truths[name]?.truth);
    const pixels = valuesIn(body).map(Number);
    const lines = [`It is a ${truth}.`, ""];
    for (const version of ["1", "2"]) lines.push(await reading(scene, body, { version, truth }));
    say(`\n${indent(beside(picture(pixels, { width: 8, most: 16 }), lines, 20))}`);
  }
}

interface Reader {
  readonly version: string;
  readonly truth: number;
}

async function reading(scene: Scene, body: string, { version, truth }: Reader): Promise<string> {
  const answer = await infer(scene, { model: "digits", version, body });
  const row = output(answer, "probabilities").map(Number);
  const digit = argmax(row);
  const share = row[digit] ?? 0;
  const says = `version ${version} says ${digit} ${percent(share)} ${bar(share, 10).padEnd(10)}`;
  return digit === truth ? `${says} ${scene.paint.green("right")}` : `${says} ${scene.paint.red("wrong")}`;
}

/** Three flowers in one request. */
export async function flowers(scene: Scene): Promise<void> {
  const { paint, say } = scene;
  say(`\n${paint.bold("2. Three iris flowers in one request")}  ${paint.dim("iris: 4 lengths in cm")}\n`);
  const body = await scene.sample("iris/samples/three-flowers.json");
  const answer = await infer(scene, { model: "iris", body });
  const names = ["setosa", "versicolor", "virginica"];
  const shares = output(answer, "probabilities").map(Number);
  const lengths = valuesIn(body);
  for (const [i, label] of output(answer, "label").entries()) {
    const flower = lengths.slice(4 * i, 4 * i + 4).map((length) => Number(length).toFixed(1));
    const share = shares[3 * i + Number(label)] ?? 0;
    say(
      `  ${flower.join("  ")}   ${(names[Number(label)] ?? String(label)).padEnd(10)} ${percent(share)} ${bar(share, 10)}`.trimEnd(),
    );
  }
}

/** Text goes in and comes out. */
export async function languages(scene: Scene): Promise<void> {
  const { paint, say } = scene;
  say(`\n${paint.bold("3. Sentences and their languages")}  ${paint.dim("language: text in, text out")}\n`);
  for (const file of ["english", "four-languages"]) {
    const body = await scene.sample(`language/samples/${file}.json`);
    const answer = await infer(scene, { model: "language", body });
    const texts = valuesIn(body).map(String);
    for (const [i, label] of output(answer, "label").entries()) {
      const shown = clipped(texts[i] ?? "", 56);
      say(`  ${paint.green(String(label).padEnd(3))} ${shown}`);
    }
  }
}

/** A digit's request, with other parts in place of its own. */
function image(parts: object = {}): string {
  const good = { name: "image", datatype: "FP32", shape: [1, 1, 8, 8], data: blank(64) };
  return JSON.stringify({ inputs: [{ ...good, ...parts }] });
}

function blank(count: number): readonly number[] {
  return Array.from({ length: count }, () => 0);
}

interface Bad {
  readonly what: string;
  readonly model: string;
  readonly version?: string;
  readonly body: string;
}

/** Requests that are wrong, each in its own way. */
function bads(): readonly Bad[] {
  return [
    { what: "63 values for 64 pixels", model: "digits", body: image({ data: blank(63) }) },
    { what: "a picture of 9x9", model: "digits", body: image({ shape: [1, 1, 9, 9], data: blank(81) }) },
    { what: "a word for a number", model: "digits", body: image({ data: [...blank(63), "seven"] }) },
    { what: "an input of another name", model: "digits", body: image({ name: "picture" }) },
    { what: "half a body", model: "digits", body: image().slice(0, -20) },
    { what: "a version that is not there", model: "digits", version: "3", body: image() },
    { what: "a model that is not there", model: "cats", body: image() },
  ];
}

/** Every mistake gets a clear error of the client's own kind. */
export async function badInputs(scene: Scene): Promise<void> {
  const { client, paint, say } = scene;
  say(`\n${paint.bold("4. What bad input gets")}\n`);
  for (const { what, model, version, body } of bads()) {
    const path = `${modelPath(model, version)}/infer`;
    const answer = await client.ask({ method: "POST", path, body, headers: { "content-type": "application/json" } });
    if (answer.status < 400 || answer.status > 499)
      throw new CliError(`${what}: expected a client's error, got ${answer.status}`);
    say(`  ${what.padEnd(28)} ${paint.yellow(refusal(answer))}`);
  }
}

interface Ask {
  readonly model: string;
  readonly version?: string;
  readonly body: string;
}

type Outputs = z.output<typeof ANSWER>["outputs"];

async function infer({ client }: Scene, { model, version, body }: Ask): Promise<Outputs> {
  const headers = { "content-type": "application/json" };
  const answer = await client.ask({ method: "POST", path: `${modelPath(model, version)}/infer`, headers, body });
  if (answer.status !== 200) throw new CliError(`${model}: ${refusal(answer)}`);
  return ANSWER.parse(JSON.parse(Buffer.from(answer.body).toString())).outputs;
}

function output(outputs: Outputs, name: string): readonly (number | string)[] {
  const found = outputs.find((one) => one.name === name);
  if (found === undefined)
    throw new CliError(`expected the output ${name}, got ${outputs.map((one) => one.name).join(", ")}`);
  return found.data;
}

function valuesIn(body: string): readonly (number | string)[] {
  return REQUEST.parse(JSON.parse(body)).inputs[0]?.data ?? [];
}

// Chinese, Japanese and Korean signs take two columns.
function clipped(text: string, columns: number): string {
  let left = columns;
  let shown = "";
  for (const sign of text) {
    left -= /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]/.test(sign) ? 2 : 1;
    if (left < 0) return `${shown}…`;
    shown += sign;
  }
  return shown;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
