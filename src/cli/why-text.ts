/** The answer of `weft why` for people: one step a line, with the object, field and line that decided it. */
import type { Why, WhyRequest } from "../explain/why/index.ts";
import type { Explanation } from "../proxy/explain/index.ts";
import type { Style } from "./style.ts";

type Owned = {
  readonly owner?: { readonly object: string; readonly field?: string; readonly source?: string };
};
type ClusterOf = Extract<Explanation["outcome"], { kind: "route" }>["clusters"][number];

/** Ends with a newline. */
export function whyText(why: Why, request: WhyRequest, style: Style): string {
  const { explanation: e, source } = why;
  const lines: string[] = [];
  const step = (title: string, text: string, by?: Owned): void => {
    lines.push(`${style.bold(title.padEnd(10))} ${text}`);
    const owner = by?.owner;
    if (owner?.object) lines.push(style.dim(`${" ".repeat(11)}${ownerText(owner)}`));
  };
  step("caller", `${source.key} (${source.address}), service account ${source.serviceAccount}`);
  step("request", `${request.method} ${request.destination}${request.path}${headerText(request.headers)}`);
  if (e.host) step("host", `${e.host.name}, by domain ${e.host.domain}`, e.host);
  for (const s of e.skipped) step("not", `route ${s.name || s.index}: ${s.reasons.join("; ")}`, s);
  if (e.route)
    step("route", `${e.route.name || e.route.index}: ${e.route.match.join(", ") || "anything"}`, e.route);
  outcome(e, why, step);
  for (const { what, owner } of why.effects) step("besides", what, { owner });
  for (const r of why.receptions
    .filter((r) => r.mtls.origin.object !== "" || r.mtls.mode !== "permissive")
    .slice(0, 1))
    step("receiver", `${receiverText(r.mtls.mode)} (${why.receptions.length} workloads)`, {
      owner: r.mtls.origin,
    });
  for (const note of why.notes)
    step("note", `${note.field ? `${note.field}: ` : ""}${note.message}`, { owner: { object: note.object } });
  return `${lines.join("\n")}\n`;
}

function outcome(e: Explanation, why: Why, step: (title: string, text: string, by?: Owned) => void): void {
  const o = e.outcome;
  switch (o.kind) {
    case "none":
      step("answer", `${o.status}, flag ${o.flag}: ${o.reason}`);
      return;
    case "redirect":
      step("answer", `redirect ${o.code} to ${o.to}`);
      return;
    case "direct":
      step("answer", `${o.status} by the proxy: ${JSON.stringify(o.body)}`);
      return;
    case "route": {
      for (const cluster of o.clusters) clusterSteps(cluster, step);
      const retry = o.retry;
      step(
        "limit",
        o.timeoutMs === 0 ? "no time limit for the whole request" : `${o.timeoutMs} ms for the whole request`,
      );
      if (retry?.applies) {
        const tries = retry.perTryTimeoutMs > 0 ? `, ${retry.perTryTimeoutMs} ms a try` : "";
        const budget = retry.budget
          ? ` within a budget of ${retry.budget.ratio * 100}% of requests`
          : ` at most ${retry.numRetries} times`;
        step("retries", `on ${retry.retryOn.join(", ")}${budget}${tries}`);
      } else step("retries", retry ? "none: this method is not repeated" : "none");
      if (
        why.receptions.length === 0 &&
        o.clusters.every((c) => c.endpoints.length === 0 && c.discovery !== "dynamic")
      )
        step("answer", "503, flag UH: there is no endpoint");
    }
  }
}

function clusterSteps(cluster: ClusterOf, step: (title: string, text: string, by?: Owned) => void): void {
  const share = cluster.share < 1 ? ` for ${(cluster.share * 100).toFixed(0)}% of requests` : "";
  const [, port, subset, host] = cluster.name.split("|");
  const shown = host === undefined ? cluster.name : `${host}:${port}${subset ? `, subset ${subset}` : ""}`;
  if (!cluster.exists) {
    step("to", `${shown}${share}: it does not exist, requests get 503`, cluster);
    return;
  }
  step("to", `${shown}${share}${cluster.lb ? `, ${cluster.lb.replace("_", " ")}` : ""}`, cluster);
  if (cluster.discovery === "dynamic") step("endpoint", "the address that the request names");
  for (const p of cluster.endpoints)
    step(
      "endpoint",
      `${p.address} ${p.workload}${p.version ? ` (${p.version})` : ""}, ${p.transport}, ${p.state}`,
    );
  if (cluster.identities.length > 0) step("identity", `one of ${cluster.identities.join(", ")}`);
}

function ownerText(owner: NonNullable<Owned["owner"]>): string {
  return [owner.object, owner.field, owner.source ? `(${owner.source})` : ""].filter(Boolean).join(" ");
}

function headerText(headers: readonly string[]): string {
  const pairs: string[] = [];
  for (let i = 0; i < headers.length; i += 2) pairs.push(`${headers[i]}: ${headers[i + 1]}`);
  return pairs.length > 0 ? ` with ${pairs.join(", ")}` : "";
}

function receiverText(mode: string): string {
  return mode === "strict"
    ? "only mutual TLS is accepted"
    : mode === "disable"
      ? "only plaintext"
      : "mutual TLS and plaintext";
}
