/** YAML (or JSON) texts to objects with positions, read as Kubernetes reads them. */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type ParsedNode,
  parseAllDocuments,
  type ScalarTag,
  type Tags,
  type YAMLError,
  type YAMLMap,
} from "yaml";
import type { KubeObject } from "../../kube/client/index.ts";
import type { Finding, Place } from "../problem/index.ts";
import { fieldSteps } from "./field-path.ts";
import { maxAliases, maxManifestBytes, maxSourceFields } from "./limits.ts";
import { SourceText } from "./source.ts";

/** One object of a manifest and where its fields stand. */
export interface ManifestObject {
  readonly object: KubeObject;
  readonly file: string;
  /** Place of a field, or of the nearest field around it that is written. */
  place(field: string): Place;
  /** Place of the field's name rather than its value. */
  keyPlace(field: string): Place;
  /** Value of annotation weft.dev/source: `FILE:LINE:COL[ FIELD=LINE:COL]...`. */
  source(): string;
}

export interface ParsedManifest {
  readonly objects: readonly ManifestObject[];
  readonly findings: readonly Finding[];
}

/**
 * YAML 1.1 as Kubernetes' decoder has it: yes/no/on/off are booleans, but neither timestamps nor base-60 numbers
 * are anything but strings.
 */
const kubernetesTags = (tags: Tags): Tags =>
  tags.filter((tag) => {
    const t = tag as ScalarTag;
    return (
      t.format !== "TIME" && t.tag !== "tag:yaml.org,2002:timestamp" && !/binary|omap|pairs|set$/.test(t.tag)
    );
  });

/** Parses one file. Mistakes are findings; objects that are sound are returned even beside broken ones. */
export function parseManifest(file: string, text: string): ParsedManifest {
  if (Buffer.byteLength(text) > maxManifestBytes) {
    const what = `manifest is larger than ${maxManifestBytes} bytes`;
    return { objects: [], findings: [{ severity: "error", what, where: file, mend: "split it into files" }] };
  }
  const source = new SourceText(file, text.replace(/^\uFEFF/, ""));
  const docs = parseAllDocuments<ParsedNode>(source.text, {
    version: "1.1",
    merge: true,
    customTags: kubernetesTags,
    lineCounter: source.lines,
    prettyErrors: false,
    uniqueKeys: true,
    logLevel: "silent",
    keepSourceTokens: false,
  });
  const objects: ManifestObject[] = [];
  const findings: Finding[] = [];
  for (const doc of Array.isArray(docs) ? docs : []) {
    if (doc.errors.length > 0) {
      findings.push(...doc.errors.slice(0, 5).map((e) => yamlFinding(e, source)));
      continue;
    }
    if (doc.contents === null || (isScalar(doc.contents) && doc.contents.value === null)) continue;
    try {
      const value: unknown = doc.toJS({ maxAliasCount: maxAliases });
      collect(doc.contents, value, source, objects, findings);
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      findings.push({ severity: "error", what, where: source.place(doc.range[0]) });
    }
  }
  return { objects, findings };
}

function yamlFinding(error: YAMLError, source: SourceText): Finding {
  const [from, to] = error.pos;
  const tab = error.code === "TAB_AS_INDENT";
  return {
    severity: "error",
    what: `not YAML: ${error.message.split("\n")[0]}`,
    where: source.place(Math.min(from, Math.max(0, source.text.length - 1)), to),
    ...(tab ? { mend: "indent with blanks" } : {}),
  };
}

