/** Prometheus' text exposition format, version 0.0.4. */
import type { Sample } from "./metric-store.ts";

export const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

/** A series that the agent itself knows. */
export interface PlainSample {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  readonly labels: readonly string[];
  readonly value: number;
}

/** Backslash, newline and quote are escaped in label values; nothing else is. */
export function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function labelText(labels: readonly string[], more = ""): string {
  const parts: string[] = [];
  for (let i = 0; i + 1 < labels.length; i += 2) parts.push(`${labels[i]}="${escapeLabel(labels[i + 1]!)}"`);
  if (more !== "") parts.push(more);
  return parts.length > 0 ? `{${parts.join(",")}}` : "";
}

/** Go's %g is what Prometheus prints; JavaScript's own form parses the same. */
function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return String(value);
}

function histogram(sample: Sample, bounds: readonly number[], out: string[]): void {
  const { name, labels, values } = sample;
  let cumulative = 0;
  for (const [i, bound] of bounds.entries()) {
    cumulative += values[i] ?? 0;
    out.push(`${name}_bucket${labelText(labels, `le="${number(bound)}"`)} ${cumulative}`);
  }
  cumulative += values[bounds.length] ?? 0;
  out.push(`${name}_bucket${labelText(labels, 'le="+Inf"')} ${cumulative}`);
  out.push(`${name}_sum${labelText(labels)} ${number(values[bounds.length + 1] ?? 0)}`);
  out.push(`${name}_count${labelText(labels)} ${cumulative}`);
}

function head(name: string, help: string, kind: string, out: string[]): void {
  out.push(`# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`);
  out.push(`# TYPE ${name} ${kind}`);
}

/** The page; samples of one name must stand together. */
export function exposition(samples: readonly Sample[], plain: readonly PlainSample[] = []): string {
  const out: string[] = [];
  let last = "";
  for (const sample of samples) {
    if (sample.name !== last) head(sample.name, sample.definition.help, sample.definition.kind, out);
    last = sample.name;
    if (sample.definition.bounds) histogram(sample, sample.definition.bounds, out);
    else out.push(`${sample.name}${labelText(sample.labels)} ${number(sample.values[0] ?? 0)}`);
  }
  for (const sample of plain) {
    if (sample.name !== last) head(sample.name, sample.help, sample.kind, out);
    last = sample.name;
    out.push(`${sample.name}${labelText(sample.labels)} ${number(sample.value)}`);
  }
  return out.length > 0 ? `${out.join("\n")}\n` : "";
}
