/**
 * Writes src/kube/kinds/shapes/*.txt: fields, types, list rules and protobuf numbers of kinds that others define.
 * Run by hand when a version is raised; the files are committed. Facts only: descriptions stay where they are.
 *   bun tools/shapes.ts core OPENAPI_V3_DIR K8S_API_MODULE_DIR   (Kubernetes' own kinds)
 *   bun tools/shapes.ts crds NAME FILE.yaml...                    (definitions of custom resources)
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

const out = join(import.meta.dir, "../src/kube/kinds/shapes");

interface Open {
  $ref?: string;
  allOf?: Open[];
  type?: string;
  format?: string;
  default?: unknown;
  enum?: unknown[];
  properties?: Record<string, Open>;
  required?: string[];
  items?: Open;
  additionalProperties?: Open;
  nullable?: boolean;
  oneOf?: Open[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  minProperties?: number;
  maxProperties?: number;
  anyOf?: Open[];
  not?: Open;
  "x-kubernetes-list-type"?: string;
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-map-type"?: string;
  "x-kubernetes-patch-merge-key"?: string;
  "x-kubernetes-patch-strategy"?: string;
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-group-version-kind"?: { group: string; version: string; kind: string }[];
}

/** Go types that are one value in JSON. */
const leaves: Readonly<Record<string, string>> = {
  "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
  "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "microtime",
  "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
  "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
  "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intstr",
  "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps": "any",
  "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "any",
};

/** `io.k8s.api.core.v1.Pod` -> file `core-v1`, name `Pod`. */
function placeOf(ref: string): { file: string; name: string } {
  const parts = ref.split(".");
  const name = parts.at(-1)!;
  const version = parts.at(-2)!;
  const group = parts.at(-3)!;
  return { file: `${group}-${version}`, name };
}

const quoteIf = (text: string): string => (/^[A-Za-z0-9./_-]+$/.test(text) ? text : JSON.stringify(text));
const range = (word: string, low: number | undefined, high: number | undefined): string =>
  low === undefined && high === undefined ? "" : ` ${word}=${low ?? ""}..${high ?? ""}`;

function modifiers(schema: Open): string {
  const listType = schema["x-kubernetes-list-type"];
  const keys = schema["x-kubernetes-list-map-keys"];
  const strategy = schema["x-kubernetes-patch-strategy"] ?? "";
  const mergeKey = schema["x-kubernetes-patch-merge-key"];
  const d = schema.default;
  const trivial =
    d === "" ||
    d === 0 ||
    d === false ||
    (d !== null && typeof d === "object" && Object.keys(d).length === 0);
  const combined = {
    ...(schema.oneOf && { oneOf: schema.oneOf }),
    ...(schema.anyOf && { anyOf: schema.anyOf }),
    ...(schema.not && { not: schema.not }),
  };
  return [
    schema.nullable ? " null" : "",
    listType === "map" ? ` map(${keys!.join(",")})` : listType === "set" ? " set" : "",
    schema["x-kubernetes-map-type"] === "atomic" ? " atomic" : "",
    strategy.includes("merge") ? ` merge${mergeKey ? `(${mergeKey})` : ""}` : "",
    schema.enum ? ` enum=${schema.enum.map((e) => quoteIf(String(e))).join("|")}` : "",
    schema.pattern ? ` re=${JSON.stringify(schema.pattern)}` : "",
    range("range", schema.minimum, schema.maximum),
    range("len", schema.minLength, schema.maxLength),
    range("items", schema.minItems, schema.maxItems),
    range("props", schema.minProperties, schema.maxProperties),
    d === undefined || (trivial && !custom) ? "" : ` =${JSON.stringify(d)}`,
    custom && Object.keys(combined).length > 0 && !schema["x-kubernetes-int-or-string"]
      ? ` +${JSON.stringify(combined)}`
      : "",
  ].join("");
}

let custom = false;
const text: Record<string, string[]> = {};
const add = (file: string, block: string): void => {
  text[file] ??= [];
  text[file].push(block);
};
const queue: string[] = [];
const seen = new Set<string>();

