/** OpenAPI v3: what kubectl needs to validate, explain and patch. One document a group and version, made on demand. */
import { apiVersionOf, isCustomGroup, type Kind, kinds, objectSchema, type Schema } from "../kinds/index.ts";
import { versionsOf } from "./discovery.ts";

const pathOf = (group: string, version: string): string =>
  group === "" ? `api/${version}` : `apis/${group}/${version}`;

/** The index. The hash lets clients cache documents: they change only with the program. */
export function openApiIndex(programVersion: string): unknown {
  const paths: Record<string, unknown> = {};
  for (const group of new Set(kinds.map((k) => k.group))) {
    for (const version of versionsOf(group)) {
      const path = pathOf(group, version);
      paths[path] = {
        serverRelativeURL: `/openapi/v3/${path}?hash=${Bun.hash(programVersion + path).toString(16)}`,
      };
    }
  }
  return { paths };
}

const componentOf = (kind: Kind, version: string): string => {
  const words = kind.group === "" ? ["core"] : kind.group.split(".");
  return `io.k8s.api.${words[0]}.${version}.${kind.kind}`;
};

/** The document behind `api/v1` or `apis/<group>/<version>`; undefined where nothing is served. */
export async function openApiDocument(path: string): Promise<unknown> {
  const parts = path.split("/");
  const [group, version] = parts[0] === "api" ? ["", parts[1]] : [parts[1], parts[2]];
  const served = kinds.filter(
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
      ...openApiSchema(await objectSchema(kind, version)),
      description: `${kind.kind} in version ${apiVersionOf(group!, version!)}.`,
      "x-kubernetes-group-version-kind": [gvk],
    };
    paths[base] = { post: operation("post", name, gvk) };
    paths[`${base}/{name}`] = Object.fromEntries(
      (["get", "put", "patch", "delete"] as const).map((verb) => [verb, operation(verb, name, gvk)]),
    );
  }
  return {
    openapi: "3.0.0",
    info: { title: "Weft", version: "unversioned" },
    paths,
    components: { schemas },
  };
}

/** kubectl apply reads here whether a kind knows strategic merge patches; custom kinds do not. */
const patchTypes = (custom: boolean): string[] => [
  "application/json-patch+json",
  "application/merge-patch+json",
  ...(custom ? [] : ["application/strategic-merge-patch+json"]),
  "application/apply-patch+yaml",
];

function operation(
  verb: "get" | "put" | "post" | "patch" | "delete",
  component: string,
  gvk: { readonly group: string | undefined },
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
          (verb === "patch" ? patchTypes(isCustomGroup(gvk.group ?? "")) : ["application/json"]).map(
            (type) => [type, { schema }],
          ),
        ),
      },
    }),
    responses: { "200": { description: "OK", content: { "application/json": { schema } } } },
  };
}

/** Our schema in OpenAPI's words. */
export function openApiSchema(schema: Schema): Record<string, unknown> {
  if (schema.recursive) return { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const { properties, items, additionalProperties, intOrString, anything, mergeKey, mergeSet, ...plain } =
    schema;
  return {
    ...plain,
    ...(intOrString && {
      "x-kubernetes-int-or-string": true,
      oneOf: [{ type: "integer" }, { type: "string" }],
    }),
    ...(anything && { type: "object", "x-kubernetes-preserve-unknown-fields": true }),
    ...(mergeKey && { "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": mergeKey }),
    ...(mergeSet && { "x-kubernetes-patch-strategy": "merge" }),
    ...(items && { items: openApiSchema(items) }),
    ...(additionalProperties && { additionalProperties: openApiSchema(additionalProperties) }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([k, v]) => [k, openApiSchema(v)])),
    }),
  };
}
