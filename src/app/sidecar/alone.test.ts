/** What a sidecar does without API server and control plane, part by part. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, seededRng, systemClock } from "../../base/index.ts";
import { saveSvid } from "../../identity/svid/index.ts";
import { KubeError, type KubeObject, refs } from "../../kube/client/index.ts";
import { fakeClock } from "../../testkit/fake-clock.ts";
import { createFakeKube, type FakeKube, settle } from "../../testkit/fake-kube.ts";
import type { ClientStream, GrpcChannel, GrpcChannelOptions } from "../../wire/grpc/index.ts";
import { type LastGood, loadLastGood, recall, saveLastGood } from "./last-good.ts";
import { limits } from "./limits.ts";
import { endOrphan, noteCommand } from "./orphan.ts";
import { createPlaneLink, type Identity } from "./plane-link.ts";
import type { Registration } from "./register.ts";
import { Registrar } from "./registrar.ts";
import { within } from "./within.ts";

const log = createLogger({ sink: () => {} });
const dirs: string[] = [];
const temp = (): string => {
  const dir = mkdtempSync(join(tmpdir(), "weft-alone-"));
  dirs.push(dir);
  return dir;
};
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

const registration: Registration = {
  ...{
    namespace: "default",
    service: "reviews",
    version: "v1",
    serviceAccount: "reviews",
    workload: "reviews-v1-bcdfg",
  },
  ...{ address: "127.66.1.2", port: 9080, appPort: 40_000, lease: "weft-reviews-v1-bcdfg" },
};
const plane = { xds: "127.0.0.1:15012", rootPem: "root", trustDomain: "cluster.local" };
const lastGood: LastGood = { plane, registration };

describe("last good state", () => {
  const now = 1_000_000;
  /** A folder with all that is needed; the certificate ends at `notAfter`. */
  const whole = (notAfter = now + 1): string => {
    const dir = temp();
    saveLastGood(dir, lastGood);
    writeFileSync(join(dir, "last-good.bin"), "x");
    saveSvid(join(dir, "identity"), {
      ...{ id: "spiffe://x", certPem: "c", keyPem: "k", caPem: "r", issuedAt: 0 },
      notAfter,
    });
    return dir;
  };
  const { address: _address, lease: _lease, ...wanted } = registration;

  test("is read as it was written, 0600", () => {
    const dir = whole();
    expect(loadLastGood(dir)).toEqual(lastGood);
    expect(recall(dir, wanted, now)).toEqual(lastGood);
    expect(statSync(join(dir, "last-good.json")).mode & 0o777).toBe(0o600);
  });

  test("is not used where anything in it is cut, changed, missing, of another format or another workload", () => {
    const reason = (dir: string, want: Parameters<typeof recall>[1] = wanted): string => {
      const found = recall(dir, want, now);
      return "reason" in found ? found.reason : "used";
    };
    expect(reason(temp())).toBe("this instance never ran before");
    const file = (dir: string): string => join(dir, "last-good.json");
    const text = readFileSync(file(whole()), "utf8");
    const cases: readonly (readonly [string, string])[] = [
      [text.slice(0, 40), "unreadable"],
      [text.replace("127.66.1.2", "127.66.1.3"), "checksum mismatch"],
      [text.replace('"format":1', '"format":2'), "format 2 is not known here"],
    ];
    for (const [content, expected] of cases) {
      const dir = whole();
      writeFileSync(file(dir), content);
      expect(reason(dir)).toContain(expected);
    }
    expect(reason(whole(), { ...wanted, service: "ratings" })).toContain("it ran with service reviews");
    expect(reason(whole(), { ...wanted, appPort: 1 })).toContain("appPort 40000");
    expect(reason(whole(), { ...wanted, address: "127.66.1.2" })).toBe("used");
    expect(reason(whole(now))).toBe("the certificate has expired");
    const bare = whole();
    rmSync(join(bare, "last-good.bin"));
    expect(reason(bare)).toBe("no configuration was kept");
    rmSync(join(bare, "identity"), { recursive: true });
    mkdirSync(join(bare, "identity"));
    writeFileSync(join(bare, "last-good.bin"), "x");
    expect(reason(bare)).toBe("no certificate was kept");
  });
});

