/** Bytes that no well-meaning client sends, by seed: noise, broken HTTP/1, broken HTTP/2, broken TLS. */
import type { Rng } from "../../src/base/index.ts";
import { frame } from "../../src/testkit/http2-frame.ts";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export function noise(rng: Rng, most = 4096): Buffer {
  return Buffer.from(Array.from({ length: 1 + rng.int(most) }, () => rng.int(256)));
}

/** Flips, drops, doubles and inserts a few bytes. */
export function mutate(bytes: Buffer, rng: Rng): Buffer {
  let out = bytes;
  for (let times = 1 + rng.int(4); times > 0 && out.length > 0; times--) {
    const at = rng.int(out.length);
    const [before, after] = [out.subarray(0, at), out.subarray(at)];
    const how = rng.int(5);
    if (how === 0) out = Buffer.concat([before, Buffer.from([rng.int(256)]), after.subarray(1)]);
    else if (how === 1) out = Buffer.concat([before, after.subarray(1 + rng.int(8))]);
    else if (how === 2) out = Buffer.concat([before, noise(rng, 16), after]);
    else if (how === 3) out = Buffer.concat([before, after.subarray(0, 40), after]);
    else out = before;
  }
  return out;
}

/** HPACK: literals that are not indexed, not compressed. */
function hpack(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (s: string): Buffer => Buffer.concat([Buffer.from([s.length & 0x7f]), Buffer.from(s)]);
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

const opening = Buffer.concat([preface, frame(4, 0, 0, Buffer.alloc(0))]);

/** Frames of all types with streams, flags and lengths by chance; DATA on streams that nobody opened among them. */
export function frames(rng: Rng): Buffer {
  const parts: Buffer[] = [opening];
  for (let n = 1 + rng.int(12); n > 0; n--) {
    const made = frame(rng.int(12), rng.int(64), rng.int(12), noise(rng, 64));
    // A length that does not fit what follows.
    if (rng.int(5) === 0) made.writeUIntBE(rng.int(1 << 15), 0, 3);
    parts.push(made);
  }
  return Buffer.concat(parts);
}

/** A gRPC call with a sound head, to `path`, whose message is rubbish or claims a length that it has not. */
export function call(rng: Rng, path: string, authorization: string): Buffer {
  const head = hpack([
    [":method", "POST"],
    [":scheme", "https"],
    [":path", path],
    [":authority", "localhost"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ["authorization", authorization.slice(0, 120)],
  ]);
  const message = noise(rng, 400);
  const prefix = Buffer.alloc(5);
  prefix[0] = rng.int(3);
  prefix.writeUInt32BE(rng.int(2) === 0 ? message.length : rng.int(0x7fff_ffff), 1);
  const body = Buffer.concat([prefix, message]);
  const whole = Buffer.concat([opening, frame(1, 4, 1, head), frame(0, rng.int(2), 1, body)]);
  return rng.int(2) === 0 ? whole : mutate(whole, rng);
}

/** A request made of parts that are each wrong in some way, or a sound one with a few bytes changed. */
export function request(rng: Rng, paths: readonly string[]): Buffer {
  const pick = (list: readonly string[]): string => list[rng.int(list.length)]!;
  const body = pick([
    "",
    "{}",
    '{"kind":',
    "k8s\0\n\x0c",
    "[".repeat(300),
    "&a\n*a",
    "5\r\nhello\r\n0\r\n\r\n",
  ]);
  const lines = [
    `${pick(["GET", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "G=T", ""])} ${pick(paths)} ${pick(["HTTP/1.1", "HTTP/1.0", "HTTP/9.9"])}`,
    `Host: ${pick(["localhost", "127.0.0.1", "evil.example", "a, b"])}`,
    pick(["", `Content-Length: ${body.length}`, "Content-Length: 99999999999", "Transfer-Encoding: chunked"]),
    pick(["", "Content-Type: application/json", "Content-Type: application/vnd.kubernetes.protobuf"]),
    pick([
      "",
      "Authorization: Bearer x.y.z",
      `X-Long: ${"a".repeat(9000)}`,
      "Upgrade: websocket",
      "Expect: junk",
    ]),
  ];
  const whole = Buffer.from(`${lines.filter((l) => l !== "").join("\r\n")}\r\n\r\n${body}`, "latin1");
  return rng.int(2) === 0 ? whole : mutate(whole, rng);
}

/** The beginning of a TLS connection, broken: `hello` is a sound ClientHello. */
export function brokenTls(rng: Rng, hello: Buffer): Buffer {
  const how = rng.int(4);
  if (how === 0) return hello.subarray(0, 1 + rng.int(hello.length - 1));
  if (how === 1) return mutate(hello, rng);
  if (how === 2) return Buffer.concat([hello, noise(rng)]);
  const record = Buffer.from([20 + rng.int(5), 3, rng.int(5), rng.int(256), rng.int(256)]);
  return Buffer.concat([record, noise(rng, 600)]);
}
