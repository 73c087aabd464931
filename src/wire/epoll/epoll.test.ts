import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { systemClock } from "../../base/index.ts";
import { libc } from "../libc/index.ts";
import {
  dial,
  EpollLoop,
  type EpollStream,
  type Listening,
  listen,
  Streams,
  type StreamUser,
} from "./index.ts";
import { Lingerers } from "./linger.ts";
import { Timers } from "./timers.ts";

const ignore = (): void => undefined;
const quiet: StreamUser = { onBytes: ignore, onDrain: ignore, onFin: ignore, onClosed: ignore };
const faults: unknown[] = [];
const cleanups: (() => void)[] = [];
let loop: EpollLoop;
let streams: Streams;

beforeAll(async () => {
  if (libc === null) return;
  loop = (await EpollLoop.start({ clock: systemClock, onFault: (e) => faults.push(e) }))!;
  expect(loop).not.toBeNull();
  streams = new Streams(loop);
});
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
  faults.length = 0;
});
afterAll(() => loop?.stop());

/** Listens in the loop; `serve` gives the user of each connection. */
function server(serve: (stream: EpollStream) => StreamUser): Listening {
  const listening = listen(streams, {
    hostname: "127.0.0.1",
    port: 0,
    onAccept(stream) {
      stream.data = { user: serve(stream) };
    },
  });
  cleanups.push(() => listening.stop());
  return listening;
}

/** A client of the runtime's; `closed` tells the error that it was closed with, if any. */
async function client(port: number, send = "") {
  const got: Buffer[] = [];
  const closing = Promise.withResolvers<unknown>();
  const finning = Promise.withResolvers<void>();
  const waiters: (() => void)[] = [];
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    allowHalfOpen: true,
    socket: {
      open: (s) => void (send !== "" && s.write(send)),
      data(_, bytes) {
        got.push(Buffer.from(bytes));
        for (const waiter of waiters) waiter();
      },
      end: () => finning.resolve(),
      close: (_, error) => closing.resolve(error),
      error: ignore,
    },
  });
  cleanups.push(() => socket.terminate());
  const text = (): string => Buffer.concat(got).toString("latin1");
  return {
    socket,
    text,
    closed: closing.promise,
    fin: finning.promise,
    until: (length: number): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (text().length >= length) resolve();
        };
        waiters.push(look);
        look();
      }),
  };
}

