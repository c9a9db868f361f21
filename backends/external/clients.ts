// The clients that doors open: undici's and grpc-js's, each behind its own one door.

import { openGrpcClient } from "../grpc-client.ts";
import { openHttpClient } from "../http-client.ts";
import type { Clients } from "./door.ts";

/** Clients that open real connections. */
export const realClients: Clients = { http: openHttpClient, grpc: openGrpcClient };
