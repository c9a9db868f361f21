// Reads from one source file what the architecture is judged by: its imports, exports and uses of the outside world.

import { type Expression, parseSync, type Statement, Visitor } from "oxc-parser";

/** How a module is named: by an import or export, by `import()`, or by a worker's URL. */
export type ImportKind = "import" | "dynamic" | "url";

export interface ImportFact {
  readonly kind: ImportKind;
  /** Undefined where it is computed at run time. */
  readonly specifier: string | undefined;
  readonly line: number;
}

/** A use of a global: `Date.now`, `setTimeout`, `new Date`. */
export interface GlobalFact {
  readonly name: string;
  readonly line: number;
}

export interface SourceFacts {
  /** Why it does not parse; then the rest may be short of facts. */
  readonly fault: string | undefined;
  readonly text: string;
  readonly lines: number;
  readonly imports: readonly ImportFact[];
  readonly globals: readonly GlobalFact[];
  /** Lines of default exports. */
  readonly defaultExports: readonly number[];
  /** Lines of variables at module level that can be assigned again. */
  readonly moduleState: readonly number[];
  /** Lines of generator functions inside a function, which makes them anew at each call. */
  readonly innerGenerators: readonly number[];
}

interface Collected {
  readonly imports: ImportFact[];
  readonly globals: GlobalFact[];
}

/** Objects whose members are judged one by one; a name alone says nothing. */
const WORLD_OBJECTS: ReadonlySet<string> = new Set(["Math", "Date", "performance", "process", "console", "globalThis"]);

/** The facts of one TypeScript or JavaScript module. */
export function readSource(file: string, text: string): SourceFacts {
  const parsed = parseSync(file, text);
  const fault = parsed.errors[0]?.message;
  const lineAt = lineCounter(text);
  const collected: Collected = { imports: [], globals: [] };
  for (const found of parsed.module.staticImports) {
    collected.imports.push({ kind: "import", specifier: found.moduleRequest.value, line: lineAt(found.start) });
  }
  const defaultExports: number[] = [];
  for (const found of parsed.module.staticExports) {
    const from = found.entries.find((entry) => entry.moduleRequest !== null)?.moduleRequest;
    if (from) collected.imports.push({ kind: "import", specifier: from.value, line: lineAt(found.start) });
    const isDefault = found.entries.some(
      (entry) => entry.exportName.kind === "Default" || entry.exportName.name === "default",
    );
    if (isDefault) defaultExports.push(lineAt(found.start));
  }
  visit(parsed.program, lineAt, collected);
  return {
    fault,
    text,
    lines: text === "" ? 0 : text.replace(/\n$/, "").split("\n").length,
    imports: collected.imports,
    globals: collected.globals,
    defaultExports,
    moduleState: parsed.program.body.filter(isReassignable).map((statement) => lineAt(statement.start)),
    innerGenerators: innerGenerators(parsed.program).map(lineAt),
  };
}

type LineAt = (offset: number) => number;
type Program = ReturnType<typeof parseSync>["program"];

function visit(program: Program, lineAt: LineAt, into: Collected): void {
  const use = (name: string, offset: number) => into.globals.push({ name, line: lineAt(offset) });
  new Visitor({
    ImportExpression(node) {
      into.imports.push({ kind: "dynamic", specifier: literalText(node.source), line: lineAt(node.start) });
    },
    TSImportType(node) {
      into.imports.push({ kind: "import", specifier: node.source.value, line: lineAt(node.start) });
    },
    NewExpression(node) {
      if (node.callee.type !== "Identifier") return;
      if (node.callee.name === "Date" && node.arguments.length === 0) use("new Date", node.start);
      const [target, base] = node.arguments;
      if (node.callee.name !== "URL" || target === undefined || !isImportMetaUrl(base)) return;
      const specifier = target.type === "SpreadElement" ? undefined : moduleUrl(target);
      if (specifier !== undefined) into.imports.push({ kind: "url", specifier, line: lineAt(node.start) });
    },
    CallExpression(node) {
      if (node.callee.type === "Identifier") use(node.callee.name, node.start);
    },
    MemberExpression(node) {
      if (node.object.type !== "Identifier" || !WORLD_OBJECTS.has(node.object.name)) return;
      const member =
        node.property.type === "Identifier" && !node.computed ? node.property.name : memberText(node.property);
      if (node.object.name === "globalThis") use(member, node.start);
      else use(`${node.object.name}.${member}`, node.start);
    },
    VariableDeclarator(node) {
      if (node.id.type !== "ObjectPattern" || node.init?.type !== "Identifier" || !WORLD_OBJECTS.has(node.init.name))
        return;
      for (const property of node.id.properties) {
        if (property.type !== "Property" || property.key.type !== "Identifier") continue;
        use(`${node.init.name}.${property.key.name}`, node.start);
      }
    },
  }).visit(program);
}

/** Where they start. What a class gives each of its objects is made by a function too: the constructor. */
function innerGenerators(program: Program): readonly number[] {
  const found: number[] = [];
  let depth = 0;
  const enter = ({ generator, start }: { readonly generator: boolean; readonly start: number }) => {
    if (generator && depth > 0) found.push(start);
    depth += 1;
  };
  const leave = () => {
    depth -= 1;
  };
  const field = ({ static: isStatic }: { readonly static: boolean }, by: 1 | -1) => {
    if (!isStatic) depth += by;
  };
  new Visitor({
    FunctionDeclaration: enter,
    "FunctionDeclaration:exit": leave,
    FunctionExpression: enter,
    "FunctionExpression:exit": leave,
    ArrowFunctionExpression: ({ start }) => enter({ generator: false, start }),
    "ArrowFunctionExpression:exit": leave,
    PropertyDefinition: (node) => field(node, 1),
    "PropertyDefinition:exit": (node) => field(node, -1),
  }).visit(program);
  return found;
}

function memberText(property: { readonly type: string }): string {
  return literalText(property as Expression) ?? "[computed]";
}

function literalText(node: Expression): string | undefined {
  if (node.type === "Literal" && typeof node.value === "string") return node.value;
  if (node.type === "TemplateLiteral" && node.expressions.length === 0)
    return node.quasis[0]?.value.cooked ?? undefined;
  return undefined;
}

/** The module that a URL beside this file names; a worker's URL takes its extension from this file's own, so a stem counts. */
function moduleUrl(target: { readonly type: string }): string | undefined {
  const node = target as Expression;
  const whole = literalText(node);
  if (whole !== undefined) return /^\.{1,2}\/.*\.[jt]s$/.test(whole) ? whole : undefined;
  if (node.type !== "TemplateLiteral") return undefined;
  const stem = node.quasis[0]?.value.cooked?.replace(/\.$/, "");
  return stem !== undefined && /^\.{1,2}\/.*[^/]$/.test(stem) ? `${stem}.ts` : undefined;
}

function isImportMetaUrl(node: { readonly type: string } | undefined): boolean {
  const member = node as Expression | undefined;
  return member?.type === "MemberExpression" && member.object.type === "MetaProperty";
}

function isReassignable(statement: Statement | { readonly type: string }): boolean {
  const inner = statement as Statement;
  const declared = inner.type === "ExportNamedDeclaration" ? inner.declaration : inner;
  return declared?.type === "VariableDeclaration" && declared.kind !== "const" && !declared.declare;
}

function lineCounter(text: string): LineAt {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    const next = starts.findIndex((start) => start > offset);
    return next === -1 ? starts.length : next;
  };
}
