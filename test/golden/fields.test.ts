/**
 * Every field that the schemas of traffic management know is in some case's manifests; those that are not stand in
 * fields-without-a-case.json with a reason, and that list may only shrink.
 */
import { expect, test } from "bun:test";
import { istioSchema } from "../../src/kube/kinds/istio-schema.ts";
import { rateLimitSchema } from "../../src/kube/kinds/weft-schema.ts";
import without from "./fields-without-a-case.json";
import { cases } from "./harness.ts";

interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly additionalProperties?: Shape;
}

/** `spec.http[].route[].weight`; maps as `{}`. */
function paths(schema: Shape, at: string): readonly string[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => [
    `${at}.${key}`,
    ...paths(inner, `${at}.${key}`),
  ]);
  return [
    ...own,
    ...(schema.items ? paths(schema.items, `${at}[]`) : []),
    ...(typeof schema.additionalProperties === "object" ? paths(schema.additionalProperties, `${at}{}`) : []),
  ];
}

/** Places that one reader serves are one: traffic policies anywhere, destinations of a nested list. */
const folded = (path: string): string =>
  path
    .replace(/^spec\.subsets\[\]\.trafficPolicy\./, "spec.trafficPolicy.")
    .replace(/\.portLevelSettings\[\]\.(?!port\b)/, ".")
    .replace(/^spec\.inboundConnectionPool\..*/, "spec.inboundConnectionPool")
    .replace(/\.route\[\]\.route\[\]\./, ".route[].");

/** Paths that a value has, for a schema. */
function found(schema: Shape, value: unknown, at: string, into: Set<string>): void {
  if (Array.isArray(value)) for (const v of value) found(schema.items ?? {}, v, `${at}[]`, into);
  else if (typeof value === "object" && value !== null)
    for (const [key, inner] of Object.entries(value)) {
      const property = schema.properties?.[key];
      const more = schema.additionalProperties;
      if (property !== undefined) {
        into.add(folded(`${at}.${key}`));
        found(property, inner, `${at}.${key}`, into);
      } else if (typeof more === "object") found(more, inner, `${at}{}`, into);
    }
}

const kinds = ["VirtualService", "DestinationRule", "ServiceEntry", "Sidecar"] as const;

async function specOf(kind: string): Promise<Shape> {
  const schema = kind === "RateLimit" ? rateLimitSchema : await istioSchema(kind as (typeof kinds)[number]);
  return (schema as Shape).properties!["spec"]!;
}

for (const kind of [...kinds, "RateLimit"])
  test(`every field of ${kind} has a case`, async () => {
    const spec = await specOf(kind);
    const seen = new Set<string>();
    for (const { objects } of cases())
      for (const object of objects)
        if (object.kind === kind) found(spec, (object as { spec?: unknown }).spec, "spec", seen);
    const listed = (without as Readonly<Record<string, Readonly<Record<string, string>>>>)[kind] ?? {};
    const under = (path: string): boolean =>
      Object.keys(listed).some((p) => path === p || path.startsWith(`${p}.`) || path.startsWith(`${p}[`));
    const known = [...new Set(paths(spec, "spec").map(folded))];
    expect(known.filter((p) => !seen.has(p) && !under(p))).toEqual([]);
    expect(Object.keys(listed).filter((p) => seen.has(p))).toEqual([]);
  });
