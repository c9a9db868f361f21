// Values that decoders get wrong first: tokens, texts, sizes, and JSON where something else should stand.

import type { Chance } from "./gateway-demo.ts";
import type { Json } from "./gateway-draft.ts";

const ODD_TOKENS = [
  "0",
  "-0",
  "1",
  "-1",
  "1.0",
  "1e0",
  "1e400",
  "-1e400",
  "1E+2",
  "0.1e-400",
  "01",
  "+1",
  ".5",
  "5.",
  "0x10",
  "1_000",
  "NaN",
  "Infinity",
  "-Infinity",
  "nan",
  "Inf",
  "-",
  "2147483648",
  "-2147483649",
  "9223372036854775808",
  "18446744073709551616",
  `1${"0".repeat(400)}`,
  `0.${"0".repeat(400)}1`,
  "true",
  "null",
  '"7"',
  "[1]",
  "{}",
  "undefined",
  "1,2",
  "",
];
const ODD_TEXTS = [
  "",
  "INPUT0",
  "input0",
  "OUTPUT0",
  "probabilities",
  "__proto__",
  "constructor",
  "é",
  "\u0000",
  "a".repeat(5000),
  "../x",
  "FP32",
  "INT32",
  "BYTES",
  "FP16",
  "BF16",
  "BOOL",
  "FP128",
  "float",
];
/** Sizes of dimensions and blobs, as their text. */
export const ODD_SIZES = [
  "0",
  "1",
  "2",
  "3",
  "-1",
  "4294967296",
  "9007199254740992",
  "9007199254740993",
  "1.5",
  "1e2",
  '"1"',
  "null",
];

/** A token where a value should stand; some are no JSON. */
export const oddToken = (dice: Chance): Json => ({ token: dice.pick(ODD_TOKENS) });
/** A text where a name or a word should stand. */
export const oddText = (dice: Chance): string => dice.pick(ODD_TEXTS);

/** Outputs asked for; some are not there, some say nonsense. */
export function someOutputs(dice: Chance): Json {
  const names = ["OUTPUT1", "OUTPUT0", "probabilities", "digit", "label", "nothing"];
  return Array.from({ length: dice.below(3) }, () => ({
    name: dice.pick(names),
    ...(dice.below(2) === 0 ? {} : { parameters: { binary_data: dice.pick<Json>([true, false, "yes", null]) } }),
  }));
}

/** Parameters; some are reserved, some of a wrong type. */
export function someParameters(dice: Chance): Json {
  const keys = ["binary_data_output", "priority", "sequence_id", "sequence_start", "triton_x", "sluice_x", "x", ""];
  const values: readonly Json[] = [
    true,
    false,
    "text",
    { token: "3" },
    { token: "-3" },
    { token: "1.5" },
    null,
    {},
    [],
  ];
  return Object.fromEntries(Array.from({ length: dice.below(4) }, () => [dice.pick(keys), dice.pick(values)]));
}

/** JSON of any form, at most so deep. */
export function anyJson(dice: Chance, depth: number): Json {
  const how = dice.below(depth > 0 ? 6 : 4);
  if (how === 0) return oddToken(dice);
  if (how === 1) return oddText(dice);
  if (how === 2) return null;
  if (how === 3) return dice.below(2) === 0;
  const inner = Array.from({ length: dice.below(4) }, () => anyJson(dice, depth - 1));
  return how === 4 ? inner : Object.fromEntries(inner.map((value) => [oddText(dice), value]));
}

/** Arrays within arrays. */
export function deep(depth: number): Json {
  return { token: `${"[".repeat(depth)}${"]".repeat(depth)}` };
}
