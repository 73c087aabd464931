/** Messages that are none (HARDENING 3.3, rows 21 and 22), against the codec alone. */
import { describe, expect, test } from "bun:test";
import { ClientRig, getFields, ServerRig, type Told } from "../../testkit/http2-rig.ts";

describe("rows 21 and 22: a malformed request ends its stream and no other", () => {
  const base = getFields;
  const without = (name: string): string[] => base.filter((_, i) => base[i - (i % 2)] !== name);
  const having = (name: string, value: string): string[] => {
    const list = [...base];
    list[list.indexOf(name) + 1] = value;
    return list;
  };
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["name in upper case", [...base, "X-A", "1"]],
    ["space in a name", [...base, "x a", "1"]],
    ["colon in a name", [...base, "x:a", "1"]],
    ["CRLF in a name", [...base, "x\r\na", "1"]],
    ["NUL in a name", [...base, "x\0", "1"]],
    ["CRLF in a value", [...base, "x", "1\r\nx-b: 2"]],
    ["LF in a value", [...base, "x", "1\n2"]],
    ["NUL in a value", [...base, "x", "1\0"]],
    ["space before a value", [...base, "x", " 1"]],
    ["tab behind a value", [...base, "x", "1\t"]],
    ...["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"].map(
      (name) => [name, [...base, name, "x"]] as const,
    ),
    ["te: gzip", [...base, "te", "gzip"]],
    ["pseudo-header field repeated", [...base, ":path", "/"]],
    ["pseudo-header field behind another", [":method", "GET", "x", "1", ":scheme", "http", ":path", "/"]],
    ["pseudo-header field of answers", [":status", "200", ...base]],
    ["unknown pseudo-header field", [":version", "2", ...base]],
    ["no :method", without(":method")],
    ["no :scheme", without(":scheme")],
    ["no :path", without(":path")],
    ["no authority at all", without(":authority")],
    ["empty :path", having(":path", "")],
    [":path without a slash", having(":path", "admin")],
    [":path with a space", having(":path", "/a b")],
    [":path with a fragment", having(":path", "/a#b")],
    [":path with a control character", having(":path", "/a\x01")],
    [":method with a space", having(":method", "GET /admin HTTP/1.1")],
    [":scheme that is a URL", having(":scheme", "http://x/?")],
    [":authority with user information", having(":authority", "u@a.test")],
    [":authority with a path", having(":authority", "a.test/x")],
    ["Host that is another", [...base, "host", "b.test"]],
    ["two Hosts", [...without(":authority"), "host", "a.test", "host", "a.test"]],
    ["Content-Length without a body", [...base, "content-length", "5"]],
    ["two Content-Lengths", [...base, "content-length", "0", "content-length", "0"]],
    ["Content-Length that is no number", [...base, "content-length", "+0"]],
    [":protocol where it is not taken", [...having(":method", "CONNECT"), ":protocol", "websocket"]],
    ["CONNECT with :path", having(":method", "CONNECT")],
  ];
  for (const [name, list] of cases) {
    test(name, () => {
      const rig = new ServerRig();
      rig.request();
      const id = rig.request(true, [], list);
      rig.request();
      rig.send();
      expect([rig.ends(), rig.errors]).toEqual([[`${id} PROTOCOL_ERROR`], []]);
      expect(rig.told.map((told: Told) => told.events)).toEqual([["end"], ["end"]]);
    });
  }

  test("Content-Length that the body does not have, less and more, whatever ends it", () => {
    for (const body of ["1234", "123456"]) {
      for (const trailers of [false, true]) {
        const rig = new ServerRig();
        const id = rig.request(false, ["content-length", "5"]);
        rig.peer.data(id, Buffer.from(body), 0, body.length, !trailers);
        if (trailers) rig.peer.headers(id, ["x", "y"], true);
        rig.request();
        rig.send();
        expect([rig.ends(), rig.errors]).toEqual([[`${id} PROTOCOL_ERROR`], []]);
        expect(rig.told[0]!.events).toEqual(["reset PROTOCOL_ERROR fault"]);
        expect(rig.told[1]!.events).toEqual(["end"]);
      }
    }
  });

  test("the same of an answer", () => {
    for (const [list, body] of [
      [[":status", "200", "content-length", "5"], "1234"],
      [[":status", "200", "content-length", "5"], "123456"],
      [[":status", "204"], "1"],
      [[":status", "200", "connection", "close"], ""],
      [[":status", "20"], ""],
      [["x", "y"], ""],
      [[":status", "200", ":path", "/"], ""],
      [[":status", "101"], ""],
    ] as const) {
      const rig = new ClientRig();
      const [bad, good] = [rig.open(), rig.open()];
      rig.peer.headers(1, list as unknown as string[], false);
      rig.peer.data(1, Buffer.from(body), 0, body.length, true);
      rig.peer.headers(3, [":status", "200"], true);
      rig.send();
      expect(bad.events.at(-1)).toBe("reset PROTOCOL_ERROR fault");
      expect([good.events, rig.errors]).toEqual([["response 200", "end"], []]);
    }
  });
});
