/** Limits of connections that no attack is named for. */
import { describe, expect, test } from "bun:test";
import { frame } from "../../testkit/http2-frame.ts";
import { ServerRig } from "../../testkit/http2-rig.ts";
import { errorCodes } from "./errors.ts";
import { frameTypes as t } from "./frames/index.ts";
import { defaultHttp2Limits } from "./limits.ts";

describe("the connection's other limits, at each and one past it", () => {
  test("settingsAckTimeoutMs", () => {
    const rig = new ServerRig();
    rig.now = defaultHttp2Limits.settingsAckTimeoutMs;
    rig.connection.check();
    expect([rig.errors, rig.connection.timed]).toEqual([[], true]);
    rig.now++;
    rig.connection.check();
    expect(rig.errors).toEqual(["SETTINGS_TIMEOUT settings_timeout"]);
    const good = new ServerRig();
    good.send(frame(t.settings, 1, 0));
    good.now = 1e6;
    good.connection.check();
    expect([good.errors, good.connection.timed]).toEqual([[], false]);
    good.send(frame(t.settings, 1, 0));
    expect(good.errors).toEqual(["PROTOCOL_ERROR settings_ack"]);
  });

  test("maxRememberedResets: frames for a stream that we reset are ignored while it is known", () => {
    for (const [limit, error] of [
      [2, []],
      [1, ["STREAM_CLOSED closed_stream"]],
    ] as const) {
      const rig = new ServerRig({ limits: { ...defaultHttp2Limits, maxRememberedResets: limit } });
      const ids = [rig.request(false), rig.request(false)];
      rig.send();
      for (const told of rig.told) told.stream!.reset(errorCodes.cancel);
      rig.peer.headers(ids[0]!, ["x", "y"], true);
      rig.send();
      expect(rig.errors).toEqual([...error]);
    }
  });

  test("maxQueuedBytes", () => {
    const answered = (maxQueuedBytes: number): ServerRig => {
      const rig = new ServerRig({ limits: { ...defaultHttp2Limits, maxQueuedBytes } });
      rig.room = 0;
      for (let i = 0; i < 100; i++) rig.request();
      rig.send();
      for (const [i, { stream }] of rig.told.entries()) {
        stream!.sendResponse(200, ["x", String(i).padEnd(1000, "\x7f")], true);
      }
      rig.connection.flush();
      return rig;
    };
    const { queuedBytes } = answered(1e6).connection;
    expect(queuedBytes).toBeGreaterThan(100_000);
    expect(answered(queuedBytes).errors).toEqual([]);
    expect(answered(queuedBytes - 1).errors).toEqual([`ENHANCE_YOUR_CALM outbound_flood`]);
  });

  test("both windows: to the octet, and one octet more", () => {
    for (const more of [0, 1]) {
      const limits = { ...defaultHttp2Limits, streamWindowBytes: 65_535, connectionWindowBytes: 65_535 };
      const rig = new ServerRig({ limits: { ...limits, connectionWindowBytes: 65_535 * 2 } });
      rig.request(false);
      rig.peer.data(1, new Uint8Array(65_535 + more), 0, 65_535 + more, false);
      rig.send();
      expect(rig.ends()).toEqual(more === 0 ? [] : ["1 FLOW_CONTROL_ERROR"]);
      const whole = new ServerRig({ limits });
      for (const id of [whole.request(false), whole.request(false)])
        whole.peer.data(id, new Uint8Array(32_767), 0, 32_767, false);
      whole.peer.data(1, new Uint8Array(1 + more), 0, 1 + more, false);
      whole.send();
      expect(whole.errors).toEqual(more === 0 ? [] : ["FLOW_CONTROL_ERROR connection_window"]);
    }
  });

  test("padding counts, and is given back at once", () => {
    const rig = new ServerRig();
    rig.request(false);
    for (let i = 0; i < 2000; i++)
      rig.send(frame(t.data, 8, 1, Buffer.concat([Buffer.of(250, 97), Buffer.alloc(250)])));
    expect([rig.errors, rig.ends(), rig.told[0]!.body.length]).toEqual([[], [], 2000]);
  });
});
