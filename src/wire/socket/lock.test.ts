import { expect, test } from "bun:test";
import { once } from "node:events";
import { createConnection, createServer } from "node:net";
import { systemClock } from "../../base/index.ts";
import { fakeClock } from "../../testkit/index.ts";
import {
  AddressInUseError,
  holderTimeoutMs,
  lockAddress,
  maxHolderBytes,
  probeAddress,
  whoListens,
} from "./index.ts";

const port = (): number => {
  const l = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const free = l.port;
  l.stop(true);
  return free;
};

test("the second lock of an address is refused and names the first; release frees it", async () => {
  const at = { host: "127.66.1.1", port: port(), clock: systemClock };
  const lock = await lockAddress({ ...at, owner: "weft run reviews" });
  const second = await lockAddress({ ...at, owner: "weft run ratings" }).catch((e: unknown) => e);
  expect(second).toBeInstanceOf(AddressInUseError);
  expect((second as Error).message).toBe(
    `127.66.1.1:${at.port} is held by weft run reviews (pid ${process.pid})`,
  );
  const other = await lockAddress({ ...at, host: "127.66.1.2", owner: "x" });
  other.release();
  lock.release();
  lock.release();
  const again = await lockAddress({ ...at, owner: "weft run ratings" });
  again.release();
});

test("a lock dies with its process, however that ends", async () => {
  const at = { host: "127.66.1.3", port: port() };
  const code = `import { lockAddress } from ${JSON.stringify(`${import.meta.dir}/index.ts`)};
    import { systemClock } from ${JSON.stringify(`${import.meta.dir}/../../base/index.ts`)};
    await lockAddress({ host: "${at.host}", port: ${at.port}, owner: "child", clock: systemClock });
    process.stdout.write("locked"); process.stdin.resume();`;
  const child = Bun.spawn([process.execPath, "-e", code], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  await child.stdout.getReader().read();
  const refused = await lockAddress({ ...at, owner: "me", clock: systemClock }).catch((e: unknown) => e);
  expect((refused as Error).message).toContain(`held by child (pid ${child.pid})`);
  child.kill("SIGKILL");
  await child.exited;
  (await lockAddress({ ...at, owner: "me", clock: systemClock })).release();
});

test("a holder that is silent or floods is cut off", async () => {
  const address = `127.66.1.4:${port()}`;
  const [host, p] = address.split(":") as [string, string];
  const accepted = Promise.withResolvers<void>();
  const squatter = createServer((s) => {
    s.on("error", () => {});
    accepted.resolve();
  });
  squatter.listen({ path: `\0weft/lock/${address}` });
  await once(squatter, "listening");
  const clock = fakeClock();
  const waiting = lockAddress({ host, port: Number(p), owner: "me", clock }).catch((e: unknown) => e);
  await accepted.promise;
  clock.advance(holderTimeoutMs);
  expect(((await waiting) as Error).message).toBe(`${address} is held by another process`);
  squatter.close();
  const flood = createServer((s) => {
    s.on("error", () => {});
    s.write(`\x1b[31m${"x".repeat(4 * maxHolderBytes)}`);
  });
  flood.listen({ path: `\0weft/lock/${address}` });
  await once(flood, "listening");
  const refused = await lockAddress({ host, port: Number(p), owner: "me", clock: systemClock }).catch(
    (e) => e,
  );
  expect((refused as AddressInUseError).holder.length).toBe(maxHolderBytes);
  expect((refused as AddressInUseError).holder).toStartWith("?[31mxxx");
  flood.close();
});

test("probe: free, taken (also with reusePort) and not ours", async () => {
  const p = port();
  probeAddress("127.0.0.1", p);
  const l = Bun.listen({ hostname: "127.0.0.1", port: p, ...{ reusePort: true }, socket: { data() {} } });
  expect(() => probeAddress("127.0.0.1", p)).toThrow(`(pid ${process.pid})`);
  expect(whoListens("127.0.0.1", p)).toContain(`pid ${process.pid}`);
  l.stop(true);
  probeAddress("127.0.0.1", p);
  expect(whoListens("127.0.0.1", p)).toBeUndefined();
  expect(() => probeAddress("192.0.2.1", p)).toThrow(/EADDRNOTAVAIL|Failed to listen/);
  const c = createConnection({ host: "127.0.0.1", port: p });
  await once(c, "error");
});