describe("the way to the control plane", () => {
  interface Opened extends GrpcChannelOptions {
    readonly stream: ClientStream<unknown>;
    closed: boolean;
  }
  function rig(o: { find?: () => unknown; token?: () => Promise<string>; identity?: Identity }) {
    const opened: Opened[] = [];
    const moves: string[] = [];
    const clock = fakeClock();
    const link = createPlaneLink({
      first: plane,
      find: async () => (o.find?.() ?? plane) as never,
      token: () => (o.token ?? (async () => "t"))(),
      identity: () => o.identity,
      onMoved: (now, before) => moves.push(`${before.xds} -> ${now.xds}`),
      clock,
      log,
      open: (options) => {
        const stream: ClientStream<unknown> = { onMessage() {}, onClose() {}, write() {}, cancel() {} };
        const channel: Opened = { ...options, stream, closed: false };
        opened.push(channel);
        const made: GrpcChannel = {
          unary: () => Promise.reject(new Error("unused")),
          bidi: async () => stream as never,
          close: () => {
            channel.closed = true;
          },
        };
        return made;
      },
    });
    const connect = () => link.bidi("/x", (bytes) => bytes);
    return { link, opened, moves, clock, connect };
  }

  test("asks the API server again only after something failed, and goes where it says", async () => {
    let now = plane;
    let asked = 0;
    const r = rig({
      find: () => {
        asked++;
        return now;
      },
    });
    await r.connect();
    expect([asked, r.opened[0]!.target]).toEqual([0, "127.0.0.1:15012"]);
    now = { ...plane, xds: "127.0.0.1:7" };
    r.opened[0]!.stream.onClose({ code: 14, message: "gone" });
    expect(r.opened[0]!.closed).toBe(true);
    await r.connect();
    expect([asked, r.opened[1]!.target, r.moves]).toEqual([
      1,
      "127.0.0.1:7",
      ["127.0.0.1:15012 -> 127.0.0.1:7"],
    ]);
    expect(r.link.address).toEqual(now);
  });

  test("an API server that is silent is not waited for long", async () => {
    const r = rig({ find: () => new Promise(() => {}) });
    await r.connect();
    r.opened[0]!.stream.onClose({ code: 14, message: "gone" });
    const again = r.connect();
    await settle();
    r.clock.advance(limits.askApiMs);
    await again;
    expect(r.opened[1]!.target).toBe(plane.xds);
  });

  test("where no token can be had the certificate speaks, while it lives", async () => {
    const token = () => Promise.reject(new Error("away"));
    const identity = { certPem: "c", keyPem: "k", notAfter: fakeClock().wall() + 1_000 };
    const r = rig({ token, identity });
    await r.connect();
    expect(r.opened[0]).toMatchObject({ identity: { certPem: "c", keyPem: "k" } });
    expect(r.opened[0]!.token).toBeUndefined();
    r.clock.advance(1_000);
    expect(await r.connect().catch((e: Error) => e.message)).toBe("away");
    expect(
      await rig({ token })
        .connect()
        .catch((e: Error) => e.message),
    ).toBe("away");
    const both = rig({ identity });
    await both.connect();
    expect([both.opened[0]!.identity, await both.opened[0]!.token?.()]).toEqual([undefined, "t"]);
  });
});

