/** OpenAPI v2 for clients of older habits: the definitions of all groups in one document. */
import type { Catalog } from "./catalog.ts";
import { versionsOf } from "./discovery.ts";
import { componentOf, openApiDocument } from "./openapi.ts";
import { encodeV2, type NamedKind, V2_PROTOBUF } from "./openapi-v2-protobuf.ts";
import { StatusError } from "./status.ts";

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}
interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly [keyword: string]: unknown;
}

/** JSON, or bytes for those who ask for gnostic's protobuf. Throws 406 for other forms. */
export async function openApiV2(catalog: Catalog, accept: string | null): Promise<unknown> {
  if (accept?.includes(V2_PROTOBUF)) return encodeV2(namesOf(catalog));
  const types = (accept ?? "*/*").split(",").map((t) => t.split(";")[0]!.trim());
  if (!types.some((t) => t === "*/*" || t === "application/json" || t === "application/*"))
    throw new StatusError(
      406,
      "NotAcceptable",
      "only application/json is served here; newer clients read /openapi/v3",
    );
  const definitions: Record<string, unknown> = {};
  const paths: Record<string, unknown> = {};
  for (const group of new Set(catalog.kinds.map((k) => k.group))) {
    for (const version of versionsOf(catalog, group)) {
      const path = group === "" ? `api/${version}` : `apis/${group}/${version}`;
      const document = (await openApiDocument(catalog, path)) as Document | undefined;
      if (!document) continue;
      Object.assign(definitions, document.components.schemas);
      for (const [at, verbs] of Object.entries(document.paths))
        paths[at] = Object.fromEntries(Object.entries(verbs).map(([verb, o]) => [verb, operation(o)]));
    }
  }
  const text = JSON.stringify({
    swagger: "2.0",
    info: { title: "Weft", version: "unversioned" },
    paths,
    definitions,
  });
  return JSON.parse(text.replaceAll("#/components/schemas/", "#/definitions/"));
}

function operation(o: Operation): unknown {
  const parameters = (o.parameters ?? []).map(({ name, in: where }) => ({ name, in: where, type: "string" }));
  return {
    "x-kubernetes-action": o["x-kubernetes-action"],
    "x-kubernetes-group-version-kind": o["x-kubernetes-group-version-kind"],
    consumes: ["application/json", "application/yaml"],
    produces: ["application/json"],
    ...(parameters.length > 0 && { parameters }),
    responses: { "200": { description: "OK" } },
  };
}

const namesOf = (catalog: Catalog): NamedKind[] =>
  catalog.kinds.flatMap((k) =>
    k.versions.map((version) => ({ name: componentOf(k, version), group: k.group, version, kind: k.kind })),
  );
