// nginx as a cache of POST requests, on the gateway's core: with the body in its key where a key can hold it, and without.

import { freePorts } from "../test/interop/support/ports.ts";
import type { Launched } from "./launched.ts";
import { launchNginx } from "./nginx.ts";

/** A key in nginx 1.22 ends at 64 KiB, since the file of an answer tells its place in 16 bits: longer ones are kept, and never found. */
export const MOST_KEY_BYTES = 60_000;

/**
 * Listens on a port for each of `bodyBytes`, before the server at `port`. A body that no key can hold is known by its length
 * alone: what nginx does at most, and not what a cache may do.
 */
export async function startCachingNginx(port: number, bodyBytes: readonly number[]): Promise<Launched> {
  const ports = await freePorts(bodyBytes.length);
  const servers = bodyBytes.map((bytes, i) => {
    const key = bytes <= MOST_KEY_BYTES ? "$request_body" : "$content_length";
    return `
  server {
    listen 127.0.0.1:${ports[i]};
    location / {
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      client_body_in_single_buffer on;
      proxy_buffer_size 128k; proxy_buffers 16 128k; proxy_busy_buffers_size 256k;
      proxy_cache kept; proxy_cache_methods POST; proxy_cache_valid 200 1h;
      proxy_cache_key "$request_uri $http_inference_header_content_length ${key}";
    }
  }`;
  });
  return launchNginx(
    ports,
    `
  sendfile on; tcp_nodelay on;
  proxy_cache_path cache keys_zone=kept:16m;
  upstream origin { server 127.0.0.1:${port}; keepalive 8; }
${servers.join("\n")}`,
  );
}
