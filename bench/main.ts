// `npm run bench`: measures every figure, or those named, prints them and writes them to results/.

import { parseArgs } from "node:util";
import type { Effort, Figure, Finding } from "./figure.ts";
import { figures } from "./figures.ts";
import { machine } from "./machine.ts";
import { canPin } from "./programs.ts";
import { save, show } from "./report.ts";

const USAGE = `npm run bench -- [figure ...] [--quick] [--rounds n]

${figures.map(({ letter, name, question }) => `  ${letter}, ${name.padEnd(10)}${question}`).join("\n")}

  --quick     a second each: whether it works at all; says nothing of speed and writes nothing
  --rounds n  how often each arm is measured (7)`;

/** Long enough for one run of every model that --quick has. */
const QUICK: Effort = { quick: true, rounds: 2, scale: 0.15 };

function chosen(names: readonly string[]): readonly Figure[] {
  const unknown = names.filter((word) => !figures.some(({ letter, name }) => word === letter || word === name));
  if (unknown.length > 0) throw new Error(`expected a figure, got ${unknown.join(" ")}\n\n${USAGE}`);
  return figures.filter(({ letter, name }) => names.length === 0 || names.includes(letter) || names.includes(name));
}

/** Numbers that are there and can be: all that a quick run may judge. */
function checkShape(figure: Figure, findings: readonly Finding[]): void {
  const numbers = findings.flatMap(({ comparison, rows, goals }) => [
    ...(comparison?.arms.flatMap(({ values, ratio }) => [...values, ...(ratio?.values ?? [])]) ?? []),
    ...(rows ?? []).flatMap(({ cells }) => Object.values(cells)),
    ...goals.map(({ got }) => got),
  ]);
  const wrong = numbers.filter((value) => !(Number.isFinite(value) && value >= 0));
  if (findings.length > 0 && numbers.length > 0 && wrong.length === 0) return;
  throw new Error(`${figure.name}: expected figures of at least 0, got ${wrong.join(" ") || "none"}`);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: "boolean" }, rounds: { type: "string", default: "7" }, help: { type: "boolean" } },
  });
  if (values.help === true) {
    console.log(USAGE);
    return;
  }
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds: expected a whole number, got ${values.rounds}`);
  const effort = values.quick === true ? QUICK : { quick: false, rounds, scale: 1 };
  if (!canPin()) console.log("taskset or a second core is missing: server and client share what there is\n");
  const here = machine();
  console.log(`${here.cpu}, ${here.cores} cores, Node ${here.node}, load ${here.loadBefore.toFixed(1)}\n`);
  for (const figure of chosen(positionals)) {
    console.log(`${figure.letter}. ${figure.question}`);
    const findings = await figure.measure(effort, (line) => console.log(`  ... ${line}`));
    checkShape(figure, findings);
    for (const finding of findings) console.log(`\n${show(effort.quick ? { ...finding, goals: [] } : finding)}`);
    if (!effort.quick) save(figure, here, findings);
    console.log("");
  }
}

await main();
