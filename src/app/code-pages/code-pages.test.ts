import { expect, test } from "bun:test";
import { readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { createLogger } from "../../base/index.ts";
import { fakeClock } from "../../testkit/index.ts";
import { codeMappings, keepCodeSmall, releaseEveryMs } from "./index.ts";

const linux = process.platform === "linux";

interface Sample {
  readonly at?: string;
  readonly mode?: string;
  readonly name?: string;
  readonly anonymous?: number;
  readonly dirty?: number;
  readonly swap?: number;
}

/** One mapping as the kernel writes it, less the lines that nobody reads. */
function mapping({ at = "00200000-00300000", mode = "r-xp", name = "/bin/weft", ...kb }: Sample): string {
  return `${at} ${mode} 00000000 fe:00 5309212                    ${name}
Size:               1024 kB
Rss:                 640 kB
Private_Clean:       640 kB
Private_Dirty:       ${kb.dirty ?? 0} kB
Anonymous:           ${kb.anonymous ?? 0} kB
Swap:                ${kb.swap ?? 0} kB
THPeligible:           0
VmFlags: rd ex mr mw me
`;
}

test("only mappings that are the file's own bytes are given back", () => {
  const taken = { start: 0x200000, end: 0x300000, residentBytes: 640 * 1024 };
  const text = [
    mapping({}),
    mapping({ mode: "r--p", at: "00400000-00500000", dirty: 640 }),
    mapping({ mode: "rw-p" }),
    mapping({ mode: "r--s" }),
    mapping({ mode: "rwxp" }),
    mapping({ name: "/lib/libc.so.6" }),
    mapping({ name: "" }),
    mapping({ name: "[heap]" }),
    // Relocated at start, patched by a debugger, swapped: the file does not have these bytes.
    mapping({ anonymous: 4 }),
    mapping({ swap: 4 }),
  ].join("");
  expect(codeMappings(text, "/bin/weft")).toEqual([taken, { ...taken, start: 0x400000, end: 0x500000 }]);
});

test("a mapping of which the kernel does not tell enough is left alone", () => {
  expect(codeMappings(mapping({}).replace(/^Swap:.*\n/m, ""), "/bin/weft")).toEqual([]);
  expect(codeMappings("", "/bin/weft")).toEqual([]);
});

test.if(linux)("the kernel's own table is understood", () => {
  const found = codeMappings(readFileSync("/proc/self/smaps", "utf8"), readlinkSync("/proc/self/exe"));
  expect(found.length).toBeGreaterThan(0);
  for (const m of found) expect(m.end).toBeGreaterThan(m.start);
});

test.if(linux)("a process gives most of its code back and works on", async () => {
  const script = `
    import { readFileSync, readlinkSync } from "node:fs";
    import { codeMappings, releaseCodePages } from ${JSON.stringify(join(import.meta.dir, "index.ts"))};
    const resident = () => codeMappings(readFileSync("/proc/self/smaps", "utf8"), readlinkSync("/proc/self/exe"))
      .reduce((sum, m) => sum + m.residentBytes, 0);
    const before = resident();
    const released = releaseCodePages();
    const after = resident();
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: async (r) => Response.json((await r.json()) + 1) });
    const answer = await (await fetch(server.url, { method: "POST", body: "41" })).json();
    await server.stop(true);
    console.log(JSON.stringify({ before, released, after, answer, again: releaseCodePages() > 0 }));
  `;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  const said = JSON.parse(await new Response(child.stdout).text());
  expect(await child.exited).toBe(0);
  expect(said.answer).toBe(42);
  expect(said.again).toBe(true);
  expect(said.released).toBeGreaterThan(said.before / 2);
  expect(said.after).toBeLessThan(said.before * 0.7);
});

test("at once, then every five minutes, until cancelled", () => {
  const clock = fakeClock();
  let calls = 0;
  const timer = keepCodeSmall(clock, createLogger({ sink: () => {} }), () => ++calls);
  expect(calls).toBe(1);
  clock.advance(releaseEveryMs - 1);
  expect(calls).toBe(1);
  clock.advance(1);
  expect(calls).toBe(2);
  timer.cancel();
  clock.advance(2 * releaseEveryMs);
  expect(calls).toBe(2);
});
