import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock } from "../../testkit/index.ts";
import { addressesFor } from "./addresses.ts";
import { holdGate, namesThrough, openGate, relayThrough } from "./gate.ts";
import { resolvConfText, rulesInside } from "./inside.ts";
import { findBackend, foreignRedirects, install, type Run, uninstall } from "./install.ts";
import { iptablesInstall } from "./iptables.ts";
import { limits } from "./limits.ts";
import { howToIsolate } from "./network.ts";
import { nftInstall } from "./nft.ts";
import { annotationName, annotationsFrom, maxListed, type RuleFlags, rulesFrom } from "./parse.ts";
import { type CaptureRules, defaultRules } from "./rules.ts";

const chainOf = (text: string, name: string): string[] =>
  (new RegExp(`\\tchain ${name} \\{\\n([^}]*(?:\\{[^}\\n]*\\}[^}]*)*)\\t\\}`).exec(text)?.[1] ?? "")
    .split("\n")
    .map((l) => l.trim())
    .filter((l) => l !== "");

describe("rules for nft", () => {
  test("replace their own table and lead everything to the proxy but what is the proxy's or local", () => {
    const text = nftInstall(defaultRules);
    expect(text).toStartWith(
      "table inet weft_capture\ndelete table inet weft_capture\ntable inet weft_capture {\n",
    );
    const own = "{ 15008, 15020, 15021, 15090 }";
    expect(chainOf(text, "output")).toEqual([
      "type nat hook output priority -100; policy accept;",
      'oifname "lo" ip saddr 127.0.0.6 return',
      'oifname "lo" ip6 saddr ::6 return',
      ...["skuid", "skgid"].flatMap((who) => [
        `meta ${who} 1337 oifname "lo" ip daddr != 127.0.0.0/8 tcp dport != ${own} redirect to :15006`,
        `meta ${who} 1337 oifname "lo" ip6 daddr != ::1 tcp dport != ${own} redirect to :15006`,
        `meta ${who} 1337 goto excluded`,
      ]),
      "meta l4proto { tcp, udp } th dport 53 redirect to :15053",
      'oifname "lo" ip daddr 127.0.0.0/8 return',
      'oifname "lo" ip6 daddr ::1 return',
      "meta l4proto tcp redirect to :15001",
    ]);
    expect(chainOf(text, "prerouting")).toEqual([
      "type nat hook prerouting priority -100; policy accept;",
      'iifname "lo" return',
      "tcp dport { 15006, 15008, 15020, 15021, 15090 } return",
      "meta l4proto tcp redirect to :15006",
    ]);
    expect(chainOf(text, "excluded")).toEqual(["return"]);
  });

  test("leave out what is to be left out, in the order that makes exceptions win", () => {
    const rules = rulesFrom({
      ...{ includeOutboundIpRanges: "10.0.0.0/8,fd00::/8", excludeOutboundIpRanges: "10.1.0.0/16" },
      ...{ includeOutboundPorts: "443", excludeOutboundPorts: "22, 25", includeInboundPorts: "80,81" },
      ...{
        excludeInboundPorts: "81",
        excludeUids: "7",
        includeUids: "1000,1001",
        excludeInterfaces: "docker0",
      },
    });
    const text = nftInstall(rules);
    const output = chainOf(text, "output");
    const from = output.indexOf("meta skuid { 7 } goto excluded");
    expect(output.slice(from)).toEqual([
      "meta skuid { 7 } goto excluded",
      "meta skuid != { 1000, 1001 } goto excluded",
      'oifname "docker0" return',
      "meta l4proto { tcp, udp } th dport 53 redirect to :15053",
      'oifname "lo" ip daddr 127.0.0.0/8 return',
      'oifname "lo" ip6 daddr ::1 return',
      "tcp dport { 22, 25 } goto excluded",
      "ip daddr { 10.1.0.0/16 } goto excluded",
      "tcp dport { 443 } redirect to :15001",
      "ip daddr { 10.0.0.0/8 } meta l4proto tcp redirect to :15001",
      "ip6 daddr { fd00::/8 } meta l4proto tcp redirect to :15001",
      "goto excluded",
    ]);
    expect(chainOf(text, "prerouting").slice(-2)).toEqual([
      "tcp dport { 15006, 15008, 15020, 15021, 15090, 81 } return",
      "tcp dport { 80, 81 } redirect to :15006",
    ]);
  });

  test("of a namespace of its own lead the rest to the gate, and refuse what the gate cannot carry", () => {
    const rules = { unprivileged: false, rules: defaultRules, ipv6: true };
    const text = nftInstall(rulesInside(rules));
    expect(text).not.toContain("skuid");
    expect(chainOf(text, "excluded")).toEqual([
      "ip daddr 127.66.0.0/16 meta l4proto tcp redirect to :15009",
      "ip daddr { 127.0.0.0/8, 10.66.0.0/16 } return",
      "ip6 daddr { ::1/128, fd66::/64 } return",
      "meta l4proto tcp redirect to :15009",
    ]);
    expect(chainOf(text, "refusals").at(-1)).toBe("meta l4proto udp reject with icmpx admin-prohibited");
    const alone = nftInstall(rulesInside({ ...rules, unprivileged: true }));
    expect(alone).not.toContain("skgid");
    expect(alone).toContain("ip daddr { 240.240.0.0/16, 10.96.0.0/12,");
  });

  test("without IPv6, DNS or incoming connections say nothing of them", () => {
    const text = nftInstall({ ...defaultRules, ipv6: false, dnsPort: 0, inboundPort: 0 });
    expect(text).not.toMatch(/ip6|15053|15006|prerouting/);
    expect(chainOf(text, "output")[1]).toBe("meta nfproto ipv6 return");
  });
});

