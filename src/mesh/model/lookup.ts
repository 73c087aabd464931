/** Which of several routes or policies holds for a caller. */
import type { DestinationPolicy, Subset } from "./policy.ts";
import { type Visibility, visibleTo } from "./ref.ts";

interface Scoped {
  readonly host: string;
  readonly visibility: Visibility;
}

/** True where `pattern` is the host, or `*.suffix` around it. */
export function hostMatches(pattern: string, host: string): boolean {
  return pattern.startsWith("*") ? host.endsWith(pattern.slice(1)) : pattern === host;
}

/** Entries by host, so that a lookup does not walk all of them. */
export interface Scopes<T> {
  readonly exact: ReadonlyMap<string, readonly T[]>;
  readonly wild: readonly T[];
}

export function scopesOf<T extends Scoped>(entries: readonly T[]): Scopes<T> {
  const exact = Map.groupBy(
    entries.filter((e) => !e.host.startsWith("*")),
    (e) => e.host,
  );
  return { exact, wild: entries.filter((e) => e.host.startsWith("*")) };
}

/**
 * The entry for a host that a caller of `namespace` sees: the most exact host, then what is exported to fewest
 * (a namespace's own before everyone's), then the first in the list. `own`: only entries that it holds for.
 */
export function entryFor<T extends Scoped>(
  scopes: Scopes<T>,
  host: string,
  namespace: string,
  own: (entry: T) => boolean = () => true,
): T | undefined {
  let best: T | undefined;
  for (const entry of [...(scopes.exact.get(host) ?? []), ...scopes.wild]) {
    if (!hostMatches(entry.host, host) || !visibleTo(entry.visibility, namespace) || !own(entry)) continue;
    if (best === undefined || narrower(entry, best)) best = entry;
  }
  return best;
}

function narrower(a: Scoped, b: Scoped): boolean {
  const wild = (s: Scoped): number => (s.host.startsWith("*") ? 1 : 0);
  if (wild(a) !== wild(b)) return wild(a) < wild(b);
  if (a.host.length !== b.host.length) return a.host.length > b.host.length;
  const audience = (s: Scoped): number => (s.visibility === "all" ? Infinity : s.visibility.length);
  return audience(a) < audience(b);
}

export interface PolicyQuestion {
  readonly host: string;
  /** Of the service; absent for a host outside the mesh. */
  readonly serviceNamespace?: string;
  readonly clientNamespace: string;
  readonly clientLabels: Readonly<Record<string, string>>;
  readonly rootNamespace: string;
}

function selects(p: DestinationPolicy, { clientNamespace, clientLabels }: PolicyQuestion): boolean {
  if (p.callerLabels === undefined) return true;
  return p.namespace === clientNamespace && carries(clientLabels, p.callerLabels);
}

/** Istio's order: one for the very caller, then a policy of the caller's namespace, then of the service's, then of the root namespace. */
export function policyFor(
  policies: Scopes<DestinationPolicy>,
  question: PolicyQuestion,
): DestinationPolicy | undefined {
  const { host, clientNamespace, serviceNamespace, rootNamespace } = question;
  for (const namespace of [clientNamespace, serviceNamespace, rootNamespace]) {
    for (const selecting of [true, false]) {
      const found = entryFor(
        policies,
        host,
        clientNamespace,
        (p) =>
          p.namespace === namespace && (p.callerLabels !== undefined) === selecting && selects(p, question),
      );
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** A subset's labels; one that no policy defines means the label `version` with its name. */
export function subsetOf(
  policy: DestinationPolicy | undefined,
  name: string,
): { readonly defined?: Subset; readonly labels: Readonly<Record<string, string>> } {
  const defined = policy?.subsets.find((s) => s.name === name);
  return defined ? { defined, labels: defined.labels } : { labels: { version: name } };
}

export function carries(
  labels: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}
