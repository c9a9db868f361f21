// Which proxy leads to a server, by the environment's variables, as curl reads them.

/** The variables of the process, as the command line passes them in. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a URL: `http_proxy` or `https_proxy`, else `all_proxy`, in small or capital letters (the small ones win),
 * unless `no_proxy` names the host.
 *
 * @returns undefined for a direct connection
 * @throws Error for a proxy that is no http or https URL; a proxy without a scheme is http
 */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  const read = (name: string) => environment[name] || environment[name.toUpperCase()];
  const proxy = (url.protocol === "https:" ? read("https_proxy") : read("http_proxy")) ?? read("all_proxy");
  if (proxy === undefined || bypassed(url, read("no_proxy") ?? "")) return undefined;
  const found = URL.parse(proxy.includes("://") ? proxy : `http://${proxy}`);
  if (found === null || (found.protocol !== "http:" && found.protocol !== "https:")) {
    throw new Error(`${url.protocol.slice(0, -1)}_proxy: expected an http or https URL`);
  }
  return found;
}

/** `user:password` of a proxy's URL, decoded; undefined without a user. */
export function proxyCredentials(proxy: URL): string | undefined {
  if (proxy.username === "") return undefined;
  return `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
}

/** Whether a `no_proxy` list names the URL's host: `*`, a name or address, or its parent domain, each with an optional port. */
function bypassed(url: URL, list: string): boolean {
  const host = bare(url.hostname.toLowerCase());
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  for (const word of list.toLowerCase().split(/[\s,]+/)) {
    if (word === "") continue;
    if (word === "*") return true;
    const [, name = "", itsPort] = /^(\[[^\]]*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(word) ?? [];
    if (itsPort !== undefined && itsPort !== port) continue;
    const wanted = bare(name.replace(/^\*?\./, ""));
    if (wanted !== "" && (host === wanted || host.endsWith(`.${wanted}`))) return true;
  }
  return false;
}

function bare(host: string): string {
  return host.startsWith("[") ? host.slice(1, -1) : host;
}

/** The URL with the address at which its host was found, for a proxy that is to connect there and nowhere else. */
export function placeOf(url: URL, address: string | undefined): URL {
  if (address === undefined) return url;
  const there = new URL(url);
  there.hostname = address.includes(":") ? `[${address}]` : address;
  return there;
}
