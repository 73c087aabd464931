/** Trusted client address, internal requests and what they may ask for: expectations are what Envoy 1.40 did. */
import { afterEach, describe, expect, test } from "bun:test";
import type { HttpManagerConfig, RetryPolicy } from "../config/index.ts";
import { forwardedAddress } from "./client-address.ts";
import { change, connect, endpoint, listener, origin, route, testPlane } from "./test-support.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const c of cleanups.splice(0)) c();
});

const internal = [
  { address: "127.0.0.0", prefixLength: 8 },
  { address: "10.0.0.0", prefixLength: 8 },
  { address: "fd00::", prefixLength: 8 },
];
const asked =
  "x-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 3\r\nx-envoy-upstream-rq-timeout-ms: 7000\r\n" +
  "x-envoy-internal: true\r\nx-envoy-external-address: 6.6.6.6\r\nx-envoy-original-path: /o\r\n" +
  "x-forwarded-proto: https\r\nx-request-id: mine\r\n";

const onFailure: RetryPolicy = {
  retryOn: ["connect-failure"],
  numRetries: 1,
  perTryTimeoutMs: 0,
  retriableStatusCodes: [],
  retriableRequestHeaders: [],
  backoffBaseMs: 1,
  backoffMaxMs: 1,
};

interface Told {
  readonly tries: number;
  readonly log: string;
  field(name: string): string | undefined;
}