/** The type's words; a struct written in place comes as `object`, its fields follow indented. */
function typeOf(schema: Open, file: string): { word: string; inline?: Open } {
  const ref = schema.$ref ?? schema.allOf?.[0]?.$ref;
  if (ref) {
    const name = ref.split("/").at(-1)!;
    if (leaves[name]) return { word: leaves[name] };
    if (!seen.has(name)) {
      seen.add(name);
      queue.push(name);
    }
    const place = placeOf(name);
    return { word: place.file === file ? place.name : `${place.file}:${place.name}` };
  }
  if (schema["x-kubernetes-int-or-string"]) return { word: "intstr" };
  if (schema["x-kubernetes-preserve-unknown-fields"] && !schema.properties) return { word: "any" };
  if (schema.type === "array") {
    const { word, inline } = typeOf(schema.items!, file);
    const mods = modifiers(schema.items!).trim();
    return { word: `[${word}${mods && custom ? ` ${mods}` : ""}]`, ...(inline && { inline }) };
  }
  if (schema.additionalProperties) {
    const { word, inline } = typeOf(schema.additionalProperties, file);
    const mods = modifiers(schema.additionalProperties).trim();
    return { word: `{${word}${mods && custom ? ` ${mods}` : ""}}`, ...(inline && { inline }) };
  }
  if (schema.type === "object" || schema.properties)
    return schema.properties ? { word: "object", inline: schema } : { word: "any" };
  if (schema.type === "integer") return { word: schema.format === "int64" ? "int64" : "int" };
  if (schema.type === "boolean") return { word: "bool" };
  if (schema.type === "string") {
    if (schema.format === "byte") return { word: "bytes" };
    if (schema.format === "date-time") return { word: "time" };
    return { word: "string" };
  }
  return { word: schema.type ?? "any" };
}

function fields(
  schema: Open,
  file: string,
  indent: string,
  numbers: ReadonlyMap<string, number> | undefined,
): string[] {
  const lines: string[] = [];
  const order = Object.entries(schema.properties ?? {});
  if (numbers) order.sort(([a], [b]) => (numbers.get(a) ?? 999) - (numbers.get(b) ?? 999));
  for (const [name, field] of order) {
    const { word, inline } = typeOf(field, file);
    const number = numbers?.get(name);
    const required = schema.required?.includes(name) ? "!" : "";
    lines.push(
      `${indent}${name}${required}${number === undefined ? "" : ` ${number}`} ${word}${modifiers(field)}`,
    );
    if (inline) lines.push(...fields(inline, file, `${indent} `, undefined));
  }
  return lines;
}

