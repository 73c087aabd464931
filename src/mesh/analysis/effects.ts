/** What a rule or a policy does beside choosing where requests go, in words. */
import {
  type Feature,
  type HeaderChanges,
  pendingInProxy,
  type RouteRule,
  type TrafficPolicy,
} from "../model/index.ts";

const percent = (share: number): string => `${share / 10_000} % of requests`;

/** Said where it takes an Envoy beside the agent. */
function marked(words: string, feature: Feature): string {
  return pendingInProxy.has(feature)
    ? `${words} (by an Envoy beside the agent; Weft's proxy does not yet)`
    : words;
}

/** Each a part of a sentence: `a delay of 7000 ms for 12.5 % of requests`. */
export function ruleEffects(rule: RouteRule): readonly string[] {
  const { fault, cors, rewrite, mirrors = [], retries } = rule;
  return [
    ...(fault?.delay
      ? [marked(`a delay of ${fault.delay.ms} ms for ${percent(fault.delay.share)}`, "fault")]
      : []),
    ...(fault?.abort
      ? [
          marked(
            `${fault.abort.grpc ? "gRPC status" : "status"} ${fault.abort.status} instead for ${percent(fault.abort.share)}`,
            "fault",
          ),
        ]
      : []),
    ...(rewrite?.path ? [`the path becomes ${rewrite.path}`] : []),
    ...(rewrite?.regex ? [`in the path ${rewrite.regex.pattern} becomes ${rewrite.regex.substitution}`] : []),
    ...(rewrite?.authority ? [`the host becomes ${rewrite.authority}`] : []),
    ...mirrors.map(({ destination: d, share }) =>
      marked(`a copy to ${d.host}${d.subset ? ` subset ${d.subset}` : ""} of ${percent(share)}`, "mirror"),
    ),
    ...(cors
      ? [
          marked(
            `browsers of ${cors.origins.map((o) => `${o.kind === "exact" ? "" : `${o.kind} `}${o.value}`).join(", ") || "no other origin"} may call`,
            "cors",
          ),
        ]
      : []),
    ...headerWords("request", rule.requestHeaders),
    ...headerWords("response", rule.responseHeaders),
    ...(retries?.otherLocalities === true
      ? [marked("retries go to other localities", "retry-localities")]
      : []),
  ];
}

function headerWords(side: string, { set, add, remove }: HeaderChanges): readonly string[] {
  const parts = [
    ...set.map((h) => `${h.name} is set`),
    ...add.map((h) => `${h.name} is added`),
    ...remove.map((name) => `${name} is removed`),
  ];
  return parts.length === 0 ? [] : [`${side} headers: ${parts.join(", ")}`];
}

export function policyEffects({
  balancing,
  locality,
  security,
  retryBudget,
}: TrafficPolicy): readonly string[] {
  const hash = balancing?.hash;
  const warmup = balancing?.warmup;
  const key = hash && "name" in hash ? `${hash.by} ${hash.name}` : "source address";
  return [
    ...(hash ? [marked(`endpoints are chosen by ${balancing!.kind} over ${key}`, "hash")] : []),
    ...(warmup ? [marked(`new endpoints warm up for ${warmup.durationMs / 1000} s`, "warmup")] : []),
    ...(locality?.enabled === true && locality.distribute.length > 0
      ? [marked("places get the shares that localityLbSetting gives them", "locality-weights")]
      : []),
    ...(locality?.enabled === true && locality.distribute.length === 0
      ? ["the nearest endpoints that are healthy go first"]
      : []),
    ...(security?.kind === "simple" || security?.kind === "mutual"
      ? [marked(`TLS to ${security.sni ?? "the host"}, the server's certificate verified`, "tls-origination")]
      : []),
    ...(retryBudget ? [`retries are at most ${retryBudget.percent} % of the requests`] : []),
  ];
}