/** Sends one request to an origin that answers 503; what the origin was told, and how often. */
async function tell(http: Partial<HttpManagerConfig>, fields: string, retry?: RetryPolicy): Promise<Told> {
  const heads: string[] = [];
  const backend = origin((s) => {
    if (!s.inbox.text.endsWith("\r\n\r\n")) return;
    heads.push(s.inbox.text);
    s.inbox.text = "";
    s.send("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
  });
  const plane = testPlane();
  cleanups.push(
    () => plane.stop(),
    () => backend.stop(),
  );
  const format = {
    kind: "text",
    text: "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%\n",
  } as const;
  plane.apply([
    change.cluster(),
    change.endpoints("origin", [endpoint(backend.port, 0)]),
    change.routes([route("origin", retry ? { retry } : {})]),
    change.listener(listener({}, { accessLogs: [{ path: "stdout", format }], ...http })),
  ]);
  const client = await connect(plane.port("main"));
  client.send(`GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${fields}\r\n`);
  await client.inbox.until(() => client.inbox.closed);
  plane.stop();
  const last = heads.at(-1) ?? "";
  return {
    tries: heads.length,
    log: plane.logs()[0] ?? "",
    field: (name) => new RegExp(`^${name}: (.*)\\r$`, "m").exec(last)?.[1],
  };
}

const remote = { useRemoteAddress: true };
const cases: readonly (readonly [
  string,
  Partial<HttpManagerConfig>,
  string,
  Partial<Record<string, string>>,
])[] = [
  // use_remote_address, nobody internal: an edge request whatever x-forwarded-for says.
  ["remote", remote, "", { client: "127.0.0.1", external: "127.0.0.1", xff: "127.0.0.1" }],
  ["remote", remote, "10.0.0.9", { client: "127.0.0.1", external: "127.0.0.1", xff: "10.0.0.9,127.0.0.1" }],
  // One trusted hop: its word for the client, and for the scheme.
  [
    "remote, 1 hop",
    { ...remote, xffNumTrustedHops: 1 },
    "",
    { client: "127.0.0.1", external: "127.0.0.1", proto: "https" },
  ],
  [
    "remote, 1 hop",
    { ...remote, xffNumTrustedHops: 1 },
    "8.8.8.8, 10.0.0.9",
    { client: "10.0.0.9", external: "10.0.0.9", proto: "https" },
  ],
  [
    "remote, 1 hop",
    { ...remote, xffNumTrustedHops: 1 },
    "junk",
    { client: "127.0.0.1", external: "127.0.0.1", proto: "https" },
  ],
  [
    "remote, 2 hops",
    { ...remote, xffNumTrustedHops: 2 },
    "8.8.8.8, 10.0.0.9",
    { client: "8.8.8.8", external: "8.8.8.8", proto: "https" },
  ],
  // Not at the edge: nothing is added.
  ["passed on", {}, "", { client: "127.0.0.1", external: "6.6.6.6", id: "mine", proto: "https", path: "/o" }],
  [
    "passed on",
    {},
    "10.0.0.9",
    { client: "10.0.0.9", external: "6.6.6.6", id: "mine", proto: "https", path: "/o", xff: "10.0.0.9" },
  ],
  [
    "passed on, 1 hop",
    { xffNumTrustedHops: 1 },
    "8.8.8.8, 10.0.0.9",
    { client: "8.8.8.8", external: "6.6.6.6", id: "mine", proto: "https", path: "/o" },
  ],
  // Internal by who connected, where nobody was forwarded for.
  [
    "remote, ranges",
    { ...remote, internalAddresses: internal },
    "",
    { internal: "true", client: "127.0.0.1", external: "6.6.6.6", id: "mine", path: "/o", xff: "127.0.0.1" },
  ],
  [
    "remote, ranges",
    { ...remote, internalAddresses: internal },
    "10.0.0.9",
    { client: "127.0.0.1", external: "127.0.0.1" },
  ],
  // Internal by the only address forwarded for.
  [
    "passed on, ranges",
    { internalAddresses: internal },
    "",
    { client: "127.0.0.1", external: "6.6.6.6", id: "mine", proto: "https", path: "/o" },
  ],
  [
    "passed on, ranges",
    { internalAddresses: internal },
    "10.0.0.9",
    { internal: "true", client: "10.0.0.9", external: "6.6.6.6", id: "mine", proto: "https", path: "/o" },
  ],
  [
    "passed on, ranges",
    { internalAddresses: internal },
    "fd00::9",
    { internal: "true", client: "fd00::9", external: "6.6.6.6", id: "mine", proto: "https", path: "/o" },
  ],
  [
    "passed on, ranges",
    { internalAddresses: internal },
    "8.8.8.8",
    { client: "8.8.8.8", external: "6.6.6.6", id: "mine", proto: "https", path: "/o" },
  ],
  [
    "passed on, ranges",
    { internalAddresses: internal },
    "8.8.8.8, 10.0.0.9",
    { client: "10.0.0.9", external: "6.6.6.6", id: "mine", proto: "https", path: "/o" },
  ],
  [
    "passed on, ranges",
    { internalAddresses: internal },
    "junk",
    { client: "127.0.0.1", external: "6.6.6.6", id: "mine", proto: "https", path: "/o" },
  ],
];

test.each(cases)(
  "%s, x-forwarded-for %#: who the client is and what is believed",
  async (_, http, xff, want) => {
    const told = await tell(http, `${asked}${xff === "" ? "" : `x-forwarded-for: ${xff}\r\n`}`);
    expect(told.tries).toBe(want["internal"] ? 4 : 1);
    expect(told.field("x-envoy-internal")).toBe(want["internal"]);
    expect(told.field("x-envoy-external-address")).toBe(want["external"]);
    expect(told.field("x-forwarded-proto")).toBe(want["proto"] ?? "http");
    expect(told.field("x-envoy-original-path")).toBe(want["path"]);
    expect(told.field("x-request-id") === "mine").toBe(want["id"] === "mine");
    if (want["xff"]) expect(told.field("x-forwarded-for")).toBe(want["xff"]);
    // What steers the router is consumed or cleaned, never passed on.
    for (const name of ["retry-on", "max-retries", "upstream-rq-timeout-ms"])
      expect(told.field(`x-envoy-${name}`)).toBeUndefined();
    const [whole, address, direct] = told.log.split(" ");
    expect([address, direct]).toEqual([want["client"], "127.0.0.1"]);
    if (want["client"] !== "127.0.0.1") expect(whole).toEndWith(":0");
  },
);

describe("an internal request's retries", () => {
  const http = { useRemoteAddress: true, internalAddresses: internal };
  const on = "x-envoy-retry-on: 5xx\r\n";

  test.each([
    ["the route's number is replaced: 0", `${on}x-envoy-max-retries: 0\r\n`, onFailure, 1],
    ["1", `${on}x-envoy-max-retries: 1\r\n`, onFailure, 2],
    ["above it", `${on}x-envoy-max-retries: 5\r\n`, onFailure, 6],
    ["what is no number is not heard", `${on}x-envoy-max-retries: junk\r\n`, onFailure, 2],
    ["below zero is none", `${on}x-envoy-max-retries: -1\r\n`, onFailure, 2],
    ["no policy of the route's: one", on, undefined, 2],
    ["no policy of the route's, a number", `${on}x-envoy-max-retries: 5\r\n`, undefined, 6],
    ["a number alone is nothing", "x-envoy-max-retries: 2\r\n", undefined, 1],
    [
      "status codes",
      "x-envoy-retry-on: retriable-status-codes\r\nx-envoy-retriable-status-codes: 503,504\r\nx-envoy-max-retries: 2\r\n",
      undefined,
      3,
    ],
    [
      "other codes",
      "x-envoy-retry-on: retriable-status-codes\r\nx-envoy-retriable-status-codes: 504\r\nx-envoy-max-retries: 2\r\n",
      undefined,
      1,
    ],
    [
      "words that are unknown are skipped",
      "x-envoy-retry-on: junk, 5xx\r\nx-envoy-max-retries: 2\r\n",
      undefined,
      3,
    ],
    [
      "a route that limits by header stays the judge",
      on,
      {
        ...onFailure,
        retriableRequestHeaders: [{ name: ":method", match: { kind: "exact", value: "PUT" } }],
      },
      1,
    ],
  ] as const)("%s", async (_, fields, retry, tries) => {
    expect((await tell(http, fields, retry)).tries).toBe(tries);
  });

  test("time-outs by header hold for internal requests only", async () => {
    const timeout = "x-envoy-upstream-rq-timeout-ms: 7000\r\n";
    const name = "x-envoy-expected-rq-timeout-ms";
    expect((await tell(http, timeout)).field(name)).toBe("7000");
    expect((await tell({}, timeout)).field(name)).toBeUndefined();
    const both = `${timeout}x-envoy-upstream-rq-per-try-timeout-ms: 300\r\n`;
    expect((await tell(http, both)).field(name)).toBe("300");
    expect((await tell({}, `${name}: 5\r\n`)).field(name)).toBeUndefined();
  });
});

test("addresses are counted from the right", () => {
  expect(forwardedAddress(undefined, 0)).toEqual({ address: "", single: false });
  expect(forwardedAddress("1.1.1.1", 0)).toEqual({ address: "1.1.1.1", single: true });
  expect(forwardedAddress("1.1.1.1", 1)).toEqual({ address: "", single: false });
  expect(forwardedAddress("a, ::1", 0)).toEqual({ address: "::1", single: false });
  expect(forwardedAddress("1.1.1.1,", 0)).toEqual({ address: "", single: false });
  expect(forwardedAddress("1.1.1.1:80", 0)).toEqual({ address: "", single: false });
});