/** Message -> field -> number, of a generated.proto; and the fields that JSON has flattened. */
function protoNumbers(source: string): Map<string, { name: string; type: string; number: number }[]> {
  const found = new Map<string, { name: string; type: string; number: number }[]>();
  let current: { name: string; type: string; number: number }[] | undefined;
  for (const line of source.split("\n")) {
    const open = /^message (\w+) \{/.exec(line);
    if (open) {
      current = [];
      found.set(open[1]!, current);
    }
    const field = /^ {2}(?:optional |repeated |required )?(map<[^>]+>|[\w.]+) (\w+) = (\d+)/.exec(line);
    if (field && current) current.push({ type: field[1]!, name: field[2]!, number: Number(field[3]) });
  }
  return found;
}

function core(specDir: string, apiDir: string): void {
  const schemas: Record<string, Open> = {};
  for (const file of readdirSync(specDir).filter((f) => f.endsWith("_openapi.json"))) {
    Object.assign(schemas, JSON.parse(readFileSync(join(specDir, file), "utf8")).components?.schemas ?? {});
  }
  const protos = new Map<string, Map<string, { name: string; type: string; number: number }[]>>();
  const protoOf = (ref: string) => {
    const parts = ref.split(".");
    const dir = ref.startsWith("io.k8s.api.")
      ? join(apiDir, parts.at(-3)!, parts.at(-2)!)
      : ref.includes("apiextensions-apiserver")
        ? join(
            apiDir,
            `../apiextensions-apiserver${apiDir.slice(apiDir.indexOf("@"))}`,
            "pkg/apis/apiextensions/v1",
          )
        : join(apiDir, `../apimachinery${apiDir.slice(apiDir.indexOf("@"))}`, "pkg/apis/meta/v1");
    if (!protos.has(dir)) protos.set(dir, protoNumbers(readFileSync(join(dir, "generated.proto"), "utf8")));
    return protos.get(dir)!;
  };
  const roots = readFileSync(join(out, "roots.txt"), "utf8")
    .split("\n")
    .filter((l) => l !== "" && !l.startsWith("#"));
  for (const root of roots) if (!seen.has(root) && seen.add(root)) queue.push(root);
  while (queue.length > 0) {
    const ref = queue.shift()!;
    const schema = schemas[ref];
    if (!schema) throw new Error(`no schema ${ref}`);
    const { file, name } = placeOf(ref);
    const messages = protoOf(ref);
    const message = messages.get(name) ?? [];
    const json = (field: string): string | undefined =>
      Object.keys(schema.properties ?? {}).find(
        (p) => p === field || p.toLowerCase() === field.toLowerCase(),
      );
    const embedded = message.filter((f) => !json(f.name) && /^[A-Z]/.test(f.type));
    const flattened = new Set(embedded.flatMap((e) => (messages.get(e.type) ?? []).map((f) => f.name)));
    const deeper = embedded.flatMap((e) =>
      (messages.get(e.type) ?? []).filter((f) => /^[A-Z]/.test(f.type) && !json(f.name)),
    );
    for (const d of deeper) for (const f of messages.get(d.type) ?? []) flattened.add(f.name);
    const own = {
      ...schema,
      properties: Object.fromEntries(
        Object.entries(schema.properties ?? {}).filter(
          ([p]) =>
            (!flattened.has(p) && !["apiVersion", "kind"].includes(p)) ||
            (!schema["x-kubernetes-group-version-kind"] && !flattened.has(p)),
        ),
      ),
    };
    const numbers = new Map(message.map((f) => [json(f.name) ?? f.name, f.number]));
    const lines = [
      name,
      ...embedded.map((e) => {
        const inner = `${ref.split(".").slice(0, -1).join(".")}.${e.type}`;
        if (!schemas[inner])
          schemas[inner] = {
            type: "object",
            properties: Object.fromEntries(
              (messages.get(e.type) ?? []).flatMap((f) =>
                schema.properties![f.name] ? [[f.name, schema.properties![f.name]!]] : [],
              ),
            ),
          };
        if (!seen.has(inner) && seen.add(inner)) queue.push(inner);
        return ` ... ${e.number} ${e.type}`;
      }),
      ...fields(own, file, " ", numbers),
    ];
    add(file, lines.join("\n"));
  }
}

function crds(name: string, files: string[]): void {
  custom = true;
  for (const file of files) {
    for (const doc of parseAllDocuments(readFileSync(file, "utf8").replace(/\{\{.*?\}\}/g, "x"))) {
      const crd = doc.toJS();
      if (crd?.kind !== "CustomResourceDefinition") continue;
      const known = new Map<string, string>();
      for (const version of crd.spec.versions) {
        const schema = version.schema.openAPIV3Schema as Open;
        const { apiVersion: _a, kind: _k, metadata: _m, ...properties } = schema.properties ?? {};
        const lines = fields({ ...schema, properties }, name, " ", undefined);
        const same = known.get(lines.join("\n"));
        const title = `${crd.spec.names.kind}.${version.name}`;
        if (same) add(name, `${title} = ${same}`);
        else add(name, [title, ...lines].join("\n"));
        known.set(lines.join("\n"), title);
        process.stderr.write(
          `${crd.spec.group} ${crd.spec.names.plural} ${crd.spec.scope} ${title} served=${version.served} storage=${version.storage} sub=${Object.keys(version.subresources ?? {})} short=${crd.spec.names.shortNames ?? ""} cat=${crd.spec.names.categories ?? ""}${same ? " same" : ""} cols=${JSON.stringify((version.additionalPrinterColumns ?? []).map((c: { name: string; jsonPath: string; priority?: number }) => [c.name, c.jsonPath, c.priority ?? 0]))}\n`,
        );
      }
    }
  }
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === "core") core(rest[0]!, rest[1]!);
else if (mode === "crds") crds(rest[0]!, rest.slice(1));
else throw new Error("usage: shapes.ts core SPEC_DIR API_DIR | crds NAME FILE...");
for (const [file, types] of Object.entries(text))
  writeFileSync(join(out, `${file}.txt`), `${types.sort().join("\n\n")}\n`);
