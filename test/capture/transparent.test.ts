/**
 * Programs that know nothing of proxies, in networks of their own. Short by default; WEFT_CAPTURE_TESTS=full (make
 * capture) adds the programs, names, policies and users.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadSvid } from "../../src/identity/svid/index.ts";
import { runWeft, weftCommand } from "../../src/testkit/cli.ts";
import { eventually, type MeshHarness, startMesh } from "../../src/testkit/mesh-harness.ts";
import { ensureDebian, ensureEnvoy, ensureGoProgram } from "../../src/testkit/peers.ts";
import { type Captured, idle, obstacle, server, startCaptured } from "./rig.ts";

const why = obstacle();
const full = process.env["WEFT_CAPTURE_TESTS"] === "full";
if (why !== undefined) process.stderr.write(`transparent capture is not tested here: ${why}\n`);
const here = describe.skipIf(why !== undefined);
const long = describe.skipIf(why !== undefined || !full);

const dir = mkdtempSync(join(tmpdir(), "weft-captured-"));
let mesh: MeshHarness;
let web: Captured;
let caller: Captured;
const started: Captured[] = [];

async function start(options: Parameters<typeof startCaptured>[2], root = dir): Promise<Captured> {
  const made = await startCaptured(mesh, root, options);
  started.push(made);
  return made;
}

beforeAll(async () => {
  if (why !== undefined) return;
  mesh = await startMesh();
  [web, caller] = await Promise.all([
    start({ service: "web", port: 9080, command: server(9080, "hello from web") }),
    start({ service: "caller", port: 7000, command: idle(7000) }),
  ]);
}, 120_000);

afterAll(async () => {
  await Promise.all(started.map((s) => s.stop()));
  if (why === undefined) await mesh.stop();
  rmSync(dir, { recursive: true, force: true });
}, 120_000);

/** Until names and listeners have come. */
const get = (from: Captured, ...argv: string[]) =>
  eventually(async () => {
    const got = await from.exec("curl", "-fsS", "-m", "5", ...argv);
    return got.status === 0 ? got : undefined;
  }, 20_000);