describe("rules for iptables", () => {
  test("say the same, a family at a time", () => {
    const rules: CaptureRules = {
      ...defaultRules,
      ...{ excludeCidrs: ["10.1.0.0/16", "fd00::/8"], includeUids: [1000, 1001] },
      excludeOutboundPorts: Array.from({ length: 16 }, (_, i) => i + 1),
    };
    const v4 = iptablesInstall(rules, "v4");
    expect(
      v4
        .split("\n")
        .filter((l) => l.startsWith("-A WEFT_OUTPUT"))
        .slice(-3),
    ).toEqual([
      "-A WEFT_OUTPUT -m owner --uid-owner 1000 -g WEFT_CAPTURED",
      "-A WEFT_OUTPUT -m owner --uid-owner 1001 -g WEFT_CAPTURED",
      "-A WEFT_OUTPUT -g WEFT_EXCLUDED",
    ]);
    expect(v4.split("\n").filter((l) => l.startsWith("-A WEFT_CAPTURED"))).toEqual([
      "-A WEFT_CAPTURED -p udp --dport 53 -j REDIRECT --to-ports 15053",
      "-A WEFT_CAPTURED -p tcp --dport 53 -j REDIRECT --to-ports 15053",
      "-A WEFT_CAPTURED -o lo -d 127.0.0.0/8 -j RETURN",
      "-A WEFT_CAPTURED -p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15 -g WEFT_EXCLUDED",
      "-A WEFT_CAPTURED -p tcp -m multiport --dports 16 -g WEFT_EXCLUDED",
      "-A WEFT_CAPTURED -d 10.1.0.0/16 -g WEFT_EXCLUDED",
      "-A WEFT_CAPTURED -p tcp -j REDIRECT --to-ports 15001",
    ]);
    expect(iptablesInstall(rules, "v6")).toContain("-A WEFT_CAPTURED -d fd00::/8 -g WEFT_EXCLUDED");
    expect(v4).not.toContain("fd00");
  });

  test("are put in once, however often, and taken away whole", () => {
    const jumps = new Set<string>();
    const story: string[] = [];
    const run: Run = (argv) => {
      const text = argv.join(" ");
      const jump = argv.slice(5).join(" ");
      const op = argv[4];
      const ok = { status: 0, out: "", error: "" };
      if (op === "-C") return { ...ok, status: jumps.has(`${argv[0]} ${jump}`) ? 0 : 1 };
      if (op === "-D") return { ...ok, status: jumps.delete(`${argv[0]} ${jump}`) ? 0 : 1 };
      if (op === "-A") jumps.add(`${argv[0]} ${jump}`);
      story.push(text);
      return ok;
    };
    install(defaultRules, "iptables", run);
    const first = story.length;
    expect(jumps.size).toBe(4);
    install(defaultRules, "iptables", run);
    expect(story.length - first).toBe(2);
    uninstall("iptables", run);
    expect(jumps.size).toBe(0);
    expect(story.at(-1)).toBe("ip6tables -w -t nat -X WEFT_EXCLUDED");
  });
});

