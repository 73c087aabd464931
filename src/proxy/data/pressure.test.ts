/** What a client that does not read can make the proxy hold; what still reaches one that reads late. */
import { afterEach, describe, expect, test } from "bun:test";
import { issue, issuingCa } from "../../testkit/issue.ts";
import type { FilterChainConfig } from "../config/index.ts";
import {
  answering,
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

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function proxyTo(port: number): number {
  const plane = testPlane();
  cleanups.push(() => plane.stop());
  plane.apply([
    change.cluster(),
    change.endpoints("origin", [endpoint(port, 0)]),
    change.routes([route("origin")]),
    change.listener(listener()),
  ]);
  return plane.port("main");
}

describe("pressure", () => {
  test("a client that asks 2,000 times and never reads is served only as far as buffers go", async () => {
    let answered = 0;
    const body = "x".repeat(64 * 1024);
    const backend = answering(() => {
      answered++;
      return ok(body);
    });
    cleanups.push(() => backend.stop());
    const client = await connect(proxyTo(backend.port));
    client.pause();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2000));
    let last = -1;
    for (let quiet = 0; quiet < 300; ) {
      await turn();
      quiet = answered === last ? quiet + 1 : 0;
      last = answered;
    }
    // 2,000 x 64 KiB would be 128 MB; the kernel's buffers hold a few.
    expect(answered).toBeLessThan(400);
    client.resume();
    while (answered < 2000) await turn();
  }, 20_000);

  test("an answer with Connection: close reaches a client that reads late", async () => {
    const size = 8 * 1024 * 1024;
    const source = Bun.listen<{ left: number }>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (s) => {
          s.data = { left: size };
        },
        data: (s) => {
          s.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
          pour(s);
        },
        drain: (s) => pour(s),
      },
    });
    const pour = (s: Bun.Socket<{ left: number }>): void => {
      while (s.data.left > 0) {
        const n = s.write(new Uint8Array(Math.min(s.data.left, 65_536)));
        if (n <= 0) return;
        s.data.left -= n;
      }
    };
    cleanups.push(() => source.stop(true));
    let got = 0;
    let closed = false;
    const count = (b: Uint8Array): void => {
      got += b.length;
    };
    const reader = await Bun.connect<undefined>({
      hostname: "127.0.0.1",
      port: proxyTo(source.port),
      socket: {
        data: (_, b) => count(b),
        open: (s) => void s.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        end: () => {
          closed = true;
        },
        close: () => {
          closed = true;
        },
      },
    });
    reader.pause();
    for (let i = 0; i < 200; i++) await turn();
    reader.resume();
    while (!closed) await turn();
    expect(got).toBeGreaterThan(size);
  }, 20_000);
});

describe("one port, plaintext and TLS (PERMISSIVE)", () => {
  test("each is served by its chain", async () => {
    const ca = issuingCa();
    const server = issue({ ca, spiffe: "spiffe://cluster.local/ns/default/sa/reviews" });
    const own = issue({ ca, spiffe: "spiffe://cluster.local/ns/default/sa/client" });
    const backend = answering((n) => ok(`hello ${n}`));
    cleanups.push(() => backend.stop());
    const plane = testPlane();
    cleanups.push(() => plane.stop());
    const chain = (more: Partial<FilterChainConfig>): FilterChainConfig => ({
      name: "c",
      serverNames: [],
      alpn: [],
      transportProtocol: "",
      filter: { kind: "http", http: httpDefaults },
      ...more,
    });
    plane.handle({
      kind: "update",
      seq: 1,
      secrets: [
        { name: "default", certPem: server.cert, keyPem: server.key },
        { name: "ROOTCA", caPem: ca.pem },
      ],
      resources: [],
    });
    const validation = { caSecret: "ROOTCA", sans: [], mode: "spiffe" } as const;
    const tls = {
      certSecret: "default",
      requireClientCertificate: true,
      validation,
      alpn: ["http/1.1"],
      minVersion: 772,
      maxVersion: 772,
    };
    const errors = plane.apply([
      change.cluster(),
      change.endpoints("origin", [endpoint(backend.port, 0)]),
      change.routes([
        { ...route("origin"), match: { path: { kind: "exact", value: "/" }, headers: [], query: [] } },
        { ...route("missing"), owner: { object: "VirtualService/default/x" } },
      ]),
      change.listener(
        listener({
          direction: "inbound",
          filterChains: [
            chain({ transportProtocol: "raw_buffer" }),
            chain({ transportProtocol: "tls", tls }),
          ],
        }),
      ),
    ]);
    expect(errors).toEqual([]);
    const plain = await connect(plane.port("main"));
    plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await plain.inbox.match(/hello 1$/);
    const url = `https://127.0.0.1:${plane.port("main")}`;
    const options = {
      tls: { cert: own.cert, key: own.key, ca: ca.pem, checkServerIdentity: () => undefined },
    };
    const response = await fetch(`${url}/`, options);
    expect(await response.text()).toBe("hello 2");
    // The deciding object is named to mesh peers, and only to them.
    const refused = await fetch(`${url}/other`, options);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("x-weft-reason")).toBe("VirtualService/default/x");
    plain.inbox.text = "";
    plain.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
    await plain.inbox.match(/503 [\s\S]*\r\n\r\n$/);
    expect(plain.inbox.text).not.toContain("x-weft-reason");
    expect(plane.metric("istio_requests_total", { connection_security_policy: "mutual_tls" })).toBe(2);
    expect(plane.metric("istio_requests_total", { connection_security_policy: "none" })).toBe(2);
  });
});

test("a fault in one connection is reported and the thread goes on", async () => {
  const backend = origin((s) => s.send(ok("fine")));
  cleanups.push(() => backend.stop());
  const plane = testPlane();
  cleanups.push(() => plane.stop());
  plane.apply([
    change.cluster(),
    change.endpoints("origin", [endpoint(backend.port, 0)]),
    change.routes([route("origin")]),
    change.listener(listener()),
  ]);
  // A handler that throws: the random source of this plane is taken away for one request.
  const client = await connect(plane.port("main"));
  const randomUUID = crypto.randomUUID;
  crypto.randomUUID = () => {
    throw new Error("broken on purpose");
  };
  try {
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.inbox.until(() => client.inbox.closed);
  } finally {
    crypto.randomUUID = randomUUID;
  }
  expect(plane.posted.find((m) => m.kind === "log")).toMatchObject({
    level: "error",
    message: "fault in a connection handler",
  });
  expect(plane.metric("weft_connection_faults_total", { kind: "internal" })).toBe(1);
  const next = await connect(plane.port("main"));
  next.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await next.inbox.match(/fine$/);
});