describe("registration", () => {
  const away = new KubeError({ status: 0, reason: "Unreachable", message: "away" });
  function rig() {
    const kube = createFakeKube();
    const clock = fakeClock();
    const down = { now: false };
    const calls = kube.client;
    const guarded = Object.fromEntries(
      (["get", "create", "patch", "delete"] as const).map((verb) => [
        verb,
        (...args: never[]) =>
          down.now ? Promise.reject(away) : (calls[verb] as (...a: never[]) => Promise<unknown>)(...args),
      ]),
    ) as unknown as Pick<FakeKube["client"], "get" | "create" | "patch" | "delete">;
    const registrar = new Registrar({ client: guarded, registration, clock, rng: seededRng(1), log });
    const entry = (): KubeObject | undefined =>
      kube.get(refs.workloadEntry, "default", registration.workload);
    const ready = (): unknown => entry()?.metadata.annotations?.["weft.dev/ready"];
    const pass = async (ms: number): Promise<void> => {
      for (let t = 0; t < ms; t += 500) {
        clock.advance(500);
        await settle(4);
      }
    };
    return { kube, clock, down, registrar, entry, ready, pass };
  }

  test("is made up for when the API server is back, with what holds then", async () => {
    const r = rig();
    r.down.now = true;
    r.registrar.start();
    let told = false;
    void r.registrar.setReady(true).then(() => {
      told = true;
    });
    await r.pass(20_000);
    expect([r.registrar.registered, r.entry(), told]).toEqual([false, undefined, false]);
    r.down.now = false;
    await r.pass(limits.registerMaxMs + 500);
    expect([r.registrar.registered, r.ready(), told]).toEqual([true, "true", true]);
    expect(r.kube.get(refs.service, "default", "reviews")).toBeDefined();
    await r.registrar.stop();
    expect(r.clock.pending).toBe(0);
  });

  test("readiness that changed while nobody answered is told in its last state", async () => {
    const r = rig();
    await r.registrar.register();
    r.registrar.start();
    await r.registrar.setReady(true);
    r.down.now = true;
    void r.registrar.setReady(false);
    await r.pass(3_000);
    void r.registrar.setReady(true);
    void r.registrar.setReady(false);
    await r.pass(3_000);
    expect(r.ready()).toBe("true");
    r.down.now = false;
    await r.pass(limits.registerMaxMs + 500);
    expect(r.ready()).toBe("false");
    await r.registrar.stop();
  });

  test("an entry that somebody removed or bent is there again: at once when told, else within half a minute", async () => {
    const r = rig();
    await r.registrar.register();
    r.registrar.start();
    await r.registrar.setReady(true);
    r.kube.remove(refs.workloadEntry, "default", registration.workload);
    r.registrar.lost();
    await settle(20);
    expect(r.ready()).toBe("true");
    r.kube.remove(refs.workloadEntry, "default", registration.workload);
    await r.pass(limits.registerResyncMs + 500);
    expect(r.ready()).toBe("true");
    const bent = r.entry()!;
    r.kube.put(refs.workloadEntry, { ...bent, spec: { address: "127.66.9.9" } });
    await r.pass(limits.registerResyncMs + 500);
    expect((r.entry()!.spec as { address: string }).address).toBe("127.66.1.2");
    await r.registrar.leave();
    expect(r.entry()).toBeUndefined();
  });

  test("an API server that hangs does not hold up a sidecar that goes", async () => {
    const clock = fakeClock();
    const hangs = () => new Promise<never>(() => {});
    const client = { get: hangs, create: hangs, patch: hangs, delete: hangs } as never;
    const registrar = new Registrar({ client, registration, clock, rng: seededRng(1), log });
    registrar.start();
    const stopped = registrar.stop();
    clock.advance(limits.askApiMs);
    await stopped;
    const left = registrar.leave();
    await settle();
    clock.advance(limits.askApiMs);
    await settle();
    clock.advance(limits.registerAskMs);
    await left;
  });

  test("leaving while nobody answers ends, and says so only", async () => {
    const r = rig();
    await r.registrar.register();
    r.registrar.start();
    r.down.now = true;
    await r.registrar.leave();
    expect(r.entry()).toBeDefined();
    expect(r.clock.pending).toBe(0);
  });
});

test("a command that outlived its sidecar is ended, anybody else's process is not", async () => {
  const dir = temp();
  const stubborn = "trap '' TERM; echo up; while :; do sleep 0.05; done";
  const child = Bun.spawn(["sh", "-c", stubborn], { detached: true, stdout: "pipe" });
  await child.stdout.getReader().read();
  noteCommand(dir, child.pid);
  const note = readFileSync(join(dir, "command.json"), "utf8");
  // The same id with another start is another process.
  writeFileSync(join(dir, "command.json"), note.replace(/"started":"/, '"started":"1'));
  await endOrphan(dir, systemClock, log);
  expect(child.exitCode ?? child.signalCode).toBeNull();
  writeFileSync(join(dir, "command.json"), note);
  await endOrphan(dir, systemClock, log);
  expect([await child.exited, child.signalCode]).toEqual([137, "SIGKILL"]);
  await endOrphan(dir, systemClock, log);
});

test("within(): the answer, the error, or the end of patience", async () => {
  const clock = fakeClock();
  expect(await within(clock, 10, async () => 1)).toBe(1);
  expect(
    await within(clock, 10, async () => Promise.reject(new Error("no"))).catch((e: Error) => e.message),
  ).toBe("no");
  let aborted = false;
  const late = within(clock, 2_000, (signal) => {
    signal.addEventListener("abort", () => {
      aborted = true;
    });
    return new Promise(() => {});
  });
  clock.advance(2_000);
  expect(await late.catch((e: Error) => e.message)).toBe("no answer within 2 s");
  expect([aborted, clock.pending]).toEqual([true, 0]);
});