describe("what stands in the way", () => {
  const ran =
    (out: string): Run =>
    () => ({ status: 0, out, error: "" });

  test("others' redirects are found, and told from our own", () => {
    const ruleset =
      "table inet weft_capture {\n\tchain output {\n\t\tredirect to :15001\n\t}\n}\n" +
      "table ip nat {\n\tchain WEFT_OUTPUT {\n\t\tredirect to :15001\n\t}\n\tchain ISTIO_OUTPUT {\n\t\tredirect to :15001\n\t}\n}\n" +
      "table ip calm {\n\tchain x {\n\t\taccept\n\t}\n}\n";
    expect(foreignRedirects("nft", ran(ruleset))).toEqual(["ip nat"]);
    const saved =
      "-A OUTPUT -j WEFT_OUTPUT\n-A WEFT_CAPTURED -p tcp -j REDIRECT\n-A ISTIO_OUTPUT -p tcp -j REDIRECT\n";
    expect(foreignRedirects("iptables", ran(saved))).toEqual(["ISTIO_OUTPUT"]);
  });

  test("a missing program is named with its package", () => {
    expect(findBackend(undefined, (n) => n === "nft")).toBe("nft");
    expect(findBackend(undefined, (n) => n === "iptables")).toBe("iptables");
    expect(() => findBackend(undefined, () => false)).toThrow("nft or iptables is needed");
    const fine = ran("");
    expect(() => howToIsolate("linux", 0, fine, (n) => n !== "ip")).toThrow("--transparent needs ip");
    expect(() => howToIsolate("darwin", 0, fine, () => true)).toThrow("for Linux");
    expect(howToIsolate("linux", 0, fine, () => true)).toBe("root");
    expect(howToIsolate("linux", 1000, fine, () => true)).toBe("user-namespace");
    const refused: Run = () => ({ status: 1, out: "", error: "unshare failed: Operation not permitted" });
    const problem = (uid: number) => {
      try {
        howToIsolate("linux", uid, refused, () => true);
      } catch (error) {
        return error as { why?: string; mend?: string };
      }
      return {};
    };
    expect(problem(1000)).toMatchObject({ why: "unshare failed: Operation not permitted" });
    expect(problem(1000).mend).toContain("without --transparent");
    expect(problem(0).mend).toContain("CAP_NET_ADMIN");
  });

  test("rules that cannot be put in say which program failed, and what is needed", () => {
    const denied: Run = () => ({ status: 1, out: "", error: "Operation not permitted (you must be root)" });
    expect(() => install(defaultRules, "nft", denied)).toThrow("the rules could not be put into effect");
    expect(() => uninstall("nft", denied)).toThrow();
  });
});

