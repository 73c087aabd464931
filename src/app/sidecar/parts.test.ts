import { describe, expect, test } from "bun:test";
import { fakeClock } from "../../testkit/index.ts";
import { applicationEnvironment } from "./environment.ts";
import { limits } from "./limits.ts";
import { listensWide, socketTables } from "./listening.ts";
import { applicationProbe, startProbing } from "./probe.ts";

describe("environment of the application", () => {
  const env = applicationEnvironment({
    base: {
      PATH: "/bin",
      http_proxy: "http://other",
      NO_PROXY: ".svc.cluster.local",
      All_Proxy: "x",
      JAVA_TOOL_OPTIONS: "-Xmx1g",
    },
    appPort: 4711,
    proxyHost: "127.66.1.2",
    proxyPort: 15001,
    credential: { user: "weft", password: "s3" },
  });

  test("every runtime's variables name the sidecar with its credential", () => {
    for (const name of ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "grpc_proxy"])
      expect(env[name]).toBe("http://weft:s3@127.66.1.2:15001");
    expect(env["PORT"]).toBe("4711");
    expect(env["NODE_USE_ENV_PROXY"]).toBe("1");
    expect(env["JAVA_TOOL_OPTIONS"]).toStartWith("-Xmx1g -Dhttp.proxyHost=127.66.1.2 -Dhttp.proxyPort=15001");
    expect(env["PATH"]).toBe("/bin");
  });

  test("an inherited NO_PROXY does not lead around the mesh", () => {
    expect(env["NO_PROXY"]).toBe("localhost,127.0.0.1,::1");
    expect(env["no_proxy"]).toBe("localhost,127.0.0.1,::1");
    expect(env["All_Proxy"]).toBeUndefined();
  });
});

describe("where a port is listened on", () => {
  const row = (address: string, port: string, state: string): string =>
    `   0: ${address}:${port} 00000000:0000 ${state} 00000000:00000000`;
  const table = (...rows: string[]): string =>
    `  sl  local_address rem_address   st tx_queue\n${rows.join("\n")}\n`;

  test("loopback in both families is not wide, any other address is", () => {
    expect(listensWide(0x2378, [table(row("0100007F", "2378", "0A"), row("0200427F", "2378", "0A"))])).toBe(
      false,
    );
    expect(listensWide(0x2378, [table(row("00000000", "2378", "0A"))])).toBe(true);
    expect(listensWide(0x2378, [table(row("00000000000000000000000001000000", "2378", "0A"))])).toBe(false);
    expect(listensWide(0x2378, [table(row("0000000000000000FFFF00000100007F", "2378", "0A"))])).toBe(false);
    expect(listensWide(0x2378, [table(row("00000000000000000000000000000000", "2378", "0A"))])).toBe(true);
  });

  test("other ports and connections do not count", () => {
    expect(listensWide(0x2378, [table(row("00000000", "2379", "0A"), row("00000000", "2378", "01"))])).toBe(
      false,
    );
  });

  test("the kernel's own tables are understood", async () => {
    const narrow = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const wide = Bun.serve({ hostname: "0.0.0.0", port: 0, fetch: () => new Response() });
    const tables = await socketTables();
    expect(listensWide(narrow.port!, tables)).toBe(false);
    expect(listensWide(wide.port!, tables)).toBe(true);
    await Promise.all([narrow.stop(true), wide.stop(true)]);
  });
});

describe("readiness", () => {
  test("fast until ready, slow then; three failures in a row make it unready", async () => {
    const clock = fakeClock();
    const seen: boolean[] = [];
    let good = false;
    let rounds = 0;
    const prober = startProbing({
      clock,
      probe: async () => {
        rounds++;
        return good;
      },
      onChange: (ready) => seen.push(ready),
    });
    const round = async (ms: number): Promise<void> => {
      clock.advance(ms);
      await Promise.resolve();
      await Promise.resolve();
    };
    await round(0);
    await round(limits.probeFastMs);
    expect([rounds, seen]).toEqual([2, []]);
    good = true;
    await round(limits.probeFastMs);
    expect(seen).toEqual([true]);
    await round(limits.probeSlowMs - 1);
    expect(rounds).toBe(3);
    good = false;
    await round(1);
    for (let i = 2; i < limits.probeFailures; i++) await round(limits.probeSlowMs);
    expect(seen).toEqual([true]);
    await round(limits.probeSlowMs);
    expect(seen).toEqual([true, false]);
    prober.stop();
    expect(clock.pending).toBe(0);
  });

  test("HTTP: 2xx and 3xx are ready; TCP: an open port is", async () => {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (r) => new Response("", { status: Number(new URL(r.url).pathname.slice(1)) }),
    });
    const port = server.port!;
    const answers = await Promise.all(["200", "302", "404", "503"].map((p) => applicationProbe(port, p)()));
    expect(answers).toEqual([true, true, false, false]);
    expect(await applicationProbe(port, undefined)()).toBe(true);
    await server.stop(true);
    expect(await applicationProbe(port, undefined)()).toBe(false);
    expect(await applicationProbe(port, "/200")()).toBe(false);
  });
});
