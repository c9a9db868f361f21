// JMESPath expressions that pick a part of a JSON answer, read once when the config is, and the door of their library.

import { compile, type JSONValue, TreeInterpreter } from "@jmespath-community/jmespath";
import { InferError } from "../../core/error.ts";
import { type Read, word } from "../../core/words.ts";
import { firstItem, firstKey, nextItem, nextKey, openScanner, type Scanner, skipSpace } from "../../wire/json-scan.ts";
import { skipValue } from "../../wire/json-skip.ts";
import { readTree, type Tree, type TreeNumbers, writeTree } from "../../wire/json-tree.ts";
import { finishWriter, openWriter } from "../../wire/json-write.ts";
import { openPace, type Sliced } from "../../wire/sliced.ts";

type Node = ReturnType<typeof compile>;

/** How an expression is answered: a plain path is followed in the text itself; anything else needs the whole value as a tree. */
type Plan =
  | { readonly by: "path"; readonly steps: readonly (string | number)[] }
  | { readonly by: "tree"; readonly node: Node; readonly numbers: TreeNumbers };

export interface Expression {
  /** As it was written. */
  readonly text: string;
  readonly plan: Plan;
}

/** An answer beyond this is no longer taken apart for an expression, which holds the event loop; a plain path reads any size. */
export const MAX_TREE_BYTES = 1024 * 1024;

const EXPECTED = "a JMESPath expression such as predictions or predictions[*].score";

/** An expression as a word of the config. */
export function expressionWord() {
  return word(EXPECTED, readExpression);
}

/** Reads an expression, or says what is wrong with it and where. */
export function readExpression(text: string): Read<Expression> {
  try {
    const node = compile(text);
    const steps = stepsOf(node);
    const plan: Plan =
      steps === undefined
        ? { by: "tree", node, numbers: needsValues(node) ? "values" : "texts" }
        : { by: "path", steps };
    return { value: { text, plan } };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { expected: `${EXPECTED} (${why.replace(/\s+/g, " ").trim()})` };
  }
}

/**
 * The value that an expression picks, as a scanner at its first byte. Numbers keep their own text, save where the
 * expression compares or computes numbers: those of its result are then written anew, exactly, but `1.0` as `1`.
 *
 * @param whole a scanner at the start of text that has been checked
 * @returns undefined where nothing stands there
 * @throws InferError bad-backend for an answer that the expression cannot be applied to
 */
export function* select(whole: Scanner, expression: Expression): Sliced<Scanner | undefined> {
  const { plan } = expression;
  if (plan.by === "path") return yield* follow(whole, plan.steps);
  if (whole.end > MAX_TREE_BYTES) {
    throw new InferError(
      "bad-backend",
      `the backend's answer: an expression that is no plain path reads at most ${MAX_TREE_BYTES} bytes, got ${whole.end}`,
      { retryable: "no" },
    );
  }
  const tree = yield* readTree(whole, { numbers: plan.numbers, depth: 0 });
  const found = search(plan.node, tree, expression.text);
  if (found === null || found === undefined) return undefined;
  const w = openWriter();
  yield* writeTree(w, found, openPace({ sliceBytes: whole.sliceBytes }));
  return openScanner(Buffer.concat(finishWriter(w).parts), {
    maxNesting: whole.maxNesting,
    sliceBytes: whole.sliceBytes,
  });
}

function search(node: Node, tree: Tree, text: string): Tree | undefined {
  try {
    return TreeInterpreter.search(node, tree as JSONValue) as Tree;
  } catch (error) {
    throw new InferError("bad-backend", `the backend's answer: the expression ${text} cannot be applied to it`, {
      retryable: "no",
      cause: error,
    });
  }
}

function* follow(s: Scanner, steps: readonly (string | number)[]): Sliced<Scanner | undefined> {
  for (let depth = 0; depth < steps.length; depth++) {
    const step = steps[depth] as string | number;
    const found = typeof step === "string" ? yield* toMember(s, step, depth) : yield* toItem(s, step, depth);
    if (!found) return undefined;
  }
  return skipSpace(s) === 0x6e ? undefined : s;
}

function* toMember(s: Scanner, name: string, depth: number): Sliced<boolean> {
  if (skipSpace(s) !== 0x7b) return false;
  for (let key = firstKey(s, "an object"); key !== undefined; key = nextKey(s)) {
    if (key === name) return true;
    yield* skipValue(s, depth + 1);
  }
  return false;
}

function* toItem(s: Scanner, index: number, depth: number): Sliced<boolean> {
  if (skipSpace(s) !== 0x5b) return false;
  let at = 0;
  for (let more = firstItem(s, "an array"); more; more = nextItem(s)) {
    if (at === index) return true;
    yield* skipValue(s, depth + 1);
    at += 1;
  }
  return false;
}

// The names and places of a plain path: `@`, `a.b`, `a[0].b`; undefined for anything else.
function stepsOf(node: Node): readonly (string | number)[] | undefined {
  switch (node.type) {
    case "Current":
    case "Identity":
      return [];
    case "Field":
      return [node.name];
    case "Index":
      return node.value >= 0 ? [node.value] : undefined;
    case "Subexpression":
    case "IndexExpression": {
      const left = stepsOf(node.left);
      const right = stepsOf(node.right);
      return left === undefined || right === undefined ? undefined : [...left, ...right];
    }
    default:
      return undefined;
  }
}

// Whether the expression looks at numbers or nulls themselves, rather than only moving them about.
function needsValues(node: Node): boolean {
  switch (node.type) {
    case "Current":
    case "Identity":
    case "Root":
    case "Field":
    case "Index":
    case "Slice":
    case "Literal":
      return false;
    case "Subexpression":
    case "IndexExpression":
    case "Projection":
    case "ValueProjection":
    case "Pipe":
      return needsValues(node.left) || needsValues(node.right);
    case "Flatten":
      return needsValues(node.child);
    case "FilterProjection":
      // a condition that is no comparison asks whether something is null or false
      return (
        needsValues(node.left) ||
        needsValues(node.right) ||
        node.condition.type !== "Comparator" ||
        needsValues(node.condition)
      );
    case "Comparator":
      return !isTextTest(node.left, node.right) && !isTextTest(node.right, node.left);
    case "MultiSelectList":
      return node.children.some(needsValues);
    case "MultiSelectHash":
      return node.children.some((pair) => needsValues(pair.value));
    default:
      return true;
  }
}

// `label == 'cat'`: a text or a truth beside something that only moves.
function isTextTest(literal: Node, other: Node): boolean {
  if (literal.type !== "Literal" || needsValues(other)) return false;
  return typeof literal.value === "string" || typeof literal.value === "boolean";
}
