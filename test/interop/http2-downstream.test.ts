/** HTTP/2 in front of a plain HTTP/1.1 backend: curl and h2spec judge. */
import { afterEach, describe, expect, test } from "bun:test";
import type { DownstreamTls } from "../../src/proxy/config/index.ts";
import {
  change,
  endpoint,
  listener,
  type Origin,
  ok,
  origin,
  route,
  type TestPlane,
  testPlane,
} from "../../src/proxy/data/test-support.ts";
import { createTestCa } from "../../src/testkit/index.ts";
import { h2spec, runH2spec } from "./h2spec/run.ts";

const open: { stop(): void }[] = [];
afterEach(() => {
  for (const part of open.splice(0)) part.stop();
});

/** Reads whole requests with content-length or chunks and answers with what it read. */
function backend(): Origin {
  const made = origin((socket) => {
    const { inbox } = socket;
    for (;;) {
      const at = inbox.text.indexOf("\r\n\r\n");
      if (at < 0) return;
      const head = inbox.text.slice(0, at);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      let end = at + 4 + length;
      if (/transfer-encoding: chunked/i.test(head)) {
        const last = /\r\n0\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(inbox.text.slice(at + 2));
        if (!last) return;
        end = at + 2 + last.index + last[0].length;
      }
      if (inbox.text.length < end) return;
      const asked = inbox.text.slice(0, end);
      inbox.text = inbox.text.slice(end);
      socket.send(head.startsWith("HEAD") ? "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n" : ok(asked));
    }
  });
  open.push(made);
  return made;
}

const own = createTestCa().leaf({ dns: ["localhost"] });
const overTls: DownstreamTls = {
  certSecret: "own",
  requireClientCertificate: false,
  alpn: ["h2", "http/1.1"],
  minVersion: 771,
  maxVersion: 772,
};

function proxy(codec: "auto" | "http1" | "http2" = "auto", tls?: DownstreamTls): TestPlane {
  const plane = testPlane();
  const secrets = [{ name: "own", certPem: own.certPem, keyPem: own.keyPem }];
  plane.handle({ kind: "update", seq: 1000, resources: [], secrets });
  const config = listener({}, { codec });
  const filterChains = config.filterChains.map((chain) => (tls ? { ...chain, tls } : chain));
  plane.apply([
    change.cluster(),
    change.endpoints("origin", [endpoint(backend().port, 0)]),
    change.routes([route("origin")]),
    change.listener({ ...config, filterChains }),
  ]);
  open.push(plane);
  return plane;
}

async function curl(port: number, ...argv: string[]): Promise<string> {
  const run = Bun.spawn(["curl", "-s", "-i", ...argv, `http://127.0.0.1:${port}/a?b=c`], { stdout: "pipe" });
  const text = await new Response(run.stdout).text();
  await run.exited;
  return text;
}

const h2c = "--http2-prior-knowledge";

describe("HTTP/2 downstream", () => {
  test("reaches a HTTP/1.1 upstream as a request of its own kind", async () => {
    const plane = proxy();
    const text = await curl(plane.port("main")!, h2c, "-H", "cookie: a=1", "-H", "te: trailers");
    expect(text).toMatch(/^HTTP\/2 200/);
    expect(text).toContain("GET /a?b=c HTTP/1.1\r\nhost: 127.0.0.1:");
    expect(text).toContain("cookie: a=1");
    expect(text).not.toContain("te: trailers");
    expect(plane.metric("envoy_http_downstream_rq_total")).toBe(1);
  });

  test("carries bodies with and without a length, HEAD, and local answers", async () => {
    const plane = proxy();
    const port = plane.port("main")!;
    expect(await curl(port, h2c, "-d", "hello")).toContain("content-length: 5\r\n\r\nhello");
    expect(await curl(port, h2c, "-T", "/dev/null")).toContain("PUT /a?b=c");
    expect(await curl(port, h2c, "-I")).toContain("content-length: 9");
    plane.apply([change.endpoints("origin", [])]);
    expect(await curl(port, h2c)).toMatch(/^HTTP\/2 503[\s\S]*no healthy upstream/);
  });

  test("one port takes both versions; a port of one version takes that", async () => {
    const both = proxy().port("main")!;
    expect(await curl(both, "--http1.1")).toMatch(/^HTTP\/1\.1 200/);
    expect(await curl(both, h2c)).toMatch(/^HTTP\/2 200/);
    expect(await curl(proxy("http1").port("main")!, h2c)).toBe("");
    expect(await curl(proxy("http2").port("main")!, h2c)).toMatch(/^HTTP\/2 200/);
  });

  test.skipIf(h2spec === undefined)(
    "h2spec before a plain backend: 146 of 146",
    async () => {
      expect(await runH2spec(proxy("http2").port("main")!)).toEqual({ cases: 146, notPassed: [] });
    },
    60_000,
  );

  test.skipIf(h2spec === undefined)(
    "h2spec over TLS, by ALPN: 146 of 146",
    async () => {
      const port = proxy("auto", overTls).port("main")!;
      expect(await runH2spec(port, { tls: true })).toEqual({ cases: 146, notPassed: [] });
    },
    60_000,
  );
});
