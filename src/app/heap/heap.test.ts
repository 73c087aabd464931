import { expect, test } from "bun:test";
import { join } from "node:path";
import { again, heapBasisBytes, heapSettings } from "./index.ts";

const self = {
  execPath: "/bin/bun",
  argv: ["/bin/bun", "/weft/src/main.ts", "proxy", "-c", "f"],
  execArgv: ["--smol"],
  env: { HOME: "/root", GONE: undefined },
  compiled: false,
};
const env = { HOME: "/root", BUN_JSC_forceRAMSize: `${heapBasisBytes}`, ...heapSettings };

test("a sidecar is executed once more, with the same words", () => {
  expect(again(self)).toEqual({
    argv: ["/bin/bun", "--smol", "/weft/src/main.ts", "proxy", "-c", "f"],
    env,
  });
  const inside = {
    ...self,
    execPath: "/bin/weft",
    argv: ["bun", "/$bunfs/root/weft", "run", "--", "x"],
    compiled: true,
  };
  expect(again(inside)).toEqual({ argv: ["/bin/weft", "run", "--", "x"], env });
});

test("not twice, and not what is no sidecar", () => {
  expect(again({ ...self, env })).toBeUndefined();
  expect(again({ ...self, argv: [...self.argv.slice(0, 2), "dev"] })).toBeUndefined();
  expect(again({ ...self, argv: self.argv.slice(0, 2) })).toBeUndefined();
});

test("the process keeps its id, and its children do not inherit the setting", async () => {
  const script = `
    import { boundHeap } from ${JSON.stringify(join(import.meta.dir, "index.ts"))};
    const first = process.env.BUN_JSC_forceRAMSize === undefined;
    if (first) process.stdout.write(process.pid + " ");
    boundHeap(false);
    const left = Object.keys(process.env).filter((name) => name.startsWith("BUN_JSC_"));
    process.stdout.write(process.pid + " " + first + " " + left.length);
  `;
  const file = join(process.env["TMPDIR"] ?? "/tmp", `weft-heap-${process.pid}.ts`);
  await Bun.write(file, script);
  try {
    const { BUN_JSC_forceRAMSize: _, ...clean } = process.env;
    const child = Bun.spawn([process.execPath, file, "run"], { stdout: "pipe", env: clean });
    const [before, after, first, setting] = (await new Response(child.stdout).text()).split(" ");
    expect([after, first, setting]).toEqual([before, "false", "0"]);
    expect(before).toBe(`${child.pid}`);
  } finally {
    await Bun.file(file).delete();
  }
});
