// `sluice rollback`: asks a running gateway to go back to an earlier config.

import { z } from "zod";
import { adminHeaders, DEFAULT_ADMIN_URL, openClient, refusal } from "./client.ts";
import { CliError, EXIT, type Io } from "./io.ts";
import { printable } from "./paint.ts";

export interface RollbackOptions {
  /** The number of an entry of the history; the one before this where absent. */
  readonly to?: string;
  readonly why?: string;
  readonly url?: string;
  readonly json?: boolean;
}

const CHANGED = z.object({ id: z.number(), how: z.string(), warnings: z.array(z.string()) });

/** 0 when the earlier config is in force again. @throws CliError with the gateway's own words otherwise */
export async function runRollback(io: Io, options: RollbackOptions): Promise<number> {
  if (options.to !== undefined && !/^\d+$/.test(options.to)) {
    throw new CliError(
      `--to: expected the number of an entry of the history, got ${printable(JSON.stringify(options.to))}`,
      EXIT.usage,
    );
  }
  const client = openClient(options.url ?? DEFAULT_ADMIN_URL);
  const asked = new URLSearchParams({ who: io.env.USER ?? "sluice rollback", why: options.why ?? "" });
  if (options.to !== undefined) asked.set("to", options.to);
  const answer = await client.ask({ method: "POST", path: `/admin/rollback?${asked}`, headers: adminHeaders(io.env) });
  if (answer.status !== 200) throw new CliError(refusal(answer));
  const text = Buffer.from(answer.body).toString();
  const { id, how, warnings } = CHANGED.parse(JSON.parse(text));
  for (const warning of warnings) io.err(`sluice: ${printable(warning)}\n`);
  io.out(options.json === true ? text : `${printable(how)}: in force as ${id}\n`);
  return EXIT.ok;
}
