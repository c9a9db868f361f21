// The clients that doors open: undici's and grpc-js's, each behind its own one door.

import { openHttpClient } from "../http-client.ts";
import type { Clients } from "./door.ts";

export const realClients: Clients = {
  http: openHttpClient,
  grpc: () => {
    throw new Error("being built");
  },
};
