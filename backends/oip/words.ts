// The words of the config that the kinds of the Open Inference Protocol share.

import { z } from "zod";

/** The word `protocol`. */
export const oipProtocol = z.enum(["http", "grpc"]).default("http");
