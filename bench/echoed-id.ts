// A recorded answer with another request's id in it, as the recorded server would give it: Triton echoes what it was sent.

const ID = /"id":"([^"]*)"/;
const LENGTHS = ["Inference-Header-Content-Length", "content-length"];

/** The answer to a request, of which any part that has its id is enough; the recorded one where either has none. */
export function echoingIds(recorded: Uint8Array): (request: Uint8Array) => Uint8Array {
  const text = Buffer.from(recorded).toString("latin1");
  const found = ID.exec(text);
  if (found === null) return () => recorded;
  const [, own = ""] = found;
  const at = found.index + '"id":"'.length;
  /** What stands before and after an id of so many bytes. */
  const around = new Map<number, readonly [string, string]>();
  const aroundOf = (length: number) => {
    const grown = (said: string) => String(Number(said) + length - own.length);
    const before = LENGTHS.reduce(
      (head, name) =>
        head.replace(new RegExp(`^(${name}: )(\\d+)`, "im"), (_, word: string, said: string) => word + grown(said)),
      text.slice(0, at),
    );
    const parts = [before, text.slice(at + own.length)] as const;
    around.set(length, parts);
    return parts;
  };
  return (request) => {
    const [, id] =
      ID.exec(Buffer.from(request.buffer, request.byteOffset, request.byteLength).toString("latin1")) ?? [];
    if (id === undefined) return recorded;
    const [before, after] = around.get(id.length) ?? aroundOf(id.length);
    return Buffer.from(before + id + after, "latin1");
  };
}
