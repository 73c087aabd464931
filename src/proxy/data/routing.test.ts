/** What a route does to a request, seen by a client and an origin. */
import { afterEach, expect, test } from "bun:test";
import type { RouteConfig, RouteTableConfig } from "../config/index.ts";
import {
  change,
  connect,
  endpoint,
  httpDefaults,
  listener,
  ok,
  origin,
  route,
  testPlane,
} from "./test-support.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const c of cleanups.splice(0)) c();
});

const at = (path: string, more: Partial<RouteConfig>): RouteConfig => ({
  ...route("origin"),
  match: { path: { kind: "prefix", value: path }, headers: [], query: [] },
  ...more,
});

async function ask(
  routes: readonly RouteConfig[],
  request: string,
  vhost: Partial<RouteTableConfig["virtualHosts"][0]> = {},
): Promise<{ answer: string; seen: string }> {
  const backend = origin((s) => s.send(ok("body")));
  const plane = testPlane();
  cleanups.push(
    () => plane.stop(),
    () => backend.stop(),
  );
  plane.apply([
    change.cluster(),
    change.endpoints("origin", [endpoint(backend.port, 0)]),
    change.routes(routes, { virtualHosts: [{ name: "v", domains: ["*"], routes, ...vhost }] }),
    change.listener(listener({}, { ...httpDefaults, useRemoteAddress: true })),
  ]);
  const client = await connect(plane.port("main"));
  client.send(request);
  await client.inbox.until(() => client.inbox.closed);
  return { answer: client.inbox.text, seen: backend.connections[0]?.inbox.text ?? "" };
}

const get = (path: string, more = ""): string =>
  `GET ${path} HTTP/1.1\r\nHost: shop:8080\r\nConnection: close\r\n${more}\r\n`;

test("a direct response is UTF-8 with its length", async () => {
  const { answer } = await ask(
    [at("/", { action: { kind: "direct", status: 418, bodyText: "grüezi" } })],
    get("/"),
  );
  expect(answer).toStartWith("HTTP/1.1 418 I'm a");
  expect(answer).toContain("content-length: 7\r\n");
  expect(Buffer.from(answer.split("\r\n\r\n")[1]!, "latin1").toString("utf8")).toBe("grüezi");
});

test.each([
  [{ host: "other" }, "http://other:8080/a?b=1"],
  [{ scheme: "https" }, "https://shop/a?b=1"],
  [{ path: "/new" }, "http://shop:8080/new"],
  [{ port: 80 }, "http://shop/a?b=1"],
])("redirect %p", async (action, location) => {
  const { answer } = await ask(
    [at("/", { action: { kind: "redirect", code: 301, ...action } })],
    get("/a?b=1"),
  );
  expect(answer).toStartWith("HTTP/1.1 301 ");
  expect(answer).toContain(`location: ${location}\r\n`);
});

test("prefix and host are rewritten, headers added and removed, both ways", async () => {
  const { answer, seen } = await ask(
    [
      at("/old/", {
        action: {
          ...(route("origin", { prefixRewrite: "/new/", hostRewrite: "inner", timeoutMs: 1500 })
            .action as object),
        } as RouteConfig["action"],
        requestHeadersAdd: [
          { name: "X-Add", value: "1", action: "append" },
          { name: "X-Keep", value: "2", action: "add-if-absent" },
          { name: "Host", value: "evil", action: "overwrite" },
        ],
        requestHeadersRemove: ["X-Gone"],
        responseHeadersAdd: [{ name: "X-Out", value: "3", action: "overwrite" }],
        responseHeadersRemove: ["Server"],
      }),
    ],
    get("/old/x?q", "X-Gone: a\r\nX-Keep: mine\r\nX-Forwarded-For: 9.9.9.9\r\n"),
    { requestAttemptCount: true, responseAttemptCount: true },
  );
  expect(seen).toStartWith("GET /new/x?q HTTP/1.1\r\n");
  for (const line of [
    "host: inner",
    "x-add: 1",
    "x-keep: mine",
    "x-forwarded-for: 9.9.9.9,127.0.0.1",
    "x-envoy-original-path: /old/x?q",
    "x-envoy-attempt-count: 1",
    "x-envoy-expected-rq-timeout-ms: 1500",
    "x-forwarded-proto: http",
  ]) {
    expect(seen).toContain(`${line}\r\n`);
  }
  expect(seen).toMatch(/x-request-id: [0-9a-f-]{36}\r\n/);
  expect(seen).not.toMatch(/x-gone|evil|connection:/);
  expect(answer).toContain("x-out: 3\r\n");
  expect(answer).toContain("x-envoy-attempt-count: 1\r\n");
});