describe.skipIf(libc === null)("the thread's own loop", () => {
  test("carries bytes both ways and knows both addresses", async () => {
    let seen: EpollStream | undefined;
    const { port } = server((stream) => {
      seen = stream;
      return { ...quiet, onBytes: (bytes) => void stream.write(bytes) };
    });
    const c = await client(port, "hello");
    await c.until(5);
    expect(c.text()).toBe("hello");
    expect(seen).toMatchObject({ localAddress: "127.0.0.1", localPort: port, remoteAddress: "127.0.0.1" });
    expect(seen!.remotePort).toBe(c.socket.localPort);
  });

  test("takes what the kernel takes, and says when more may come", async () => {
    const all = Buffer.alloc(8 << 20, "abcdefghij");
    let at = 0;
    let drains = 0;
    const { port } = server((stream) => {
      const more = (): void => {
        at += stream.write(all, at);
      };
      return {
        ...quiet,
        onBytes: more,
        onDrain: () => {
          drains++;
          more();
        },
      };
    });
    const c = await client(port);
    c.socket.pause();
    c.socket.write("go");
    c.socket.resume();
    await c.until(all.length);
    expect(c.text() === all.toString("latin1")).toBe(true);
    expect(drains).toBeGreaterThan(0);
  });

  test("a paused connection is not read; what came meanwhile comes at resume, its end too", async () => {
    const heard: string[] = [];
    const done = Promise.withResolvers<void>();
    const accepted = Promise.withResolvers<EpollStream>();
    const { port } = server((stream) => {
      stream.pause();
      accepted.resolve(stream);
      return {
        ...quiet,
        onBytes: (bytes) => void heard.push(Buffer.from(bytes).toString()),
        onFin: () => done.resolve(),
      };
    });
    const c = await client(port, "early");
    const stream = await accepted.promise;
    c.socket.shutdown();
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual([]);
    stream.resume();
    await done.promise;
    expect(heard).toEqual(["early"]);
  });

  test("a burst of connections is taken at once: what the backlog drops comes again seconds later", async () => {
    // What the kernel grants, 4,096 by its default.
    const count = Math.min(2000, Number(readFileSync("/proc/sys/net/core/somaxconn", "latin1")));
    let accepted = 0;
    const all = Promise.withResolvers<void>();
    const { port } = server(() => {
      if (++accepted === count) all.resolve();
      return quiet;
    });
    const clients = await Promise.all(Array.from({ length: count }, () => client(port)));
    await all.promise;
    expect(accepted).toBe(count);
    for (const c of clients) c.socket.terminate();
  });

  test("half-close: the answer goes out after the client's end", async () => {
    const { port } = server((stream) => ({
      ...quiet,
      onFin() {
        stream.write(Buffer.from("after"));
        stream.end();
      },
    }));
    const c = await client(port, "x");
    c.socket.shutdown();
    expect(await c.closed).toBeFalsy();
    expect(c.text()).toBe("after");
  });

  test("end lets a client that still sends read its answer; terminate resets", async () => {
    let closes = 0;
    const { port } = server((stream) => ({
      ...quiet,
      onBytes(bytes) {
        if (bytes[0] === 0x74) return stream.terminate();
        stream.pause();
        stream.write(Buffer.from("no"));
        stream.end();
      },
      onClosed: () => void closes++,
    }));
    const c = await client(port, "x".repeat(200_000));
    await c.fin;
    expect(c.text()).toBe("no");
    expect(closes).toBe(1);
    const t = await client(port, "t");
    expect(await t.closed).toMatchObject({ code: "ECONNRESET" });
    expect(closes).toBe(2);
  });

  test("a handler that throws costs its connection and no other", async () => {
    const { port } = server((stream) => ({
      ...quiet,
      onBytes(bytes) {
        if (bytes[0] === 0x62) throw new Error("broken on purpose");
        stream.write(bytes);
      },
    }));
    const good = await client(port);
    const bad = await client(port, "bad");
    await bad.closed;
    good.socket.write("good");
    await good.until(4);
    expect(faults).toMatchObject([{ message: "broken on purpose" }]);
  });

  test("dials; a refusal is told by its name, a cancelled dial tells nothing", async () => {
    const { port, stop } = server((stream) => ({ ...quiet, onBytes: (b) => void stream.write(b) }));
    const echoed = Promise.withResolvers<string>();
    const slot = {
      user: { ...quiet, onBytes: (b: Uint8Array) => echoed.resolve(Buffer.from(b).toString()) },
    };
    const to = { host: "127.0.0.1", port, slot };
    dial(streams, {
      ...to,
      localAddress: "127.0.0.6",
      onOpen(stream) {
        expect(stream.localAddress).toBe("127.0.0.6");
        stream.write(Buffer.from("ping"));
      },
      onRefused: (code) => echoed.resolve(code),
    });
    expect(await echoed.promise).toBe("ping");
    const told: string[] = [];
    const cancel = dial(streams, { ...to, onOpen: () => told.push("open"), onRefused: (e) => told.push(e) });
    cancel();
    stop();
    const refused = await new Promise<string>((resolve) => {
      loop.clock.after(1, () => dial(streams, { ...to, onOpen: () => resolve("open"), onRefused: resolve }));
    });
    expect(refused).toBe("ECONNREFUSED");
    expect(told).toEqual([]);
  });

  test("so many linger and no more: the oldest goes first", async () => {
    const few = new Lingerers(loop, 2);
    const own = Object.assign(new Streams(loop), { lingerers: few });
    const listening = listen(own, {
      hostname: "127.0.0.1",
      port: 0,
      onAccept: (stream) => stream.end(),
    });
    cleanups.push(() => listening.stop());
    const one = await client(listening.port);
    await one.fin;
    const two = await client(listening.port);
    await two.fin;
    expect(few.size).toBe(2);
    const three = await client(listening.port);
    await three.fin;
    expect(few.size).toBe(2);
    two.socket.end();
    three.socket.end();
    await new Promise<void>((resolve) => {
      const look = (): void => (few.size === 0 ? resolve() : void loop.clock.after(1, look));
      look();
    });
  });
});

describe("timers", () => {
  test("run in order of time, not before; again where asked for; not once cancelled", () => {
    const timers = new Timers();
    const ran: string[] = [];
    for (const due of [50, 10, 40, 20, 30]) timers.add(due, 0, () => ran.push(`${due}`));
    timers.add(15, 0, () => ran.push("never")).cancel();
    const often = timers.add(25, 25, () => ran.push("every"));
    expect(timers.due).toBe(10);
    timers.run(9, ignore);
    expect(ran).toEqual([]);
    timers.run(30, ignore);
    expect(ran).toEqual(["10", "20", "every", "30"]);
    timers.run(55, ignore);
    expect(ran.slice(4)).toEqual(["40", "50", "every"]);
    often.cancel();
    timers.run(1000, ignore);
    expect(ran).toHaveLength(7);
    expect(timers.due).toBe(Number.POSITIVE_INFINITY);
  });

  test("one that throws is told of, the others run", () => {
    const timers = new Timers();
    const told: unknown[] = [];
    let ran = false;
    timers.add(1, 0, () => {
      throw new Error("broken on purpose");
    });
    timers.add(2, 0, () => {
      ran = true;
    });
    timers.run(2, (e) => told.push(e));
    expect(ran).toBe(true);
    expect(told).toHaveLength(1);
  });
});