describe("what users write", () => {
  test("Istio's annotations mean what the flags mean, and flags go before them", () => {
    const flags = annotationsFrom(
      'app="web"\ntraffic.sidecar.istio.io/excludeOutboundPorts="3306,5432"\n' +
        'traffic.sidecar.istio.io/includeOutboundIPRanges="*"\ntraffic.sidecar.istio.io/excludeInboundPorts=""\n' +
        'traffic.sidecar.istio.io/excludeInterfaces="net1"\nother="\\u0041\\n"\n',
    );
    const rules = rulesFrom(flags, defaultRules, annotationName);
    expect(rules).toMatchObject({
      ...{ excludeOutboundPorts: [3306, 5432], includeCidrs: "*", excludeInboundPorts: [] },
      excludeInterfaces: ["net1"],
    });
    expect(rulesFrom({ excludeOutboundPorts: "1" }, rules).excludeOutboundPorts).toEqual([3306, 5432, 1]);
    expect(rulesFrom({ includeOutboundIpRanges: "10.0.0.0/8" }, rules).includeCidrs).toEqual(["10.0.0.0/8"]);
  });

  test("mistakes are named by flag or annotation", () => {
    const said = (flags: RuleFlags, name = (k: keyof RuleFlags): string => annotationName(k)): string => {
      try {
        rulesFrom(flags, defaultRules, name);
        return "";
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(said({ excludeOutboundPorts: "80,http" })).toBe(
      'traffic.sidecar.istio.io/excludeOutboundPorts: "http" is no port: 1 to 65535',
    );
    expect(said({ excludeOutboundPorts: "65536" })).not.toBe("");
    expect(said({ excludeOutboundPorts: "65535" })).toBe("");
    expect(said({ excludeOutboundIpRanges: "10.0.0.1/8" })).toContain("no address range");
    expect(said({ excludeUids: "root" })).toBe('--exclude-uids: "root" is no user id');
    expect(said({ excludeInterfaces: 'a"b' })).toContain("no name of a network interface");
    const many = (n: number): string => Array.from({ length: n }, (_, i) => i + 1).join(",");
    expect(said({ excludeOutboundPorts: many(maxListed) })).toBe("");
    expect(said({ excludeOutboundPorts: many(maxListed + 1) })).toContain("more than 1000");
    expect(rulesFrom({ excludeOutboundIpRanges: "10.1.2.3,::1" }).excludeCidrs).toEqual([
      "10.1.2.3/32",
      "::1/128",
    ]);
  });
});

test("addresses on the host and on the shared network belong together", () => {
  const both = { host: "127.66.1.2", v4: "10.66.1.2", v6: "fd66::1:102" };
  expect(addressesFor("127.66.1.2")).toEqual(both);
  expect(addressesFor("10.66.1.2")).toEqual(both);
  for (const other of ["10.67.1.2", "10.66.1.256", "10.66.1", "x"])
    expect(addressesFor(other)).toBeUndefined();
});

test("the application's resolv.conf searches the namespace first, then what the host does", () => {
  const host = { servers: ["10.0.0.2"], search: ["corp.example", "cluster.local"], options: ["edns0"] };
  expect(resolvConfText(host, "shop")).toBe(
    "nameserver 127.0.0.1\nsearch shop.svc.cluster.local svc.cluster.local cluster.local corp.example\noptions edns0\n",
  );
});

describe("the gate", () => {
  const dir = mkdtempSync(join(tmpdir(), "weft-gate-"));
  const opened: { stop(): void }[] = [];
  const log = { warn() {} } as never;
  afterEach(() => {
    for (const part of opened.splice(0).reverse()) part.stop();
  });
  const path = (): string => join(dir, `${opened.length}.sock`);
  const later = async (done: () => boolean): Promise<void> => {
    for (let i = 0; !done() && i < 20_000; i++) await new Promise<void>((r) => setImmediate(r));
  };

  test("carries bytes both ways, an end of either, and waits for who reads slowly", async () => {
    const size = 3 * 1024 * 1024;
    let heard = 0;
    const options: Bun.TCPSocketListenOptions<undefined> = {
      hostname: "127.0.0.1",
      port: 0,
      allowHalfOpen: true,
      socket: {
        data: (_, b) => {
          heard += b.length;
        },
        // All was heard: the answer, then the end.
        end: (s) => {
          s.write("heard all");
          s.shutdown();
        },
      },
    };
    const echo = Bun.listen(options);
    opened.push({ stop: () => echo.stop(true) });
    const gate = path();
    opened.push(openGate({ path: gate, log }));
    const relay = relayThrough(
      gate,
      { host: "127.0.0.1", port: 0 },
      { address: "127.0.0.1", port: echo.port },
    );
    opened.push(relay);
    let answer = "";
    const closed = Promise.withResolvers<void>();
    const bytes = new Uint8Array(size).fill(7);
    let sent = 0;
    const push = (s: Bun.Socket<unknown>): void => {
      sent += Math.max(0, s.write(bytes.subarray(sent)));
      if (sent === size) s.shutdown();
    };
    await Bun.connect({
      hostname: "127.0.0.1",
      port: relay.port,
      socket: {
        open: push,
        drain: (s) => {
          if (sent < size) push(s);
        },
        data: (_, b) => {
          answer += b.toString();
        },
        close: () => closed.resolve(),
      },
    });
    await later(() => answer !== "");
    expect([heard, answer]).toEqual([size, "heard all"]);
  });

  test("cuts off who asks for nonsense, and whom nobody answers", async () => {
    const gate = path();
    opened.push(openGate({ path: gate, log }));
    for (const head of [
      "udp 1.2.3.4 5\n",
      "tcp host 80\n",
      "dns\n",
      "tcp 127.0.0.1 1\n",
      "x".repeat(limits.headBytes + 1),
    ]) {
      let over = false;
      const end = (): void => {
        over = true;
      };
      const done = { close: end, error: end, data() {} };
      const socket = await Bun.connect({ unix: gate, socket: done });
      socket.write(head);
      await later(() => over);
      expect([head.slice(0, 10), over]).toEqual([head.slice(0, 10), true]);
    }
  });

  test("asks its own name servers, and tells when it is gone", async () => {
    const gate = path();
    const server = openGate({ path: gate, log, names: { exchange: async (q) => Buffer.from(q).reverse() } });
    const names = namesThrough(gate, fakeClock());
    expect([...(await names.exchange(Uint8Array.of(1, 2, 3)))]).toEqual([3, 2, 1]);
    let gone = false;
    await holdGate(gate, () => {
      gone = true;
    });
    server.stop();
    await later(() => gone);
    expect(gone).toBe(true);
    rmSync(dir, { recursive: true, force: true });
  });
});