function collect(
  node: Node,
  value: unknown,
  source: SourceText,
  objects: ManifestObject[],
  findings: Finding[],
): void {
  const from = node.range?.[0] ?? 0;
  const refuse = (what: string, field: string, mend?: string): void => {
    const where = placeOf(node, source, field);
    findings.push({ severity: "error", what, where, ...(mend ? { mend } : {}) });
  };
  if (!isMap(node) || typeof value !== "object" || value === null) {
    const where = source.place(from, node.range?.[1]);
    findings.push({ severity: "error", what: "a manifest is a mapping with apiVersion and kind", where });
    return;
  }
  const object = value as Partial<KubeObject> & { items?: unknown };
  if (object.kind === "List" && Array.isArray(object.items)) {
    const items = node.get("items", true);
    if (isSeq(items))
      for (const [i, item] of items.items.entries())
        collect(item as Node, object.items[i], source, objects, findings);
    return;
  }
  const before = findings.length;
  for (const field of ["apiVersion", "kind"] as const)
    if (typeof object[field] !== "string" || object[field] === "")
      refuse(`${field} is missing or not a text`, field);
  const name = object.metadata?.name;
  if (typeof name !== "string" || name === "")
    refuse("metadata.name is missing or not a text", "metadata.name", "give the object a name");
  if (findings.length > before) return;
  objects.push({
    object: value as KubeObject,
    file: source.file,
    place: (field) => placeOf(node, source, field),
    keyPlace: (field) => placeOf(node, source, field, true),
    source: () => sourceText(node, source),
  });
}

interface Hit {
  readonly key: Node | undefined;
  readonly value: Node | undefined;
}

function step(node: Node | undefined, name: string | number): Hit | undefined {
  if (isSeq(node) && typeof name === "number") {
    const value = node.items[name] as Node | undefined;
    return value === undefined ? undefined : { key: undefined, value };
  }
  if (!isMap(node)) return undefined;
  const pair = (node as YAMLMap<Node, Node>).items.find(
    (p) => isScalar(p.key) && String(p.key.value) === String(name),
  );
  return pair ? { key: pair.key, value: pair.value ?? undefined } : undefined;
}

/** Follows names with dots too (`metadata.labels.app.kubernetes.io/name`): the longest key that is there wins. */
function placeOf(root: Node, source: SourceText, field: string, atKey = false): Place {
  const steps = fieldSteps(field);
  let hit: Hit = { key: undefined, value: root };
  for (let i = 0; i < steps.length; ) {
    let next: Hit | undefined;
    let used = 1;
    for (let n = steps.length - i; n >= 1 && next === undefined; n--) {
      next = step(hit.value, n === 1 ? steps[i]! : steps.slice(i, i + n).join("."));
      used = n;
    }
    if (next === undefined) break;
    hit = next;
    i += used;
  }
  const scalar = isScalar(hit.value) && hit.value.value !== null;
  const marked = scalar && !(atKey && hit.key) ? hit.value! : (hit.key ?? hit.value ?? root);
  const [from, to] = marked.range ?? [0, 1];
  return source.place(from, to);
}

/** Positions of every mapping key and list item, outermost first. */
function* fields(node: Node | undefined, path: string): Generator<readonly [string, number]> {
  if (isAlias(node)) return;
  if (isSeq(node)) {
    for (const [i, item] of node.items.entries()) {
      const at = `${path}[${i}]`;
      const child = item as Node;
      if (child?.range) yield [at, child.range[0]];
      yield* fields(child, at);
    }
  }
  if (!isMap(node)) return;
  for (const pair of node.items as Pair<Node, Node | null>[]) {
    if (!isScalar(pair.key)) continue;
    const name = String(pair.key.value);
    if (/[\s=]/.test(name)) continue;
    const at = /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? `${path}.${name}` : `${path}[${name}]`;
    if (pair.key.range) yield [at, pair.key.range[0]];
    yield* fields(pair.value ?? undefined, at);
  }
}

function sourceText(root: Node, source: SourceText): string {
  const at = (offset: number): string => {
    const { line, col } = source.lines.linePos(offset);
    return `${line}:${col}`;
  };
  const spec = step(root, "spec")?.value;
  const known = [...fields(spec, "spec")]
    .sort((a, b) => depth(a[0]) - depth(b[0]))
    .slice(0, maxSourceFields)
    .map(([name, offset]) => `${name}=${at(offset)}`);
  const file = source.file.replaceAll(" ", "_");
  return [`${file}:${at(root.range?.[0] ?? 0)}`, ...known].join(" ");
}

const depth = (path: string): number => path.split(/[.[]/).length;
