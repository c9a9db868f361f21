// Every figure, as a literal list: a new one is a file in figures/ and a line here.

import type { Figure } from "./figure.ts";
import { admission } from "./figures/admission.ts";
import { balancers } from "./figures/balancers.ts";
import { batch } from "./figures/batch.ts";
import { fronts } from "./figures/fronts.ts";
import { goodput } from "./figures/goodput.ts";
import { hits } from "./figures/hits.ts";
import { ingest } from "./figures/ingest.ts";
import { killed } from "./figures/killed.ts";
import { memory } from "./figures/memory.ts";
import { overhead } from "./figures/overhead.ts";
import { requests } from "./figures/requests.ts";
import { retries } from "./figures/retries.ts";
import { routes } from "./figures/routes.ts";
import { served } from "./figures/served.ts";
import { slow } from "./figures/slow.ts";
import { stack } from "./figures/stack.ts";
import { turns } from "./figures/turns.ts";
import { upstream } from "./figures/upstream.ts";

export const figures: readonly Figure[] = [
  served,
  ingest,
  turns,
  requests,
  overhead,
  upstream,
  balancers,
  memory,
  routes,
  batch,
  fronts,
  hits,
  admission,
  slow,
  goodput,
  killed,
  retries,
  stack,
];
