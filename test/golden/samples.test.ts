/**
 * Istio's own samples (../shared/vectors, skipped where they are not): every plain manifest is accepted, with just the
 * warnings that stand in samples.golden.json; and each rule for a host of the mesh takes the requests that it describes
 * to the destinations, in the shares, that it names.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { validateObject } from "../../src/kube/kinds/index.ts";
import { analyze } from "../../src/mesh/analysis/index.ts";
import { renderFor } from "../../src/mesh/render/index.ts";
import { buildSnapshot, type KubeObject, translate } from "../../src/mesh/translate/index.ts";
import { compileMessage } from "../../src/proxy/compile/index.ts";
import { explain, tablesOf } from "../../src/proxy/explain/index.ts";
import { decode, nodeOf } from "./harness.ts";

const folder = join(import.meta.dir, "../../../shared/vectors/istio-samples");
const index = join(folder, "index.json");
const wanted = join(import.meta.dir, "samples.golden.json");

type Sample = KubeObject & { readonly spec?: Record<string, unknown> };

/** A file with a template language in it is no manifest. */
function objectsOf(file: string): readonly Sample[] | undefined {
  const text = readFileSync(join(folder, file), "utf8");
  if (text.includes("{{")) return undefined;
  return parseAllDocuments(text)
    .map((d) => d.toJS() as Sample | null)
    .filter((o) => o !== null)
    .flatMap((o) => (o.kind === "List" ? (o as unknown as { items: readonly Sample[] }).items : [o]));
}

function files(): readonly string[] {
  if (!existsSync(index)) return [];
  const read = JSON.parse(readFileSync(index, "utf8")) as { files: readonly { file: string }[] };
  return read.files.map((f) => f.file).sort();
}

/** What istioctl installs Istio by; no API server stores it. */
const notServed = "IstioOperator";

/** A running instance for each Deployment: what Kubernetes would make of it. */
function instance(deployment: Sample): KubeObject {
  const { template } = deployment.spec as { template: { metadata: { labels: Record<string, string> } } };
  const { name, namespace = "default" } = deployment.metadata;
  const address = `10.0.${Bun.hash.crc32(name) % 250}.${(Bun.hash.crc32(namespace) % 250) + 1}`;
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "WorkloadEntry",
    metadata: { name, namespace },
    spec: { address, labels: template.metadata.labels },
  } as KubeObject;
}

const plain = files().flatMap((file) => {
  const objects = objectsOf(file);
  return objects === undefined ? [] : [{ file, objects }];
});
const all = plain.flatMap((p) => p.objects);
/** Services and instances of all samples, so that only what a file itself says is judged. */
const platform = [
  ...all.filter((o) => o.kind === "Service" || o.kind === "ServiceEntry"),
  ...all.filter((o) => o.kind === "Deployment").map(instance),
];

interface Match {
  readonly uri?: Record<string, string>;
  readonly headers?: Record<string, Record<string, string>>;
}
interface Rule {
  readonly match?: readonly Match[];
  readonly route?: readonly { destination: { host: string; subset?: string }; weight?: number }[];
}

/** What the rule says, read without the translator: `reviews v2 50`. */
function meant(rule: Rule): readonly string[] {
  const routes = rule.route ?? [];
  return routes
    .filter((r) => routes.length === 1 || (r.weight ?? 0) > 0)
    .map(({ destination: { host, subset = "" }, weight = 100 }) => {
      const share = routes.length === 1 ? 100 : weight;
      return `${host.split(".")[0]} ${subset} ${share}`;
    })
    .sort();
}

/** A request that meets the first alternative. */
function requestFor(rule: Rule): { path: string; headers: string[] } {
  const { uri = {}, headers = {} } = rule.match?.[0] ?? {};
  const value = (m: Record<string, string>): string => m["exact"] ?? m["prefix"] ?? "x";
  return {
    path: uri["exact"] ?? uri["prefix"] ?? "/",
    headers: Object.entries(headers).flatMap(([name, m]) => [name, value(m)]),
  };
}

const toMesh = (spec: Record<string, unknown>): boolean => {
  const gateways = (spec["gateways"] ?? []) as readonly string[];
  return gateways.length === 0 || gateways.includes("mesh");
};

describe.skipIf(plain.length === 0)("Istio's samples", () => {
  test("there are the files that the index counts, two of them templates", () => {
    expect([files().length, plain.length]).toEqual([109, 107]);
  });

  test("each is accepted, with the warnings that its content deserves", async () => {
    const said: Record<string, readonly string[]> = {};
    const refused: string[] = [];
    for (const { file, objects } of plain) {
      const lines: string[] = [];
      for (const object of objects) {
        if (object.kind === notServed) continue;
        const { causes, warnings } = await validateObject(object as never);
        const around = buildSnapshot([
          ...platform,
          ...all.filter((o) => o.kind === "DestinationRule"),
          ...objects,
        ]);
        const judged = analyze(object, around, { rootNamespace: "istio-system" });
        const name = `${object.kind}/${object.metadata?.name}`;
        for (const c of [...causes, ...judged.causes])
          refused.push(`${file} ${name} ${c.field}: ${c.message}`);
        lines.push(...[...warnings, ...judged.warnings].map((w) => `${name} ${w}`));
      }
      if (lines.length > 0) said[file] = lines;
    }
    if (process.env["GOLDEN"] === "1") writeFileSync(wanted, `${JSON.stringify(said, null, 1)}\n`);
    expect(refused).toEqual([]);
    expect(said).toEqual(JSON.parse(readFileSync(wanted, "utf8")));
  });

  test("each rule for the mesh leads where it says, in the shares that it says", () => {
    let judged = 0;
    for (const { file, objects } of plain)
      for (const object of objects) {
        const spec = object.spec as { hosts?: readonly string[]; http?: readonly Rule[] } | undefined;
        if (object.kind !== "VirtualService" || !spec?.http || !toMesh(spec)) continue;
        const rules = all.filter(
          (o) => o.kind === "DestinationRule" && o.metadata.name !== "tcp-echo-destination",
        );
        const { mesh } = translate(buildSnapshot([...platform, ...rules, ...objects]));
        const node = nodeOf(mesh, `${object.metadata.namespace ?? "default"}/client`);
        const compiled = decode(renderFor(mesh, node)).map((r) => compileMessage(r.message));
        expect(compiled.flatMap((c) => c.errors)).toEqual([]);
        const tables = tablesOf(compiled.flatMap((c) => c.resource ?? []));
        // What stands behind a rule without a match is warned of as never reached.
        const end = spec.http.findIndex((r) => r.match === undefined);
        for (const [i, rule] of spec.http.slice(0, end < 0 ? undefined : end + 1).entries())
          for (const host of spec.hosts ?? []) {
            const { path, headers } = requestFor(rule);
            const got = explain(tables, {
              routeTable: "http_proxy",
              method: "GET",
              authority: host,
              path,
              headers,
            });
            const clusters = got.outcome.kind === "route" ? got.outcome.clusters : [];
            const to = clusters.map((c) => {
              const [, , subset, fqdn = ""] = c.name.split("|");
              return `${fqdn.split(".")[0]} ${subset} ${Math.round(c.share * 100)}`;
            });
            expect({ file, host, i, field: got.route?.owner?.field, to: to.sort() }).toEqual({
              ...{ file, host, i, field: `spec.http[${i}]`, to: [...meant(rule)] },
            });
            judged++;
          }
      }
    expect(judged).toBeGreaterThan(25);
  });
});
