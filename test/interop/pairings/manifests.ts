/** What the table's services are told, beside the seed's four manifests. */

const subset = (v: string): string => `{name: ${v}, labels: {version: ${v}}}`;
const to = (v: string): string => `[{destination: {host: shop, subset: ${v}}}]`;
const shares = (list: Readonly<Record<string, number>>): string =>
  `[${Object.entries(list)
    .map(([v, weight]) => `{destination: {host: shop, subset: ${v}}, weight: ${weight}}`)
    .join(", ")}]`;
const path = (prefix: string, more = ""): string => `match: [{uri: {prefix: ${prefix}}${more}}]`;

const rules: readonly string[] = [
  `{${path("/share-80-20")}, route: ${shares({ v1: 80, v2: 20 })}}`,
  `{${path("/share-50-50")}, route: ${shares({ v1: 50, v2: 50 })}}`,
  `{${path("/share-thirds")}, route: ${shares({ v1: 34, v2: 33, v3: 33 })}}`,
  `{${path("/share-all")}, route: ${shares({ v1: 0, v2: 100 })}}`,
  ...["v1", "v2", "v3"].map((v) => `{${path(`/only-${v}`)}, route: ${to(v)}}`),
  `{${path("/no-subset")}, route: ${to("v9")}}`,
  `{${path("/retry-5xx")}, route: ${to("v1")}, retries: {attempts: 3, perTryTimeout: 2s, retryOn: 5xx}}`,
  `{${path("/retry-none")}, route: ${to("v1")}, retries: {attempts: 0}}`,
  `{${path("/retry-gateway")}, route: ${to("v1")}, retries: {attempts: 2, retryOn: gateway-error}}`,
  `{${path("/retry-409")}, route: ${to("v1")}, retries: {attempts: 2, retryOn: "409"}}`,
  `{${path("/retry-reset")}, route: ${to("v1")}, retries: {attempts: 2, retryOn: "reset,connect-failure"}}`,
  `{${path("/limit-200")}, route: ${to("v1")}, timeout: 0.2s}`,
  `{${path("/try-100")}, route: ${to("v1")}, timeout: 2s, retries: {attempts: 2, perTryTimeout: 0.1s, retryOn: gateway-error}}`,
  `{${path("/try-over")}, route: ${to("v1")}, timeout: 0.25s, retries: {attempts: 9, perTryTimeout: 0.1s, retryOn: gateway-error}}`,
  `{${path("/header", ", headers: {x-kind: {exact: a}}")}, route: ${to("v1")}}`,
  `{${path("/header", ", headers: {x-kind: {prefix: b-}}")}, route: ${to("v2")}}`,
  `{${path("/header", ', headers: {x-kind: {regex: "c+"}}')}, route: ${to("v3")}}`,
  `{${path("/header")}, directResponse: {status: 418, body: {string: none}}}`,
  `{${path("/method", ", method: {exact: PUT}")}, route: ${to("v2")}}`,
  `{${path("/method")}, route: ${to("v1")}}`,
  `{${path("/query", ", queryParams: {k: {exact: x}}")}, route: ${to("v2")}}`,
  `{${path("/query")}, route: ${to("v1")}}`,
  `{match: [{uri: {exact: /exact}}], route: ${to("v2")}}`,
  `{match: [{uri: {regex: "/regex/[0-9]+"}}], route: ${to("v3")}}`,
  `{${path("/rewrite/")}, rewrite: {uri: /only-v2/}, route: ${to("v2")}}`,
  `{${path("/redirect")}, redirect: {uri: /elsewhere, redirectCode: 302}}`,
  `{${path("/respond-401")}, directResponse: {status: 401}}`,
  `{${path("/respond-503")}, directResponse: {status: 503, body: {string: closed}}}`,
  `{${path("/nowhere")}, route: [{destination: {host: no-such-service}}]}`,
  `{match: [{uri: {prefix: /}}], route: ${to("v1")}}`,
];

export const table = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: default}
spec:
  hosts: [shop]
  http:
${rules.map((r) => `  - ${r}`).join("\n")}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop, namespace: default}
spec:
  host: shop
  subsets: [${["v1", "v2", "v3", "v9"].map(subset).join(", ")}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: small, namespace: default}
spec:
  host: small
  trafficPolicy:
    connectionPool:
      tcp: {maxConnections: 1}
      http: {http1MaxPendingRequests: 1}
`;

/** Access logs of every proxy, one object a line. */
export const meshConfig = `
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: weft-system}
data:
  mesh: |
    accessLogFile: /dev/stdout
    accessLogEncoding: JSON
`;
