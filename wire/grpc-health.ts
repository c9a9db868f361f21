// The messages of gRPC's health service, as tables.

import { message, one, TEXT, wordOf } from "./protobuf-table.ts";

/** Source: grpc/grpc-proto, grpc/health/v1/health.proto. */
export const HEALTH_SERVICE = "grpc.health.v1.Health";

/** HealthCheckRequest; an empty service is the server itself. */
export const HEALTH_REQUEST = message({ service: one(1, TEXT) });
/** HealthCheckResponse. */
export const HEALTH_ANSWER = message({
  status: one(1, wordOf(["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"])),
});
