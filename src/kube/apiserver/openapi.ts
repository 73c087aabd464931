/** OpenAPI v3: what kubectl needs to validate, explain and patch. One document a group and version, made on demand. */
import { apiVersionOf, type Kind, objectSchema, type Schema, shapeName } from "../kinds/index.ts";
import type { Catalog } from "./catalog.ts";
import { versionsOf } from "./discovery.ts";

const pathOf = (group: string, version: string): string =>
  group === "" ? `api/${version}` : `apis/${group}/${version}`;

/** The index. The hash lets clients cache documents: it changes with the program and with what users define. */
export async function openApiIndex(catalog: Catalog, programVersion: string): Promise<unknown> {
  const paths: Record<string, unknown> = {};
  for (const group of new Set(catalog.kinds.map((k) => k.group))) {
    for (const version of versionsOf(catalog, group)) {
      const path = pathOf(group, version);
      const hash = Bun.hash(programVersion + path + (await definedText(catalog, group, version))).toString(
        16,
      );
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
    }
  }
  return { paths };
}

async function definedText(catalog: Catalog, group: string, version: string): Promise<string> {
  const kinds = catalog.kinds.filter((k) => k.defined && k.group === group && k.versions.includes(version));
  return JSON.stringify(await Promise.all(kinds.map(async (k) => [k.kind, await k.schema(version)])));
}

export const componentOf = (kind: Kind, version: string): string => {
  const words =
    kind.group === ""
      ? ["core"]
      : kind.custom
        ? kind.group.split(".").reverse()
        : [kind.group.split(".")[0]!];
  return `${kind.custom ? "" : "io.k8s.api."}${words.join(".")}.${version}.${kind.kind}`;
};

/** The document behind `api/v1` or `apis/<group>/<version>`; undefined where nothing is served. */
export async function openApiDocument(catalog: Catalog, path: string): Promise<unknown> {
  const parts = path.split("/");
  const [group, version] = parts[0] === "api" ? ["", parts[1]] : [parts[1], parts[2]];
  const served = catalog.kinds.filter(
    (k) => k.group === group && version !== undefined && k.versions.includes(version),
  );
  if (served.length === 0 || pathOf(group!, version!) !== path) return undefined;
  const schemas: Record<string, unknown> = {};
  const paths: Record<string, unknown> = {};
  for (const kind of served) {
    const name = componentOf(kind, version!);
    const gvk = { group, version, kind: kind.kind };
    const base = `/${path}/${kind.namespaced ? "namespaces/{namespace}/" : ""}${kind.plural}`;
    schemas[name] = {
      ...openApiSchema(await objectSchema(kind, version), schemas, true),
      description: `${kind.kind} in version ${apiVersionOf(group!, version!)}.${kind.inert ? ` ${kind.inert}.` : ""}`,
      "x-kubernetes-group-version-kind": [gvk],
    };
    const method = (verb: Verb): unknown => operation(verb, name, gvk, kind.custom);
    paths[base] = { get: method("get"), post: method("post") };
    paths[`${base}/{name}`] = Object.fromEntries(
      (["get", "put", "patch", "delete"] as const).map((verb) => [verb, method(verb)]),
    );
  }
  return {
    openapi: "3.0.0",
    info: { title: "Weft", version: "unversioned" },
    paths,
    components: { schemas },
  };
}

type Verb = "get" | "put" | "post" | "patch" | "delete";

/** kubectl apply reads here whether a kind knows strategic merge patches; custom kinds do not. */
const patchTypes = (custom: boolean): string[] => [
  "application/json-patch+json",
  "application/merge-patch+json",
  ...(custom ? [] : ["application/strategic-merge-patch+json"]),
  "application/apply-patch+yaml",
];

function operation(
  verb: Verb,
  component: string,
  gvk: { readonly group: string | undefined },
  custom: boolean,
): unknown {
  const schema = { $ref: `#/components/schemas/${component}` };
  const query = (name: string) => ({ name, in: "query", schema: { type: "string", uniqueItems: true } });
  const writes = verb === "put" || verb === "post" || verb === "patch";
  return {
    "x-kubernetes-action": verb === "put" ? "put" : verb,
    "x-kubernetes-group-version-kind": gvk,
    ...(writes && { parameters: ["dryRun", "fieldManager", "fieldValidation"].map(query) }),
    ...(writes && {
      requestBody: {
        content: Object.fromEntries(
          (verb === "patch" ? patchTypes(custom) : ["application/json"]).map((type) => [type, { schema }]),
        ),
      },
    }),
    responses: { "200": { description: "OK", content: { "application/json": { schema } } } },
  };
}

/** Our schema in OpenAPI's words; named types are written once, into `components`. */
export function openApiSchema(
  schema: Schema,
  components: Record<string, unknown>,
  root = false,
): Record<string, unknown> {
  if (schema.recursive) return { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const name = root ? undefined : shapeName(schema);
  if (name !== undefined) {
    if (!Object.hasOwn(components, name)) {
      components[name] = {};
      components[name] = openApiSchema(schema, components, true);
    }
    return { $ref: `#/components/schemas/${name}` };
  }
  const { properties, items, additionalProperties, allOf, anyOf, oneOf, not, ...rest } = schema;
  const inner = (s: Schema): Record<string, unknown> => openApiSchema(s, components);
  return {
    ...keywords(rest),
    ...(items && { items: inner(items) }),
    ...(additionalProperties && { additionalProperties: inner(additionalProperties) }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([k, v]) => [k, inner(v)])),
    }),
    ...(not && { not: inner(not) }),
    ...(allOf && { allOf: allOf.map(inner) }),
    ...(anyOf && { anyOf: anyOf.map(inner) }),
    ...(oneOf && { oneOf: oneOf.map(inner) }),
  };
}

function keywords(schema: Schema): Record<string, unknown> {
  const {
    intOrString,
    quantity,
    anything,
    mergeKey,
    mergeSet,
    listType,
    listKeys,
    atomic,
    embedded,
    ...plain
  } = schema;
  return {
    ...plain,
    ...((intOrString || quantity) && {
      "x-kubernetes-int-or-string": true,
      oneOf: [{ type: "integer" }, { type: "string" }],
    }),
    ...(anything && { type: "object", "x-kubernetes-preserve-unknown-fields": true }),
    ...(embedded && { "x-kubernetes-embedded-resource": true }),
    ...(listType && { "x-kubernetes-list-type": listType }),
    ...(listKeys && { "x-kubernetes-list-map-keys": listKeys }),
    ...(atomic && { "x-kubernetes-map-type": "atomic" }),
    ...(mergeKey && { "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": mergeKey }),
    ...(mergeSet && { "x-kubernetes-patch-strategy": "merge" }),
  };
}
