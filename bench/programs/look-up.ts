// What the cache does for one question that it has an answer to: both digests, the key, and the entry found and proven.

import { DEFAULT_WIRE_LIMITS } from "../../wire/oip-json.ts";
import { decodeRequest } from "../../wire/oip-binary.ts";
