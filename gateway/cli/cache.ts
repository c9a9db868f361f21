// `sluice cache purge`: asks a running gateway to forget the answers that it has kept.

import { z } from "zod";
import { adminHeaders, DEFAULT_ADMIN_URL, openClient, refusal } from "./client.ts";
import { CliError, EXIT, type Io } from "./io.ts";

export interface PurgeOptions {
  readonly tenant?: string;
  readonly url?: string;
  readonly json?: boolean;
}

const PURGED = z.object({ answers: z.number(), shared: z.boolean().optional() });

/**
 * 0 when nothing that was kept is given again, 1 when the replicas' store has not heard of it.
 *
 * @throws CliError with the gateway's own words otherwise
 */
export async function runPurge(io: Io, model: string | undefined, options: PurgeOptions): Promise<number> {
  const client = openClient(options.url ?? DEFAULT_ADMIN_URL);
  const asked = new URLSearchParams();
  if (model !== undefined) asked.set("model", model);
  if (options.tenant !== undefined) asked.set("tenant", options.tenant);
  const path = `/admin/cache/purge?${asked}`;
  const answer = await client.ask({ method: "POST", path, headers: adminHeaders(io.env) });
  if (answer.status !== 200) throw new CliError(refusal(answer));
  const text = Buffer.from(answer.body).toString();
  const { answers, shared } = PURGED.parse(JSON.parse(text));
  if (options.json === true) io.out(text);
  else io.out(`purged: ${answers} ${answers === 1 ? "answer" : "answers"} of this process's memory\n`);
  if (shared !== false) return EXIT.ok;
  io.err("sluice: the shared store did not take it: other replicas may still give what they have kept; purge again\n");
  return EXIT.failed;
}
