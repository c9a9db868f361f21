// Every front protocol, as a literal list: a new one is a file beside this one and a line here.

import type { Protocol } from "../../core/protocol.ts";
import { oipGrpc } from "./oip-grpc.ts";
import { oipRest } from "./oip-rest.ts";

export const protocols: readonly Protocol[] = [oipRest, oipGrpc];
