/** The table: what is asked, and the status that must come of it; all else must be the same in all pairings. */

export interface Row {
  readonly name: string;
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Requests; several are one after the other, or at once. Default 1. */
  readonly count?: number;
  readonly together?: boolean;
  /** Of the first answer, or of all in order of number where they are together. 0: closed without an answer. */
  readonly status: number | readonly number[];
  /** Version that must answer; shares of versions. */
  readonly version?: string;
  readonly shares?: Readonly<Record<string, number>>;
  /** How often the application must have seen a request of this row. */
  readonly tries?: number;
  /** How often it is tried is a matter of waits with jitter. */
  readonly racing?: boolean;
  /** Straight to the workload's published port, without a proxy at the caller. */
  readonly plaintext?: boolean;
  /** To the workload's own address by the caller's proxy, which knows no service there and sends plaintext. */
  readonly published?: boolean;
  /** Also in `make test`. */
  readonly short?: boolean;
}

const shop = "http://shop:9080";
const domain = "default.svc.cluster.local";
const names = ["shop", "shop.default", "shop.default.svc", `shop.${domain}`];

const hosts: Row[] = names.flatMap((host) =>
  ["", ":9080"].map((port) => ({
    name: `host ${host}${port}`,
    url: `http://${host}${port}/only-v2`,
    status: 200,
    version: "v2",
    tries: 1,
  })),
);

const methods: Row[] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"].map((method) => ({
  name: `method ${method}`,
  url: `${shop}/only-v1`,
  method,
  status: 200,
  tries: 1,
}));

const statuses: Row[] = [201, 204, 304, 400, 404, 418, 429, 500, 501, 503, 504].map((status) => ({
  name: `the application answers ${status}`,
  url: `${shop}/only-v1?status=${status}`,
  status,
  tries: 1,
}));

const retries: Row[] = [
  {
    name: "5xx is tried again until it works",
    url: `${shop}/retry-5xx?fail=2`,
    status: 200,
    tries: 3,
    short: true,
  },
  { name: "5xx is tried 1 + 3 times", url: `${shop}/retry-5xx?fail=9`, status: 503, tries: 4 },
  {
    name: "POST is tried again where the rule asks for it",
    url: `${shop}/retry-5xx?fail=2`,
    method: "POST",
    status: 200,
    tries: 3,
    short: true,
  },
  {
    name: "PUT is tried again",
    url: `${shop}/retry-5xx?fail=1`,
    method: "PUT",
    body: "x",
    status: 200,
    tries: 2,
  },
  { name: "DELETE is tried again", url: `${shop}/retry-5xx?fail=1`, method: "DELETE", status: 200, tries: 2 },
  { name: "404 is not tried again", url: `${shop}/retry-5xx?status=404`, status: 404, tries: 1 },
  { name: "attempts: 0", url: `${shop}/retry-none?fail=1`, status: 503, tries: 1 },
  { name: "gateway errors: 503", url: `${shop}/retry-gateway?fail=1`, status: 200, tries: 2 },
  { name: "gateway errors: 500 is none", url: `${shop}/retry-gateway?status=500`, status: 500, tries: 1 },
  { name: "a status of its own", url: `${shop}/retry-409?fail=1&with=409`, status: 200, tries: 2 },
  { name: "an answer is no reset", url: `${shop}/retry-reset?fail=1`, status: 503, tries: 1 },
];

const limits: Row[] = [
  { name: "timeout passes", url: `${shop}/limit-200?delay=500`, status: 504, tries: 1, short: true },
  { name: "timeout does not pass", url: `${shop}/limit-200?delay=20`, status: 200, tries: 1 },
  {
    name: "a POST over the timeout",
    url: `${shop}/limit-200?delay=500`,
    method: "POST",
    status: 504,
    tries: 1,
  },
  { name: "a try is cut, the next works", url: `${shop}/try-100?slow=1`, status: 200, tries: 2 },
  { name: "every try is cut", url: `${shop}/try-100?slow=9`, status: 504, tries: 3 },
  { racing: true, name: "the whole is cut between tries", url: `${shop}/try-over?slow=9`, status: 504 },
];

