/** Istio's LoadBalancerSettings and LocalityLoadBalancerSetting. */
import type { HashKey, LoadBalancing, LocalityBalancing, Warmup } from "../model/index.ts";
import type { Field } from "./field.ts";
import { maxMaglevSize, maxRingSize } from "./limits.ts";

const simple = {
  UNSPECIFIED: "least-request",
  LEAST_REQUEST: "least-request",
  LEAST_CONN: "least-request",
  ROUND_ROBIN: "round-robin",
  RANDOM: "random",
  PASSTHROUGH: "passthrough",
} as const;

export interface Balancing {
  readonly balancing?: LoadBalancing;
  readonly locality?: LocalityBalancing;
}

export function parseBalancing(field: Field): Balancing {
  if (!field.object().present) return {};
  field.rest(["simple", "consistentHash", "localityLbSetting", "warmup", "warmupDurationSecs"]);
  const hash = field.at("consistentHash");
  const word = field.at("simple").oneOf(Object.keys(simple) as (keyof typeof simple)[]);
  if (field.at("simple").present && hash.present)
    field.error({ code: "one-of", message: "simple and consistentHash exclude each other" });
  if (word === "LEAST_CONN")
    field.at("simple").warn({
      code: "deprecated",
      message: "LEAST_CONN is Istio's old name of LEAST_REQUEST",
      fix: "use LEAST_REQUEST",
    });
  if (word === "PASSTHROUGH")
    field.at("simple").ignored("PASSTHROUGH acts where connections are captured; here LEAST_REQUEST is used");
  const warmup = parseWarmup(field);
  const locality = parseLocality(field.at("localityLbSetting"));
  const place = hash.present ? hash : field.at("simple");
  const base = hash.present ? parseHash(hash) : word && { kind: simple[word] };
  if (warmup && base && !["least-request", "round-robin"].includes(base.kind))
    field.at("warmup").warn({
      code: "meaningless",
      message: "warm-up acts with LEAST_REQUEST and ROUND_ROBIN only",
    });
  const origin = field.report.origin(base ? place.path : field.path);
  const any = base ?? (warmup && { kind: "least-request" as const });
  return {
    ...(any && { balancing: { ...any, ...(warmup && { warmup }), origin } }),
    ...(locality && { locality }),
  };
}

function parseHash(field: Field): Omit<LoadBalancing, "origin"> | undefined {
  const keys = ["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"] as const;
  field.object().rest([...keys, "ringHash", "maglev", "minimumRingSize"]);
  field.pending("hash");
  const given = keys.filter((k) => field.at(k).present);
  if (given.length !== 1) {
    field.error({ code: "one-of", message: `exactly one of ${keys.join(", ")} is required` });
    return undefined;
  }
  const hash = parseKey(field, given[0]!);
  if (field.at("ringHash").present && field.at("maglev").present)
    field.error({ code: "one-of", message: "ringHash and maglev exclude each other" });
  const old = field.at("minimumRingSize");
  const ring = field.at("ringHash").object();
  ring.rest(["minimumRingSize"]);
  const size = ring.at("minimumRingSize").integer(0, maxRingSize) ?? old.integer(0, maxRingSize);
  if (field.at("maglev").object().present) {
    field.at("maglev").rest(["tableSize"]);
    const table = field.at("maglev").at("tableSize").integer(2, maxMaglevSize);
    if (table !== undefined && !isPrime(table))
      field.at("maglev").at("tableSize").expected("a prime number, 65537 by default");
    return { kind: "maglev", ...(hash && { hash }), ...(table !== undefined && { size: table }) };
  }
  // 0 is protobuf's way to say nothing.
  return { kind: "ring-hash", ...(hash && { hash }), ...(size && { size }) };
}

function isPrime(n: number): boolean {
  for (let i = 2; i * i <= n; i++) if (n % i === 0) return false;
  return n >= 2;
}

const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

