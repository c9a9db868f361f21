// `sluice plan`: asks a running gateway what another config would change, in words and in users who would get another version.

import { z } from "zod";
import { adminHeaders, DEFAULT_ADMIN_URL, openClient, refusal } from "./client.ts";
import { CliError, EXIT, type Io, readBytes } from "./io.ts";
import { printable } from "./paint.ts";

export interface PlanOptions {
  readonly url?: string;
  readonly json?: boolean;
}

const PLAN = z.object({
  changes: z.array(z.string()),
  warnings: z.array(z.string()),
  models: z.array(
    z.object({
      model: z.string(),
      requests: z.number(),
      inTurns: z.number(),
      users: z.number(),
      moved: z.number(),
      moves: z.record(z.string(), z.number()),
    }),
  ),
});

/** 0 for a config that could be put in force. @throws CliError with all its mistakes otherwise */
export async function runPlan(io: Io, file: string, options: PlanOptions): Promise<number> {
  const body = await readBytes(io, file);
  const client = openClient(options.url ?? DEFAULT_ADMIN_URL);
  const answer = await client.ask({ method: "POST", path: "/admin/plan", headers: adminHeaders(io.env), body });
  if (answer.status !== 200) throw new CliError(refusal(answer));
  const text = Buffer.from(answer.body).toString();
  if (options.json === true) {
    io.out(text);
    return EXIT.ok;
  }
  const { changes, warnings, models } = PLAN.parse(JSON.parse(text));
  for (const warning of warnings) io.err(`sluice: ${printable(warning)}\n`);
  io.out(`${(changes.length === 0 ? ["nothing changes"] : changes).map(printable).join("\n")}\n`);
  for (const model of models) io.out(`${printable(replayed(model))}\n`);
  return EXIT.ok;
}

function replayed({ model, users, moved, moves, requests, inTurns }: z.output<typeof PLAN>["models"][number]): string {
  const share = users === 0 ? 0 : (100 * moved) / users;
  const ways = Object.entries(moves).map(([way, count]) => `${way}: ${count}`);
  const which = ways.length === 0 ? "" : ` (version ${ways.join(", ")})`;
  const others = inTurns === 0 ? "" : `; ${inTurns} of ${requests} requests are no user's, or go in turns`;
  return `${model}: ${Number(share.toFixed(2))} % of ${users} users of the last minutes would get another version${which}${others}`;
}