const routes: Row[] = [
  { name: "header exact", url: `${shop}/header`, headers: { "x-kind": "a" }, status: 200, version: "v1" },
  { name: "header prefix", url: `${shop}/header`, headers: { "x-kind": "b-1" }, status: 200, version: "v2" },
  { name: "header regex", url: `${shop}/header`, headers: { "x-kind": "ccc" }, status: 200, version: "v3" },
  { name: "header regex is anchored", url: `${shop}/header`, headers: { "x-kind": "cx" }, status: 418 },
  { name: "no header", url: `${shop}/header`, status: 418, tries: 0 },
  { name: "method matches", url: `${shop}/method`, method: "PUT", status: 200, version: "v2" },
  { name: "method does not match", url: `${shop}/method`, status: 200, version: "v1" },
  { name: "query matches", url: `${shop}/query?k=x`, status: 200, version: "v2" },
  { name: "query does not match", url: `${shop}/query?k=y`, status: 200, version: "v1" },
  { name: "exact path", url: `${shop}/exact`, status: 200, version: "v2" },
  { name: "exact path and more", url: `${shop}/exact/more`, status: 200, version: "v1" },
  { name: "regex path", url: `${shop}/regex/12`, status: 200, version: "v3" },
  { name: "regex path is anchored", url: `${shop}/regex/12/x`, status: 200, version: "v1" },
  { name: "rewrite", url: `${shop}/rewrite/a`, status: 200, version: "v2" },
  { name: "redirect", url: `${shop}/redirect`, status: 302, tries: 0 },
  { name: "a route answers 401", url: `${shop}/respond-401`, status: 401, tries: 0 },
  { name: "a route answers 503", url: `${shop}/respond-503`, status: 503, tries: 0 },
  { name: "a subset without endpoints", url: `${shop}/no-subset`, status: 503, tries: 0, short: true },
  { name: "a host that nobody knows", url: `${shop}/nowhere`, status: 503, tries: 0, short: true },
];

const shares: Row[] = [
  { name: "80 to 20", url: `${shop}/share-80-20`, count: 200, status: 200, shares: { v1: 0.8, v2: 0.2 } },
  { name: "50 to 50", url: `${shop}/share-50-50`, count: 200, status: 200, shares: { v1: 0.5, v2: 0.5 } },
  {
    name: "thirds",
    url: `${shop}/share-thirds`,
    count: 240,
    status: 200,
    shares: { v1: 0.34, v2: 0.33, v3: 0.33 },
  },
  { name: "0 to 100", url: `${shop}/share-all`, count: 50, status: 200, shares: { v2: 1 }, short: true },
];

const overload: Row[] = [
  {
    name: "one runs, one waits, the third overflows",
    url: "http://small:9080/?delay=300",
    count: 3,
    together: true,
    status: [200, 200, 503],
    tries: 2,
    short: true,
  },
  { name: "afterwards there is room again", url: "http://small:9080/", status: 200, tries: 1 },
];

const seed: Row[] = [
  {
    name: "seed: jason",
    url: "http://reviews:9080/reviews/0",
    headers: { "end-user": "jason" },
    count: 20,
    status: 200,
    shares: { v2: 1 },
    short: true,
  },
  {
    name: "seed: everybody else",
    url: "http://reviews:9080/reviews/0",
    count: 20,
    status: 200,
    shares: { v1: 1 },
    short: true,
  },
  {
    name: "seed: Jason is another",
    url: "http://reviews:9080/reviews/0",
    headers: { "end-user": "Jason" },
    status: 200,
    version: "v1",
  },
  {
    name: "seed: plaintext is closed",
    url: "http://reviews:9080/reviews/0",
    plaintext: true,
    status: 0,
    tries: 0,
    short: true,
  },
  {
    name: "seed: plaintext of a caller's proxy is closed",
    url: "http://reviews:9080/reviews/0",
    published: true,
    status: 503,
    tries: 0,
    short: true,
  },
  { name: "seed: a failing try is repeated", url: "http://web-api:9080/users?fail=2", status: 200, tries: 3 },
  { name: "seed: a slow try is cut", url: "http://web-api:9080/users?slow=1", status: 200, tries: 2 },
  {
    name: "seed: a POST is sent once",
    url: "http://web-api:9080/users?fail=2",
    method: "POST",
    status: 503,
    tries: 1,
  },
  { racing: true, name: "seed: all tries slow", url: "http://web-api:9080/users?slow=9", status: 504 },
];

const failing: Row[] = [
  {
    name: "the application hangs up on a POST",
    method: "POST",
    url: `${shop}/retry-none?hangup=1`,
    status: 503,
    tries: 1,
    short: true,
  },
  {
    name: "a large body there and back",
    url: `${shop}/only-v1?echo=1`,
    method: "POST",
    body: "x".repeat(300_000),
    status: 200,
    tries: 1,
  },
  { name: "the application hangs up on a kept connection", url: `${shop}/retry-none?hangup=1`, status: 503 },
  { name: "a port that the service has not", url: "http://shop:9081/", status: 503, tries: 0 },
];

export const rows: readonly Row[] = [
  ...hosts,
  ...methods,
  ...statuses,
  ...retries,
  ...limits,
  ...routes,
  ...shares,
  ...overload,
  ...failing,
  ...seed,
];
