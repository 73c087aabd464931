import { describe, expect, test } from "bun:test";
import { originalDestination } from "../../wire/socket/index.ts";
import { restoredAddresses, Unbound } from "./original-dst.ts";
import type { Socket } from "./socket.ts";

const at = (address: string, port: number) => ({ config: { address, port } });

describe("listeners without a socket", () => {
  test("are found by address, then by port alone, IPv6 for both families", () => {
    const listeners = new Unbound<ReturnType<typeof at>>();
    const [exact, any4, any6] = [at("10.0.0.1", 80), at("0.0.0.0", 80), at("::", 90)];
    for (const l of [exact, any4, any6]) listeners.set(l);
    expect(listeners.find("10.0.0.1", 80)).toBe(exact);
    expect(listeners.find("10.0.0.2", 80)).toBe(any4);
    expect(listeners.find("fd00::1", 80)).toBeUndefined();
    expect(listeners.find("10.0.0.2", 90)).toBe(any6);
    expect(listeners.find("fd00::1", 90)).toBe(any6);
    expect(listeners.find("10.0.0.1", 81)).toBeUndefined();
  });

  test("that were replaced do not take their successor along", () => {
    const listeners = new Unbound<ReturnType<typeof at>>();
    const [before, after] = [at("10.0.0.1", 80), at("10.0.0.1", 80)];
    listeners.set(before);
    listeners.set(after);
    listeners.delete(before);
    expect(listeners.find("10.0.0.1", 80)).toBe(after);
    listeners.delete(after);
    expect(listeners.find("10.0.0.1", 80)).toBeUndefined();
  });
});

describe("where a connection was meant to go", () => {
  const socket = {
    ...{ fd: 7, remoteAddress: "::ffff:10.66.0.9", remotePort: 4000 },
    ...{ localAddress: "::ffff:127.0.0.1", localPort: 15001 },
  } as unknown as Socket;

  test("is its local address, without the form of a dual-stack socket", () => {
    const meant = (fd: number) => ({ address: "240.240.0.1", port: 9000 + fd });
    expect(restoredAddresses(socket, meant)).toEqual({
      ...{ remoteAddress: "10.66.0.9", remotePort: 4000, localAddress: "240.240.0.1", localPort: 9007 },
    });
  });

  test("is the listener itself where nothing was redirected", () => {
    expect(restoredAddresses(socket, () => undefined)).toMatchObject({
      ...{ localAddress: "127.0.0.1", localPort: 15001 },
    });
  });

  test("the kernel has nothing else to say of a connection that was not redirected, nor of no connection", async () => {
    const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const client = await Bun.connect({ hostname: "127.0.0.1", port: listener.port, socket: { data() {} } });
    const said = originalDestination((client as unknown as { fd: number }).fd);
    if (said !== undefined) expect(said).toEqual({ address: "127.0.0.1", port: listener.port });
    expect(originalDestination(-1)).toBeUndefined();
    client.end();
    listener.stop(true);
  });
});