test("no route: 404; no cluster: 503; no endpoint: 503 no healthy upstream", async () => {
  expect((await ask([at("/only", {})], get("/"))).answer).toStartWith("HTTP/1.1 404 ");
  expect((await ask([route("absent")], get("/"))).answer).toStartWith("HTTP/1.1 503 ");
  const plane = testPlane();
  cleanups.push(() => plane.stop());
  plane.apply([
    change.cluster({ name: "BlackHoleCluster", discovery: "empty" }),
    change.routes([route("BlackHoleCluster")]),
    change.listener(listener()),
  ]);
  const client = await connect(plane.port("main"));
  client.send(get("/"));
  await client.inbox.match(/no healthy upstream$/);
});

test.each([
  ["[::1]:8080", "http://[::1]:8080/new"],
  ["[::1]", "http://[::1]/new"],
  ["Shop.Example:8080", "http://Shop.Example:8080/new"],
])("a redirect keeps the authority %p as it came", async (authority, location) => {
  const { answer } = await ask(
    [at("/", { action: { kind: "redirect", code: 301, path: "/new" } })],
    `GET / HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`,
  );
  expect(answer).toContain(`location: ${location}\r\n`);
});

test.each([
  ["^/(\\w+)/(\\w+)/(\\d+)$", "/\\3/\\2", "/v1/books/7?q=/v1", "/7/books?q=/v1"],
  ["a", "b\\\\", "/aXa", "/b\\Xb\\"],
  ["none", "x", "/v1", "/v1"],
  ["(x)|y", "<\\1>", "/xy", "/<x><>"],
  ["a*", "-", "/baaac", "-/-b-c-"],
])("the path is rewritten by %p to %p", async (pattern, substitution, path, wanted) => {
  const action = route("origin", { regexRewrite: { pattern, substitution } }).action;
  const { seen } = await ask([at("/", { action })], get(path));
  expect(seen).toStartWith(`GET ${wanted} HTTP/1.1\r\n`);
  expect(seen).toContain(`x-envoy-original-path: ${path}\r\n`);
});

test("a prefix rewrite behind an expression replaces the whole path, not the query", async () => {
  const match = { path: { kind: "regex", value: "/a/.*" }, headers: [], query: [] } as const;
  const { seen } = await ask([{ ...route("origin", { prefixRewrite: "/new" }), match }], get("/a/b?c=1"));
  expect(seen).toStartWith("GET /new?c=1 HTTP/1.1\r\n");
});

test("a destination changes headers before its route does, and has the last word on the host", async () => {
  const add = (name: string, value: string) => ({ name, value, action: "append" }) as const;
  const action = {
    ...(route("origin", { hostRewrite: "of-the-route" }).action as object),
    clusters: [
      {
        cluster: "origin",
        weight: 1,
        hostRewrite: "of-the-destination",
        requestHeaders: { add: [add("x-way", "destination")], remove: ["x-mine"] },
        responseHeaders: { add: [add("x-out", "destination")], remove: ["x-inner"] },
      },
    ],
  } as unknown as RouteConfig["action"];
  const { answer, seen } = await ask(
    [
      at("/", {
        action,
        requestHeadersAdd: [add("x-way", "route")],
        responseHeadersAdd: [add("x-out", "route")],
      }),
    ],
    get("/", "X-Mine: 1\r\n"),
  );
  expect(seen).toContain("host: of-the-destination\r\n");
  expect(seen).not.toContain("x-mine");
  expect(seen).toMatch(/x-way: destination\r\n[\s\S]*x-way: route\r\n/);
  expect(answer).toMatch(/x-out: destination\r\n[\s\S]*x-out: route\r\n/);
});
