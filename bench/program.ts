// The other end of programs.ts: a process that answers what it is asked and ends when nobody can ask any more.

export type Ask = { readonly ask: number; readonly word: string; readonly input: unknown };

export type Answer =
  | { readonly ask: number; readonly value: unknown }
  | { readonly ask: number; readonly error: string };

/** What a program can be asked. `start` comes first; `stop` lets go of everything, so that the process can end by itself. */
export type Words = Readonly<Record<string, (input: never) => unknown>>;

export function answer(words: Words): void {
  let ending = false;
  const end = async () => {
    if (ending) return;
    ending = true;
    await words.stop?.(undefined as never);
    if (process.connected) process.disconnect?.();
  };
  process.on("message", async ({ ask, word, input }: Ask) => {
    if (word === "stop") return end();
    let said: Answer;
    try {
      const method = words[word];
      if (method === undefined) throw new Error(`expected one of ${Object.keys(words).join(" ")}, got ${word}`);
      said = { ask, value: await method(input as never) };
    } catch (error) {
      said = { ask, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    process.send?.(said);
  });
  // whoever started it has gone
  process.once("disconnect", () => void end());
}
