/** What requests meet: each case's `calls.yaml`, followed through the proxy's own compiler and matcher. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { renderFor } from "../../src/mesh/render/index.ts";
import { compileMessage } from "../../src/proxy/compile/index.ts";
import { type Explanation, explain, tablesOf } from "../../src/proxy/explain/index.ts";
import { cases, decode, nodeOf, translateCase } from "./harness.ts";

interface Call {
  /** Workload that calls; default `default/client`. */
  readonly from?: string;
  /** `GET reviews:9080/path?query`. */
  readonly call: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Only what is given is compared. */
  readonly want: Readonly<Record<string, unknown>>;
}

function short(e: Explanation): Record<string, unknown> {
  const { outcome, route } = e;
  const owner = route?.owner;
  const by = owner ? [owner.source, owner.object, owner.field].filter(Boolean).join(" ") : undefined;
  if (outcome.kind !== "route") return { by, ...outcome };
  return {
    by,
    to: outcome.clusters.map((c) => {
      const serving = c.endpoints.filter((x) => x.state === "takes requests");
      const at = serving.map((x) => `${x.address} ${x.transport}`).join(", ");
      return `${Math.round(c.share * 1000) / 10} % ${at || (c.exists ? "nobody" : "no cluster")}`;
    }),
    timeoutMs: outcome.timeoutMs,
    perTryTimeoutMs: outcome.retry?.perTryTimeoutMs,
    retryOn: outcome.retry?.applies === true ? outcome.retry.retryOn.join(",") : "",
    budget: outcome.retry?.applies === true ? outcome.retry.budget : undefined,
  };
}

for (const c of cases()) {
  const file = join(c.dir, "calls.yaml");
  if (!existsSync(file)) continue;
  describe(c.name, () => {
    const { mesh } = translateCase(c);
    for (const { from = "default/client", call, headers = {}, want } of parse(
      readFileSync(file, "utf8"),
    ) as readonly Call[])
      test(`${from} ${call} ${JSON.stringify(headers)}`, () => {
        const outcomes = decode(renderFor(mesh, nodeOf(mesh, from))).map((r) => compileMessage(r.message));
        const tables = tablesOf(outcomes.flatMap((o) => o.resource ?? []));
        const [, method = "", authority = "", path = ""] = /^(\S+) ([^/]+)(.*)$/.exec(call) ?? [];
        const got = explain(tables, {
          routeTable: "http_proxy",
          method,
          authority,
          path,
          headers: Object.entries(headers).flat(),
        });
        expect(short(got)).toMatchObject(want);
      });
  });
}
