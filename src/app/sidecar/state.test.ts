import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRng } from "../../base/index.ts";
import { fakeClock } from "../../testkit/fake-clock.ts";
import { settle } from "../../testkit/fake-kube.ts";
import { allotPort } from "./app-port.ts";
import { limits } from "./limits.ts";
import { allotAddress, type Hold, machineHold, openFreeState, openState } from "./state.ts";

const dirs: string[] = [];
const temp = (): string => {
  const dir = mkdtempSync(join(tmpdir(), "weft-state-"));
  dirs.push(dir);
  return dir;
};
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** Holds of one pretended machine. */
function holds(): Hold & { readonly names: Set<string> } {
  const names = new Set<string>();
  const hold: Hold = (name) => {
    if (names.has(name)) return undefined;
    names.add(name);
    return { release: () => names.delete(name) };
  };
  return Object.assign(hold, { names });
}

describe("state folder", () => {
  test("is 0700, its file 0600, and keeps suffix and address over restarts", () => {
    const dir = join(temp(), "s");
    const hold = holds();
    const first = openState(dir, seededRng(1), hold);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, "instance.json")).mode & 0o777).toBe(0o600);
    first.saveAddress("127.66.1.2");
    first.release();
    const again = openState(dir, seededRng(2), hold);
    expect(again.identity).toEqual({ format: 1, suffix: first.identity.suffix, address: "127.66.1.2" });
  });

  test("a second user is refused by name, a next instance takes the next folder", () => {
    const root = temp();
    const hold = holds();
    const a = openFreeState(root, seededRng(1), hold);
    const b = openFreeState(root, seededRng(2), hold);
    expect([a.dir, b.dir]).toEqual([join(root, "0"), join(root, "1")]);
    expect(() => openState(a.dir, seededRng(3), hold)).toThrow("is used by another weft run");
    a.release();
    expect(openFreeState(root, seededRng(4), hold).identity.suffix).toBe(a.identity.suffix);
  });

  test("a file that was tampered with or cut is replaced", () => {
    const dir = temp();
    for (const text of ["", "{", '{"format":2,"suffix":"bcdfg"}', '{"format":1,"suffix":"../.."}']) {
      writeFileSync(join(dir, "instance.json"), text);
      const state = openState(dir, seededRng(1), holds());
      expect(state.identity.suffix).toMatch(/^[a-z0-9]{5}$/);
      expect(JSON.parse(readFileSync(join(dir, "instance.json"), "utf8"))).toEqual(state.identity);
    }
  });

  test("a hold on a long path is as good as one on a short path", () => {
    const name = `test/${temp()}/${"deep/".repeat(40)}`;
    const first = machineHold(`${name}a`);
    expect(first).toBeDefined();
    expect(machineHold(`${name}a`)).toBeUndefined();
    const other = machineHold(`${name}b`);
    expect(other).toBeDefined();
    first!.release();
    other!.release();
    // At the limit and one beyond.
    for (const length of [limits.holdNameBytes, limits.holdNameBytes + 1]) {
      const held = machineHold(`test/${process.pid}/`.padEnd(length, "x"));
      expect(held).toBeDefined();
      held!.release();
    }
  });

  test("the machine's holds are exclusive and end with their release", () => {
    const name = `test/${temp()}`;
    const first = machineHold(name);
    expect(first).toBeDefined();
    expect(machineHold(name)).toBeUndefined();
    first!.release();
    const second = machineHold(name);
    expect(second).toBeDefined();
    second!.release();
  });
});

describe("addresses", () => {
  const none = new Set<string>();
  const state = (address?: string) => {
    const saved: string[] = [];
    return {
      saved,
      identity: { format: 1 as const, suffix: "bcdfg", ...(address ? { address } : {}) },
      saveAddress: (a: string) => void saved.push(a),
    };
  };

  test("one of 127.66.0.0/16 that nobody holds and no WorkloadEntry has", () => {
    const hold = holds();
    const s = state();
    const seen = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const { address } = allotAddress({ wanted: undefined, taken: none, state: s, rng: seededRng(7), hold });
      expect(address).toMatch(/^127\.66\.\d{1,3}\.\d{1,3}$/);
      expect(seen.has(address)).toBe(false);
      seen.add(address);
    }
    expect(s.saved).toHaveLength(50);
  });

  test("the last one is taken again unless somebody has it", () => {
    const options = { wanted: undefined, state: state("127.66.9.9"), rng: seededRng(1) };
    expect(allotAddress({ ...options, taken: none, hold: holds() }).address).toBe("127.66.9.9");
    const taken = new Set(["127.66.9.9"]);
    expect(allotAddress({ ...options, taken, hold: holds() }).address).not.toBe("127.66.9.9");
  });

  test("a wanted address that is held is refused; tries end at the limit", () => {
    const options = { taken: none, state: state(), rng: seededRng(1) };
    const hold = holds();
    allotAddress({ ...options, wanted: "127.0.0.9", hold });
    expect(() => allotAddress({ ...options, wanted: "127.0.0.9", hold })).toThrow("is used by another");
    let asked = 0;
    const never: Hold = () => {
      asked++;
      return undefined;
    };
    expect(() => allotAddress({ ...options, wanted: undefined, hold: never })).toThrow("no free address");
    expect(asked).toBe(limits.addressAttempts);
  });
});

describe("ports of applications", () => {
  /** Runs until it is decided, a poll at a time. */
  async function allotted(options: Omit<Parameters<typeof allotPort>[0], "clock">) {
    const clock = fakeClock();
    let open = true;
    const result = allotPort({ ...options, clock }).finally(() => {
      open = false;
    });
    result.catch(() => {});
    while (open) {
      clock.advance(limits.orphanPollMs);
      await settle(1);
    }
    return result;
  }

  test("are below the source ports of connections, nobody's, and the last one again", async () => {
    const hold = holds();
    const options = { rng: seededRng(3), hold };
    const first = await allotted({ ...options, last: undefined });
    expect(first.port).toBeWithin(limits.appPortFrom, limits.appPortTo);
    expect((await allotted({ ...options, last: first.port })).port).not.toBe(first.port);
    first.release();
    expect((await allotted({ ...options, last: first.port })).port).toBe(first.port);
    const range = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
    expect(limits.appPortTo).toBeLessThanOrEqual(Number(range.split(/\s+/)[0]));
  });

  test("the last one is waited for while its former listener goes", async () => {
    let asked = 0;
    const free = (port: number): boolean => port !== 4_000 || ++asked > 20;
    const options = { last: 4_000, rng: seededRng(1), hold: holds(), free };
    expect((await allotted(options)).port).toBe(4_000);
    expect(asked).toBe(21);
  });

  test("one that somebody goes on listening on is left alone, and tries end", async () => {
    const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { port } = await allotted({ last: server.port, rng: seededRng(1), hold: holds() });
    expect(port).not.toBe(server.port);
    server.stop(true);
    let asked = 0;
    const never = (): boolean => {
      asked++;
      return false;
    };
    const nowhere = { last: undefined, rng: seededRng(1), hold: holds(), free: never };
    expect(await allotted(nowhere).catch((e: Error) => e.message)).toContain("no free port");
    expect(asked).toBe(limits.appPortAttempts);
    expect(nowhere.hold.names.size).toBe(0);
  });
});
