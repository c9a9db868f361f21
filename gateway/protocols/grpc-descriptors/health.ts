// The FileDescriptorProtos of gRPC's health service, compressed, as test/interop/make_descriptors.py prints them.

import { inflated } from "./inflated.ts";

/** Source: grpc/grpc-proto, grpc/health/v1/health.proto (Apache-2.0). */
export const DESCRIPTORS = inflated([
  [
    "H4sIAAAAAAACA+OSTi8qSI7PSE3MKcnQLzPUh7D0CoryS/KF+ECSelChMkMlVS4hDzDHOSM1OTsotbA0tbhEiJ+LvTi1qCwzOVWCUYFRg1NpJSOXM",
    "Iq64oL8vOJUIUcutuKSxJLSYrA6PiNDPVTz9bBo0gsGGZ2XHgzWqOTPxYsiIMTNxR7q5+3nH+4nwADiBLsGhXn6uQswAp3F7ecfEg8TYBIS5uIHc5",
    "xd42FamI3WMXKxQawVCuBiBVstpITXXWBPSykT4XahIC7W8MSS5AyqmWjA6JTIJZiZj6bUiRuiNgAUawGMUTrp+fnpOal66fk5iXnpevlF6fogDdD",
    "I1UeK8vgyw1VMfO4g0yBG6IUZJrGBY98YAP/5hhwcAgAA",
  ],
]);