function parseKey(field: Field, key: string): HashKey | undefined {
  const at = field.at(key);
  if (key === "useSourceIp") {
    if (at.bool() === false)
      field.error({ code: "required", message: "useSourceIp: false leaves nothing to hash by" });
    return { by: "source" };
  }
  if (key === "httpCookie") return parseCookie(at);
  const name = at.requiredText();
  if (name === undefined) return undefined;
  if (key === "httpQueryParameterName") return { by: "query", name };
  if (!headerName.test(name)) at.expected("a header name");
  return { by: "header", name: name.toLowerCase() };
}

function parseCookie(field: Field): HashKey | undefined {
  field.object().rest(["name", "path", "ttl", "attributes"]);
  const name = field.at("name").requiredText();
  const ttlMs = field.at("ttl").durationMs({ zero: true });
  const path = field.at("path").text() ?? "";
  const attributes = field
    .at("attributes")
    .items()
    .flatMap((item) => {
      const attribute = item.at("name").requiredText();
      return attribute === undefined ? [] : [{ name: attribute, value: item.at("value").text() ?? "" }];
    });
  if (name === undefined) return undefined;
  if (!headerName.test(name)) field.at("name").expected("a cookie's name");
  for (const [key, text] of [
    ["path", path],
    ...attributes.map((a) => ["attributes", `${a.name}=${a.value}`]),
  ])
    if (!/^[\x20-\x3a\x3c-\x7e]*$/.test(text!)) field.at(key!).expected("visible ASCII without a semicolon");
  return { by: "cookie", name, path, ...(ttlMs !== undefined && { ttlMs }), attributes };
}

function parseWarmup(field: Field): Warmup | undefined {
  const old = field.at("warmupDurationSecs");
  const warmup = field.at("warmup").object();
  warmup.rest(["duration", "minimumPercent", "aggression"]);
  warmup.pending("warmup");
  if (old.present)
    old.warn({ code: "deprecated", message: "is Istio's old name", fix: "use warmup.duration" });
  const durationMs = warmup.at("duration").durationMs() ?? old.durationMs();
  if (warmup.present && !warmup.at("duration").present)
    warmup.at("duration").error({ code: "required", message: "is required" });
  const minimumPercent = warmup.at("minimumPercent").number(0, 100) ?? 10;
  const aggression = warmup.at("aggression").number(1, 1000) ?? 1;
  return durationMs === undefined ? undefined : { durationMs, minimumPercent, aggression };
}

export function parseLocality(field: Field): LocalityBalancing | undefined {
  if (!field.object().present) return undefined;
  field.rest(["enabled", "distribute", "failover", "failoverPriority"]);
  const distribute = field.at("distribute");
  distribute.pending("locality-weights");
  if (distribute.items().length > 0 && field.at("failover").items().length > 0)
    field.error({ code: "one-of", message: "distribute and failover exclude each other" });
  return {
    enabled: field.at("enabled").bool() ?? true,
    distribute: distribute.items().flatMap((item) => parseDistribute(item) ?? []),
    failover: field
      .at("failover")
      .items()
      .flatMap((item) => {
        const from = item.at("from").requiredText();
        const to = item.at("to").requiredText();
        if (from !== undefined && from === to)
          item.error({ code: "invalid-value", message: "leads to itself" });
        return from === undefined || to === undefined ? [] : [{ from, to }];
      }),
    failoverPriority: field.at("failoverPriority").texts(),
    origin: field.report.origin(field.path),
  };
}

function parseDistribute(field: Field): LocalityBalancing["distribute"][number] | undefined {
  field.object().rest(["from", "to"]);
  const from = field.at("from").requiredText();
  const to: Record<string, number> = {};
  for (const [pattern, value] of field.at("to").entries()) to[pattern] = value.integer(0, 100) ?? 0;
  const sum = Object.values(to).reduce((a, b) => a + b, 0);
  if (sum !== 100)
    field.at("to").error({ code: "weights-sum", message: `the shares sum to ${sum}: they must sum to 100` });
  return from === undefined ? undefined : { from, to };
}
