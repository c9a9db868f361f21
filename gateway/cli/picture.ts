// A small picture drawn with the characters of a terminal.

/** From empty to full; drawn twice, as a character is about twice as high as wide. */
const SHADES = [" ", "░", "▒", "▓", "█"] as const;

/** One line a row; values from 0 to `most`, row by row. */
export function picture(
  values: readonly number[],
  size: { readonly width: number; readonly most: number },
): readonly string[] {
  const rows = Math.ceil(values.length / size.width);
  return Array.from({ length: rows }, (_, row) => {
    const line = values.slice(row * size.width, (row + 1) * size.width);
    return line.map((value) => shade(value / size.most).repeat(2)).join("");
  });
}

function shade(share: number): string {
  const step = Math.round(Math.min(1, Math.max(0, share)) * (SHADES.length - 1));
  return SHADES[step] ?? " ";
}

/** Two blocks of lines beside each other; the left one is `width` columns wide. */
export function beside(left: readonly string[], right: readonly string[], width: number): string {
  const rows = Math.max(left.length, right.length);
  return Array.from({ length: rows }, (_, i) => `${(left[i] ?? "").padEnd(width)}${right[i] ?? ""}`.trimEnd()).join(
    "\n",
  );
}
