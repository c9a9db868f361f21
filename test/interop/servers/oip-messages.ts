// The messages of the Open Inference Protocol over gRPC that are sent when a server's answers are recorded.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { GrpcQuestion } from "../support/questions.ts";
import { PYTHON } from "./paths.ts";

const run = promisify(execFile);

/**
 * Made by `python/oip_messages.py` with the stubs that come with the server's own packages; `triton` adds what only Triton
 * has.
 */
export async function oipMessages(python: string, flavour: "triton" | "plain"): Promise<readonly GrpcQuestion[]> {
  const { stdout } = await run(python, [join(PYTHON, "oip_messages.py"), flavour], { maxBuffer: 16 * 2 ** 20 });
  return JSON.parse(stdout) as readonly GrpcQuestion[];
}
