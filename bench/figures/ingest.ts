// Figure b: how fast the tensors of a JSON body are read, beside JSON.parse.

import type { Figure, Finding } from "../figure.ts";
import { compare } from "../harness.ts";
import { jsonBody, pythonNumber, shortNumber } from "../http-bytes.ts";
import { SERVER_CORE, withPrograms } from "../programs.ts";
import { normalFloats, randomFrom } from "../random.ts";

const SHAPE = [1, 3, 224, 224];

const STYLES = [
  { name: "17 digits, as Python writes float32.tolist()", write: pythonNumber, goal: 1.8 },
  { name: "6 decimals", write: shortNumber, goal: undefined },
];

export const ingest: Figure = {
  letter: "b",
  name: "ingest",
  question: "How fast is a JSON body with a 1x3x224x224 FP32 tensor read, beside JSON.parse and Float32Array.from?",
  async measure(effort, say) {
    const findings: Finding[] = [];
    const values = normalFloats(3 * 224 * 224, randomFrom(3));
    for (const style of STYLES) {
      say(style.name);
      const { bytes } = jsonBody({ name: "x", shape: SHAPE, values }, style.write);
      findings.push(
        await withPrograms(async (start) => {
          const decoder = await start("programs/decode.ts", {
            core: SERVER_CORE,
            input: bytes,
            execArgv: ["--expose-gc"],
          });
          const measureMs = 250 * effort.scale;
          const arm = (name: string, word: string) => ({ name, measure: () => decoder.ask<number>(word, measureMs) });
          const comparison = await compare({
            title: `1x3x224x224, ${style.name}, ${(bytes.byteLength / 2 ** 20).toFixed(2)} MiB`,
            unit: "bodies/s",
            rounds: effort.quick ? effort.rounds : Math.max(15, effort.rounds),
            arms: [arm("JSON.parse", "parse"), arm("wire", "wire")],
          });
          await decoder.ask("check");
          const got = comparison.arms[1]?.ratio?.median ?? Number.NaN;
          const what = "wire by JSON.parse, median of the pairs";
          return {
            title: comparison.title,
            comparison,
            goals: style.goal === undefined ? [] : [{ what, want: { atLeast: style.goal }, got }],
            notes: ["both arms gave the same floats, bit for bit, in this process before and after the rounds"],
          };
        }),
      );
    }
    return findings;
  },
};
