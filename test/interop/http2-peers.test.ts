/** The HTTP/2 codec with real peers, in both roles: Go, nghttp2 and curl. */
import { afterAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../src/testkit/dynamic.ts";
import { TestClient } from "../../src/testkit/http2-client.ts";
import { http2Server } from "../../src/testkit/http2-server.ts";
import { createTestCa } from "../../src/testkit/index.ts";
import { ensureDebian, ensureGoProgram } from "../../src/testkit/peers.ts";

const go = ensureGoProgram(join(import.meta.dir, "go-http2"), "go-http2");
const nghttpd = ensureDebian("nghttpd", "nghttp2-server");
const h2load = ensureDebian("h2load", "nghttp2-client");
const curl = ensureDebian("curl");
const dir = mkdtempSync(join(tmpdir(), "weft-http2-"));
afterAll(() => rmSync(dir, { recursive: true }));

const megabyte = Buffer.alloc(1_000_000, "0123456789abcdef!");
const file = join(dir, "body");
writeFileSync(file, megabyte);
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const run = async (argv: readonly string[]): Promise<string> => {
  const child = Bun.spawn([...argv], { stdout: "pipe", stderr: "pipe" });
  const text = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(await new Response(child.stderr).text());
  return text;
};

test.skipIf(go === undefined)("Go's client: 50 bodies of 200 kB and their trailers at once", async () => {
  const server = http2Server();
  try {
    expect(await run([go!, "post", `http://127.0.0.1:${server.port}/`, "50", "200000"])).toBe(
      "all came back\n",
    );
    expect([server.errors, server.faults]).toEqual([[], []]);
  } finally {
    server.stop();
  }
});

test.skipIf(go === undefined)(
  "Go's server: bodies and trailers both ways, 103 before the answer",
  async () => {
    const child = Bun.spawn([go!, "serve"], { stdout: "pipe", stderr: "inherit" });
    try {
      const { value } = await child.stdout.getReader().read();
      const client = await TestClient.connect(Number(Buffer.from(value!).toString()));
      const sizes = [0, 1, 16_384, 65_535, 65_536, 1_000_000];
      const answers = await Promise.all(
        sizes.map((size) =>
          client.request({
            method: "POST",
            path: "/early",
            body: megabyte.subarray(0, size),
            trailers: ["x-t", "1"],
          }),
        ),
      );
      for (const [i, answer] of answers.entries()) {
        const sum = sha256(megabyte.subarray(0, sizes[i]!));
        expect([answer.status, answer.informational, answer.body.length]).toEqual([200, [103], sizes[i]!]);
        expect([sha256(answer.body), answer.trailers]).toEqual([sum, ["x-sum", sum]]);
        expect(answer.headers).toContain("HTTP/2.0");
      }
      // The table of fields is in step after many requests.
      for (let i = 0; i < 200; i++) {
        const { status } = await client.request({
          path: `/${i % 9}`,
          headers: ["x-n", String(i), "cookie", "a=b; c=d"],
        });
        expect(status).toBe(200);
      }
      expect(client.errors).toEqual([]);
      client.close();
    } finally {
      child.kill();
    }
  },
);

test.skipIf(nghttpd === undefined)(
  "nghttp2's server: files of 1 MB, 90 at once, padded, with a small table",
  async () => {
    const port = freePort(); // nghttpd does not tell the port that it got.
    const argv = [nghttpd!, "--no-tls", "--padding=255", "--header-table-size=64", "-d", dir, String(port)];
    const child = Bun.spawn(argv, { stdout: "ignore", stderr: "ignore" });
    try {
      const client = await connected(port);
      const answers = await Promise.all(Array.from({ length: 90 }, () => client.request({ path: "/body" })));
      expect(answers.every((a) => a.status === 200 && a.body.equals(megabyte))).toBe(true);
      expect((await client.request({ path: "/none" })).status).toBe(404);
      expect(client.errors).toEqual([]);
      client.close();
    } finally {
      child.kill();
    }
  },
);

test.skipIf(h2load === undefined)(
  "nghttp2's client: 20,000 requests, 100 at once on each of 10 connections",
  async () => {
    const server = http2Server();
    try {
      const url = `http://127.0.0.1:${server.port}/`;
      const text = await run([h2load!, "-n", "20000", "-c", "10", "-m", "100", "-H", "x-a: b", url]);
      expect(text).toContain("20000 succeeded, 0 failed");
      const posts = await run([h2load!, "-n", "100", "-c", "2", "-m", "50", "-w", "17", "-d", file, url]);
      expect(posts).toContain("100 succeeded, 0 failed");
      expect([server.errors, server.faults]).toEqual([[], []]);
    } finally {
      server.stop();
    }
  },
);

test.skipIf(curl === undefined)("curl, plain and TLS: 1 MB there and back", async () => {
  const { certPem: cert, keyPem: key } = createTestCa().leaf({ dns: ["localhost"] });
  for (const tls of [false, true]) {
    const server = http2Server(tls ? { tls: { cert, key } } : {});
    try {
      const out = join(dir, "answer");
      const how = tls ? ["--http2", "--insecure"] : ["--http2-prior-knowledge"];
      const url = `${tls ? "https" : "http"}://127.0.0.1:${server.port}/a?b`;
      const form = ["-w", "%{http_version} %{http_code}", "-o", out, "--data-binary", `@${file}`];
      expect(await run([curl!, "-sS", ...how, ...form, url])).toBe("2 200");
      expect(sha256(Buffer.from(await Bun.file(out).arrayBuffer()))).toBe(sha256(megabyte));
    } finally {
      server.stop();
    }
  }
});

/** Tries until the server listens. */
async function connected(port: number): Promise<TestClient> {
  for (let tries = 0; ; tries++) {
    try {
      return await TestClient.connect(port);
    } catch (error) {
      if (tries === 20_000) throw error;
    }
  }
}
