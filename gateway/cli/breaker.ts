// `sluice breaker`: lists what keeps endpoints of a running gateway from work, and sets a breaker by hand.

import { z } from "zod";
import { adminHeaders, DEFAULT_ADMIN_URL, openClient, refusal } from "./client.ts";
import { CliError, EXIT, type Io } from "./io.ts";
import { printable } from "./paint.ts";

export interface BreakerOptions {
  readonly url?: string;
  readonly json?: boolean;
}

const ACTIONS = ["open", "close", "reset"];

const GUARDS = z.object({
  guards: z.array(
    z.object({ policy: z.string(), endpoint: z.string(), model: z.string().optional(), said: z.string() }),
  ),
});

/**
 * Lists all of them without an action.
 *
 * @param what the action and the endpoint
 * @throws CliError with the gateway's own words: no breaker before that endpoint
 */
export async function runBreaker(io: Io, what: readonly string[], options: BreakerOptions): Promise<number> {
  const [action, endpoint] = what;
  if (action !== undefined && (!ACTIONS.includes(action) || endpoint === undefined)) {
    const got = what.map((word) => JSON.stringify(word)).join(" ");
    throw new CliError(
      `expected open, close or reset and an endpoint such as gpu/triton-0:8001, got ${got}`,
      EXIT.usage,
    );
  }
  const client = openClient(options.url ?? DEFAULT_ADMIN_URL);
  const headers = adminHeaders(io.env);
  const asked = new URLSearchParams({ endpoint: endpoint ?? "", who: io.env.USER ?? "sluice breaker" });
  const answer = await client.ask(
    action === undefined
      ? { path: "/admin/breakers", headers }
      : { method: "POST", path: `/admin/breakers/${action}?${asked}`, headers },
  );
  if (answer.status !== 200) throw new CliError(refusal(answer));
  const text = Buffer.from(answer.body).toString();
  if (options.json === true) {
    io.out(text);
    return EXIT.ok;
  }
  const { guards } = GUARDS.parse(JSON.parse(text));
  if (guards.length === 0) io.err("sluice: no endpoint has a breaker\n");
  for (const { policy, endpoint: id, model, said } of guards) {
    const whose = model === undefined ? "" : ` for ${model}`;
    io.out(`${printable(`${id} ${policy}${whose}: ${said}`)}\n`);
  }
  return EXIT.ok;
}