here("two networks", () => {
  test("curl reaches a service by name, over mutual TLS, and both sides count it", async () => {
    expect((await get(caller, "http://web:9080/")).out).toBe("hello from web");
    const text = await eventually(async () => {
      const page = await web.metrics();
      return page.includes('reporter="destination"') ? page : undefined;
    });
    const line = text.split("\n").find((l) => l.startsWith("istio_requests_total")) ?? "";
    for (const part of [
      'source_principal="spiffe://cluster.local/ns/default/sa/caller"',
      'destination_principal="spiffe://cluster.local/ns/default/sa/web"',
      'connection_security_policy="mutual_tls"',
      'response_code="200"',
    ])
      expect(line).toContain(part);
    expect(await caller.metrics()).toMatch(/istio_requests_total\{reporter="source".*destination_app="web"/);
    expect(await caller.metrics()).toMatch(/istio_agent_dns_requests_total [1-9]/);
  }, 60_000);

  test("its configuration is shown on the host, as any instance's", async () => {
    const env = { ...process.env, WEFT_KUBECONFIG: mesh.dev.kubeconfigPath };
    const shown = await runWeft(["proxy-config", "listeners", "caller"], { cwd: dir, env });
    expect([shown.status, shown.talk]).toEqual([0, ""]);
    for (const port of [15001, 15006, 9080]) expect(shown.out).toContain(String(port));
  }, 60_000);

  test("the command's environment is the one that was given", async () => {
    const { out } = await caller.exec("cat", `/proc/${caller.pid}/environ`);
    expect(out).not.toMatch(/proxy=|WEFT_CAPTURE=|\0PORT=/i);
    const caps = (await caller.exec("grep", "CapBnd", `/proc/${caller.pid}/status`)).out;
    // CAP_NET_ADMIN is bit 12.
    expect(BigInt(`0x${caps.split(/\s+/)[1]}`) & (1n << 12n)).toBe(0n);
  }, 60_000);

  test("plaintext that went around the sidecar is refused; so is what the rules never saw", async () => {
    const direct = await caller.exec(
      "setpriv",
      "--regid",
      "1337",
      "--keep-groups",
      "curl",
      "-sS",
      "-m",
      "5",
      `http://${web.address}:9080/`,
    );
    expect(direct.status).not.toBe(0);
    expect(direct.out).not.toContain("hello");
  }, 60_000);
});

long("programs", () => {
  test("Python's urllib and a Go program with Go's own resolver", async () => {
    const script = "import urllib.request as u; print(u.urlopen('http://web.default:9080/').read().decode())";
    expect((await caller.exec("/usr/bin/python3", "-c", script)).out).toBe("hello from web");
    const client = ensureGoProgram(join(import.meta.dir, "client"), "capture-client");
    if (client === undefined) return;
    const got = await caller.exec(client, "web", "http://web.default.svc.cluster.local:9080/");
    expect(got.out).toMatch(/^address \d+\.\d+\.\d+\.\d+\n200 hello from web$/);
  }, 120_000);

  test("redis: a protocol that is no HTTP, by the service's address", async () => {
    const redis = ensureDebian("redis-server", "redis-server");
    if (redis === undefined) return;
    await mesh.apply(
      "apiVersion: v1\nkind: Service\nmetadata: {name: cache, namespace: default}\n" +
        "spec: {selector: {app: cache}, ports: [{name: tcp-redis, port: 6379}]}\n",
    );
    const command = [redis, "--port", "6379", "--bind", "127.0.0.1", "--save", "", "--dir", dir];
    const cache = await start({ service: "cache", port: 6379, command });
    const set = await eventually(async () => {
      const got = await caller.exec("redis-cli", "-h", "cache", "set", "a", "weft");
      return got.out === "OK" ? got : undefined;
    }, 20_000);
    expect(set.status).toBe(0);
    expect((await caller.exec("redis-cli", "-h", "cache", "get", "a")).out).toBe("weft");
    const tcp = await eventually(async () => {
      const page = await cache.metrics();
      return /istio_tcp_connections_opened_total\{.*source_principal="spiffe:\/\/cluster.local\/ns\/default\/sa\/caller"/.test(
        page,
      );
    });
    expect(tcp).toBe(true);
  }, 120_000);
});

long("names", () => {
  test("dig, over UDP and TCP, to whatever server: services, ports, addresses, and what is not there", async () => {
    if (ensureDebian("dig", "bind9-dnsutils") === undefined) return;
    const dig = async (...args: string[]) => (await caller.exec("dig", "+time=2", ...args)).out;
    const name = "web.default.svc.cluster.local";
    const address = await dig("+short", name);
    expect(address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
    expect(await dig("+short", "+tcp", "@192.0.2.53", "web.default")).toBe(address);
    expect(await dig("+short", "SRV", `_http._tcp.${name}`)).toBe(`0 100 9080 ${name}.`);
    expect(await dig("+short", "-x", address)).toBe(`${name}.`);
    expect(await dig("nobody.default.svc.cluster.local")).toContain("status: NXDOMAIN");
    const none = await dig("TXT", name);
    expect(none).toContain("status: NOERROR");
    expect(none).toContain("ANSWER: 0");
    expect((await caller.exec("getent", "ahostsv4", "web")).out).toContain(address);
    expect((await caller.exec("getent", "hosts", "nobody")).status).toBe(2);
  }, 120_000);

  test("a headless service: its endpoints, each by its own name", async () => {
    await mesh.apply(
      "apiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: default}\n" +
        "spec: {clusterIP: None, selector: {app: db}, ports: [{name: http, port: 8000}]}\n",
    );
    const db = await start({ service: "db", port: 8000, command: server(8000, "one of db") });
    const name = await eventually(async () => {
      const got = await caller.exec("dig", "+short", "SRV", "_http._tcp.db.default.svc.cluster.local");
      return /^0 100 8000 (\S+)\.$/.exec(got.out)?.[1];
    }, 20_000);
    expect((await caller.exec("dig", "+short", name)).out).toBe(db.address);
    expect((await get(caller, `http://${name}:8000/`)).out).toBe("one of db");
    expect((await get(caller, "http://db:8000/")).out).toBe("one of db");
  }, 120_000);
});

long("beyond the mesh, and beside it", () => {
  test("a ServiceEntry's host: by virtual address of both families, to where its endpoints are", async () => {
    const outside = Bun.serve({ hostname: "127.66.250.250", port: 0, fetch: () => new Response("outside") });
    await mesh.apply(
      "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: out, namespace: default}\n" +
        "spec:\n  hosts: [out.example]\n  location: MESH_EXTERNAL\n  resolution: STATIC\n" +
        `  ports: [{number: 8085, name: http, protocol: HTTP, targetPort: ${outside.port}}]\n` +
        "  endpoints: [{address: 127.66.250.250}]\n",
    );
    for (const [family, form] of [
      ["-4", /^outside 240\.240\./],
      ["-6", /^outside \[?fd77:240:/],
    ] as const) {
      const got = await get(caller, family, "-w", " %{remote_ip}", "http://out.example:8085/");
      expect(got.out).toMatch(form);
    }
    await outside.stop(true);
  }, 120_000);

  test("what is not the mesh's goes out through the gate, and what the gate cannot carry is refused at once", async () => {
    const outside = Bun.serve({
      hostname: "127.66.250.251",
      port: 0,
      fetch: () => new Response("by address"),
    });
    const url = `http://127.66.250.251:${outside.port}/`;
    const bypass = ["setpriv", "--regid", "1337", "--keep-groups"];
    expect((await caller.exec(...bypass, "curl", "-sS", "-m", "5", url)).out).toBe("by address");
    await outside.stop(true);
    const script =
      "import socket as s; u=s.socket(s.AF_INET,s.SOCK_DGRAM); u.sendto(b'x',('192.0.2.1',9)); print('sent')";
    const udp = await caller.exec("/usr/bin/python3", "-c", script);
    expect(udp.out).not.toContain("sent");
  }, 120_000);

  test("a stock Envoy takes the same listeners, in either role", async () => {
    const envoy = ensureEnvoy();
    if (envoy === undefined) return;
    const flags = ["--proxy", "envoy", "--envoy-path", envoy];
    const [served, asks] = await Promise.all([
      start({ service: "behind", port: 9090, command: server(9090, "behind Envoy"), flags }),
      start({ service: "asks", port: 7001, command: idle(7001), flags }),
    ]);
    for (const from of [caller, asks])
      expect((await get(from, "http://behind:9090/")).out).toBe("behind Envoy");
    expect((await get(asks, "http://web:9080/")).out).toBe("hello from web");
    expect(served.address).toStartWith("10.66.");
  }, 120_000);
});

long("policies and users", () => {
  test("PERMISSIVE takes plaintext and an Istio peer's TLS on one port; STRICT only the latter", async () => {
    const svid = loadSvid(join(caller.stateDir, "identity"));
    if (svid === undefined || "reason" in svid) throw new Error("the caller has no certificate");
    const [cert, key] = [join(dir, "peer.pem"), join(dir, "peer.key")];
    writeFileSync(cert, svid.certPem);
    writeFileSync(key, svid.keyPem);
    const bypass = ["setpriv", "--regid", "1337", "--keep-groups"];
    const plain = () => caller.exec(...bypass, "curl", "-sS", "-m", "5", `http://${web.address}:9080/`);
    const secure = () =>
      caller.exec(
        ...["sh", "-c"],
        `printf 'GET / HTTP/1.1\\r\\nHost: web\\r\\nConnection: close\\r\\n\\r\\n' | ${bypass.join(" ")} timeout 5 ` +
          `openssl s_client -quiet -verify_quiet -ign_eof -alpn istio-http/1.1,istio,http/1.1 ` +
          `-servername outbound_.9080_._.web.default.svc.cluster.local -cert ${cert} -cert_chain ${cert} -key ${key} ` +
          `-connect ${web.address}:9080`,
      );
    expect((await secure()).out).toContain("hello from web");
    expect((await plain()).out).not.toContain("hello");
    await mesh.apply(
      "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: default}\n" +
        "spec: {mtls: {mode: PERMISSIVE}}\n",
    );
    const open = await eventually(
      async () => ((await plain()).out === "hello from web" ? true : undefined),
      20_000,
    );
    expect(open).toBe(true);
    expect((await secure()).out).toContain("hello from web");
  }, 120_000);

  test.skipIf(process.geteuid?.() !== 0)(
    "without root: in a user namespace, by virtual address",
    async () => {
      const home = mkdtempSync(join(tmpdir(), "weft-unprivileged-"));
      chmodSync(home, 0o755);
      const root = join(home, "state");
      mkdirSync(root);
      copyFileSync(mesh.dev.kubeconfigPath, join(home, "kubeconfig"));
      for (const path of [root, join(home, "kubeconfig")]) chownSync(path, 65_534, 65_534);
      const as = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
      const flags = ["--kubeconfig", join(home, "kubeconfig")];
      const far = await start(
        { service: "far", port: 9080, command: server(9080, "hello from far"), as, flags },
        root,
      );
      const near = await start({ service: "near", port: 7000, command: idle(7000), as, flags }, root);
      expect((await get(near, "http://far:9080/")).out).toBe("hello from far");
      expect(await far.metrics()).toMatch(/reporter="destination".*sa\/near.*mutual_tls/);
      // Not even the one user that there is can undo the rules from within.
      expect((await near.exec("nft", "flush", "ruleset")).status).not.toBe(0);
      rmSync(home, { recursive: true, force: true });
    },
    120_000,
  );
});

long("a host", () => {
  test.skipIf(process.geteuid?.() !== 0).each(["nft", "iptables"])(
    "has rules of %s for as long as they are installed, and keeps others'",
    async (backend) => {
      if (ensureDebian(backend, backend === "nft" ? "nftables" : backend) === undefined) return;
      const home = mkdtempSync(join(tmpdir(), "weft-host-"));
      const script = ["bash", join(import.meta.dir, "host.sh"), home, ...weftCommand];
      const run = Bun.spawn(["unshare", "--net", ...script], {
        env: {
          ...process.env,
          HOME: home,
          XDG_STATE_HOME: join(home, "state"),
          NO_COLOR: "1",
          BACKEND: backend,
          WEFT_KUBECONFIG: "",
          KUBECONFIG: "",
        },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const [out, error] = await Promise.all([run.stdout.text(), run.stderr.text()]);
      const lines = `${out}\n${error}`;
      expect(lines).toMatch(
        backend === "nft" ? /tables: table inet foreign table inet weft_capture \n/ : /jumps: 2\n/,
      );
      expect(lines).toContain("chains: 0\n");
      expect(lines).toContain("is at 10.9.9.9:9080");
      expect(lines).toContain("by name: 200");
      expect(lines).toMatch(/counted: [1-9]/);
      expect(lines).toMatch(/left: .*table inet foreign /);
      expect(lines).not.toMatch(/left: .*weft/);
      rmSync(home, { recursive: true, force: true });
    },
    120_000,
  );
});

here("what does not go together", () => {
  const said = async (...args: string[]) => {
    const run = await runWeft(["run", "--service", "a", "--port", "1", ...args, "--", "true"], {
      cwd: dir,
      env: { ...process.env, WEFT_KUBECONFIG: mesh.dev.kubeconfigPath },
    });
    return [run.status, run.talk.split("\n")[0]];
  };

  test("is a mistake of the command line", async () => {
    expect(
      await Promise.all([
        said("--exclude-uids", "1"),
        said("--transparent", "--captured"),
        said("--transparent", "--proxy", "grpc"),
        said("--transparent", "--app-port", "5"),
        said("--transparent", "--exclude-outbound-ports", "http"),
        said("--transparent", "--address", "10.1.2.3"),
      ]),
    ).toEqual([
      [64, "error: what is captured can be chosen with --transparent only"],
      [64, "error: --transparent makes the rules, --captured says that they are there"],
      [64, "error: --proxy grpc has no proxy that connections could be led to"],
      [64, "error: --app-port is for applications behind proxy variables: a captured one has --port itself"],
      [64, 'error: --exclude-outbound-ports: "http" is no port: 1 to 65535'],
      [1, "error: --address 10.1.2.3 is not in 10.66.0.0/16"],
    ]);
  }, 60_000);
});

here("a sidecar that is killed", () => {
  test("leaves its application without any way out", async () => {
    const [, address] = /^(\S+)/.exec((await caller.exec("getent", "ahostsv4", "web")).out) ?? [];
    expect(address).toBeDefined();
    process.kill(caller.sidecar, "SIGKILL");
    for (const url of [
      "http://web:9080/",
      `http://${address}:9080/`,
      `http://${web.address}:9080/`,
      "http://192.0.2.1/",
    ]) {
      const got = await caller.exec("curl", "-sS", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", url);
      expect([url, got.status !== 0, got.out.includes("000")]).toEqual([url, true, true]);
    }
    process.kill(caller.pid, "SIGKILL");
  }, 60_000);
});
