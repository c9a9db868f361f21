// How a backend proves who it is and how we prove who we are: one set of words for HTTP and gRPC.

/** Certificates and keys as PEM, already read. */
export interface ClientTls {
  /** Whom to trust in place of the system's authorities. */
  readonly ca?: Uint8Array;
  /** Our own certificate and its key, for servers that ask for one. */
  readonly cert?: Uint8Array;
  readonly key?: Uint8Array;
  /** The name that the server's certificate must hold, where it is not the URL's host. */
  readonly serverName?: string;
  /** Takes any certificate; for tests and first steps only. */
  readonly insecure?: boolean;
}

/** Certificates and keys that may be replaced while the client is open. */
export interface RenewableTls {
  readonly tls?: ClientTls;
  /**
   * Calls back with others as they come: new connections use them, and those that stand end with what is in flight on
   * them. The answer stops that.
   */
  readonly onTls?: (renew: (tls: ClientTls) => void) => () => void;
}

/** The words as Node's tls has them. */
export function nodeTls(tls: ClientTls | undefined): NodeTls {
  if (tls === undefined) return {};
  return {
    ...(tls.ca === undefined ? {} : { ca: Buffer.from(tls.ca) }),
    ...(tls.cert === undefined ? {} : { cert: Buffer.from(tls.cert) }),
    ...(tls.key === undefined ? {} : { key: Buffer.from(tls.key) }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
    ...(tls.insecure === true ? { rejectUnauthorized: false } : {}),
  };
}

interface NodeTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized?: false;
}
