/** Destinations with weights: parsed, and resolved against the services and subsets that exist. */
import {
  carries,
  type Destination,
  type HeaderChanges,
  noHeaderChanges,
  policyFor,
  type Service,
  subsetOf,
} from "../model/index.ts";
import { type Draft, resolveHost } from "./draft.ts";
import type { Field } from "./field.ts";
import { type ParsedChanges, parseHeaderChanges } from "./header-changes.ts";
import { maxWeight } from "./limits.ts";

export interface Destinations {
  readonly destinations: readonly Destination[];
  /** Of a lone destination; several carry their own. */
  readonly requestHeaders: HeaderChanges;
  readonly responseHeaders: HeaderChanges;
  readonly authority?: string;
}

/** `list` is the field that holds the entries. */
export function parseDestinations(
  draft: Draft,
  entries: readonly Field[],
  list: Field,
  namespace: string,
): Destinations {
  const weights = parseWeights(entries, list);
  const changes = entries.map((entry) => {
    entry.object().rest(["destination", "weight", "headers"]);
    return parseHeaderChanges(entry.at("headers"));
  });
  const destinations = entries.flatMap((entry, i): readonly Destination[] => {
    const destination = parseDestination(draft, entry.at("destination"), namespace);
    if (destination === undefined) return [];
    const own = entries.length > 1 ? ownHeaders(changes[i]!) : {};
    return [{ ...destination, ...own, weight: weights[i]!, origin: list.report.origin(entry.path) }];
  });
  const lone = entries.length === 1 ? changes[0] : undefined;
  return {
    destinations,
    requestHeaders: lone?.request ?? noHeaderChanges,
    responseHeaders: lone?.response ?? noHeaderChanges,
    ...(lone?.authority !== undefined && { authority: lone.authority }),
  };
}

function ownHeaders({
  request,
  response,
  authority,
}: ParsedChanges): Pick<Destination, "requestHeaders" | "responseHeaders" | "authority"> {
  const some = (c: HeaderChanges): boolean => c.set.length + c.add.length + c.remove.length > 0;
  return {
    ...(some(request) && { requestHeaders: request }),
    ...(some(response) && { responseHeaders: response }),
    ...(authority !== undefined && { authority }),
  };
}

/** A lone destination gets everything; of several, one without a weight gets nothing (Istio's rule). */
function parseWeights(entries: readonly Field[], list: Field): readonly number[] {
  const given = entries.map((e) => e.at("weight").integer(0, maxWeight));
  const weight = entries[0]?.at("weight");
  if (entries.length === 1 && weight !== undefined) {
    if (given[0] === 0) sumsToZero(weight);
    else if (given[0] !== undefined && given[0] !== 100)
      weight.warn({
        code: "lone-weight",
        message: `the weight ${given[0]} of the only destination means 100 %`,
        fix: "leave the weight out, or name where the rest goes",
      });
    return [100];
  }
  if (entries.length > 1) {
    const sum = given.reduce<number>((a, b) => a + (b ?? 0), 0);
    if (sum === 0) sumsToZero(list);
    if (sum > maxWeight) list.expected(`weights that sum to at most ${maxWeight}`);
    if (sum > 0 && sum !== 100) saySum(list, sum, given);
    for (const [i, w] of given.entries())
      if (w === undefined && sum > 0)
        entries[i]!.warn({
          code: "weight-missing",
          message: "has no weight beside others that have one: it gets no requests",
          fix: "give it a weight",
        });
  }
  return given.map((w) => w ?? 0);
}

/** Weights that look like percentages and are none are a slip of the pen. */
function saySum(list: Field, sum: number, given: readonly (number | undefined)[]): void {
  const note = {
    code: "weights-sum",
    message: `the weights sum to ${sum}: each is taken as its share of that`,
    fix: "let them sum to 100",
  };
  if (given.some((w) => w !== undefined && w >= 10)) list.warn(note);
  else list.note(note);
}

function sumsToZero(field: Field): void {
  field.error({
    code: "weights-zero",
    message: "the weights sum to 0: nothing would receive the requests",
    fix: "give at least one destination a weight above 0",
  });
}

export function parseDestination(
  draft: Draft,
  field: Field,
  namespace: string,
): Omit<Destination, "weight" | "origin"> | undefined {
  field.object().rest(["host", "subset", "port"]);
  const written = field.at("host").requiredText();
  const subset = field.at("subset").text();
  const port = field.at("port").object().at("number").integer(1, 65535);
  if (written === undefined) return undefined;
  const host = resolveHost(draft, written, namespace);
  const base = { host, ...(subset && { subset }), ...(port !== undefined && { port }) };
  const broken = resolve(draft, field, base, namespace);
  return broken === undefined ? base : { ...base, broken };
}

/** Says what is missing; returns why nothing can be served. */
function resolve(
  draft: Draft,
  field: Field,
  to: { readonly host: string; readonly subset?: string; readonly port?: number },
  namespace: string,
): string | undefined {
  const service = draft.services.get(to.host);
  if (service === undefined) {
    const message = `there is no service ${to.host}: its requests get 503`;
    field.at("host").unresolved({
      code: "unknown-host",
      message,
      fix: "create the service, or name it service.namespace",
    });
    return message;
  }
  if (to.port !== undefined && !service.ports.some((p) => p.port === to.port)) {
    const ports = service.ports.map((p) => p.port).join(", ") || "none";
    const message = `${to.host} has no port ${to.port}: its requests get 503`;
    field.at("port").unresolved({ code: "unknown-port", message, fix: `its ports: ${ports}` });
    return message;
  }
  return to.subset === undefined
    ? undefined
    : resolveSubset(draft, field.at("subset"), { service, name: to.subset, namespace });
}

function resolveSubset(
  draft: Draft,
  field: Field,
  { service, name, namespace }: { service: Service; name: string; namespace: string },
): string | undefined {
  const policy = policyFor(draft.policyScopes, {
    host: service.host,
    serviceNamespace: service.namespace,
    clientNamespace: namespace,
    clientLabels: {},
    rootNamespace: draft.config.rootNamespace,
  });
  const { defined, labels } = subsetOf(policy, name);
  const wanted = Object.entries(labels)
    .map(([k, v]) => `${k}: ${v}`)
    .join(", ");
  const somebody = service.ports.some((p) =>
    p.endpoints.some((e) => carries(draft.workloads.get(e.workload)?.labels ?? {}, labels)),
  );
  const fix = `add a DestinationRule for ${service.name} with subset ${name} and its labels`;
  if (somebody && defined === undefined)
    field.warn(
      {
        code: "undefined-subset",
        message: `no DestinationRule defines subset ${name} of ${service.host}: the endpoints labelled ${wanted} are taken`,
        fix,
      },
      "reference",
    );
  if (somebody) return undefined;
  const message = defined
    ? `no endpoint of ${service.host} carries the labels of subset ${name} (${wanted}): its requests get 503`
    : `subset ${name} of ${service.host} is not defined and no endpoint is labelled ${wanted}: its requests get 503`;
  field.unresolved({ code: "empty-subset", message, ...(defined === undefined && { fix }) });
  return message;
}
