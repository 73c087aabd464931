/** Seeds of the HTTP/2 fuzz target; what once failed is added here. */
import { frame } from "../src/testkit/http2-frame.ts";

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex");
const settings = frame(4, 0, 0, bytes("0003 00000064 0004 00010000"));
const get = bytes("82 84 86 41 8c f1e3c2e5f23a6ba0ab90f4ff");
const ping = frame(6, 0, 0, bytes("0102030405060708"));

/** Each behind the SETTINGS that must come first. */
export const frames: readonly Uint8Array[] = [
  [frame(1, 5, 1, get), frame(1, 5, 3, bytes("82 84 86 be"))],
  [frame(1, 4, 1, get), frame(0, 0, 1, bytes("68656c6c6f")), frame(0, 9, 1, bytes("02 6869 0000"))],
  [frame(1, 0x2d, 1, Buffer.concat([bytes("03 80000003 10"), get, bytes("000000")]))],
  [frame(1, 1, 1, get.subarray(0, 3)), frame(9, 0, 1, get.subarray(3, 9)), frame(9, 4, 1, get.subarray(9))],
  [frame(5, 4, 1, Buffer.concat([bytes("00000002"), get])), frame(5, 0xc, 1, bytes("01 00000004 82 00"))],
  [frame(4, 1, 0), ping, frame(6, 1, 0, bytes("0102030405060708"))],
  [frame(8, 0, 0, bytes("0000ffff")), frame(8, 0, 1, bytes("7fffffff")), frame(8, 0, 3, bytes("00000000"))],
  [
    frame(2, 0, 5, bytes("00000003 0f")),
    frame(2, 0, 5, bytes("00000005 0f")),
    frame(16, 0, 0, bytes("00000001 75")),
  ],
  [frame(3, 0, 1, bytes("00000008")), frame(7, 0, 0, bytes("00000001 0000000b 6361 6c6d"))],
  [frame(0xbb, 0xff, 7, bytes("0102")), frame(1, 4, 1, get), frame(0, 0, 1), frame(0, 1, 1)],
].map((list) => Uint8Array.from(Buffer.concat([settings, ...list])));

const post = bytes("83 84 86 41 8c f1e3c2e5f23a6ba0ab90f4ff");
const window = (streamId: number, increment: string): Buffer => frame(8, 0, streamId, bytes(increment));

/** What a server takes, and what it answers with RST_STREAM. */
export const conversations: readonly Uint8Array[] = [
  [
    frame(4, 1, 0),
    frame(1, 4, 1, post),
    frame(1, 4, 3, post),
    frame(0, 1, 3, bytes("78")),
    frame(0, 1, 1, bytes("79")),
  ],
  [frame(1, 4, 1, post), frame(0, 0, 1, Buffer.alloc(3000, 97)), frame(1, 5, 1, bytes("40 01 61 01 62"))],
  [frame(1, 5, 3, get), frame(0, 0, 3, Buffer.alloc(300, 98)), frame(1, 5, 3, get), frame(1, 5, 7, get)],
  [frame(1, 5, 1, get), frame(1, 4, 3, post), window(3, "00000000"), frame(0, 0, 3, Buffer.alloc(50, 99))],
  [frame(1, 4, 3, post), window(3, "7fffffff"), frame(1, 5, 5, get), frame(3, 0, 5, bytes("00000008"))],
  [
    frame(1, 5, 1, bytes("82 84 86")),
    frame(1, 5, 3, bytes("82 84 86 41 01 61 40 01 41 01 62")),
    frame(1, 5, 5, get),
  ],
  [frame(1, 4, 1, Buffer.concat([post, bytes("0f 0d 01 35")])), frame(0, 1, 1, bytes("31 32 33 34 35"))],
  [
    frame(1, 4, 1, Buffer.concat([post, bytes("0f 0d 01 34")])),
    frame(0, 9, 1, bytes("01 31 32 33 34 35 00")),
  ],
  [
    frame(4, 0, 0, bytes("0004 00000003")),
    frame(1, 4, 1, post),
    frame(0, 1, 1, bytes("616263646566")),
    window(1, "00000001"),
  ],
  [frame(7, 0, 0, bytes("00000000 00000000")), frame(1, 5, 1, get), ping],
].map((list) => Uint8Array.from(Buffer.concat([settings, ...list])));

const ok = bytes("88 0f10 0a 746578742f706c61696e");
/** What servers say to a client that has streams 1, 3, 5 and 7 open. */
export const answers: readonly Uint8Array[] = [
  [frame(4, 1, 0), frame(1, 4, 1, ok), frame(0, 0, 1, bytes("616263")), frame(0, 1, 1, bytes("64"))],
  [frame(1, 4, 3, bytes("08 03 313033")), frame(1, 4, 3, ok), frame(1, 5, 3, bytes("40 01 61 01 62"))],
  [frame(1, 0, 5, ok.subarray(0, 4)), frame(9, 4, 5, ok.subarray(4)), frame(0, 9, 5, bytes("02 6869 0000"))],
  [
    frame(1, 5, 1, bytes("89")),
    frame(1, 5, 3, bytes("88 0f0d 01 35")),
    frame(1, 4, 5, bytes("88 0f0d 01 32")),
    frame(0, 1, 5, bytes("6869")),
  ],
  [frame(7, 0, 0, bytes("00000003 00000000 6b")), frame(1, 5, 1, ok), frame(1, 5, 7, ok)],
  [
    frame(3, 0, 1, bytes("00000007")),
    frame(3, 0, 3, bytes("00000008")),
    frame(1, 5, 5, ok),
    window(7, "00001000"),
  ],
  [frame(5, 4, 1, Buffer.concat([bytes("00000002"), get]))],
  [
    frame(4, 0, 0, bytes("0001 00000000 0003 00000001 0008 00000001")),
    ping,
    frame(1, 4, 7, ok),
    frame(0, 0, 7),
    window(0, "7fff0000"),
  ],
].map((list) => Uint8Array.from(Buffer.concat([settings, ...list])));

/** Header blocks of one connection, one after the other. */
export const blocks: readonly Uint8Array[] = [
  get,
  bytes("82 84 86 be 58 08 6e6f2d6361636865"),
  bytes("82 87 85 bf 40 88 25a849e95ba97d7f 89 25a849e95bb8e8b4bf"),
  bytes("20 3fe11f 88 c0 10 0d 617574686f72697a6174696f6e 01 61"),
  bytes("40 01 61 01 62 be be be 7e 01 63 bf be"),
  bytes("0f 1d 01 61 1f 27 81 07 00 00 00"),
  bytes("ff 80 00 7f 00 82 1c 64 3f 45"),
].map((b) => Uint8Array.from(b));

/** Pieces at which decoders go wrong: heads, large integers, EOS, updates, references to the newest. */
export const words: readonly Uint8Array[] = [
  ...["00", "ff", "7f", "80", "be", "c0", "3f", "20", "3fe11f", "40", "0f2f", "10", "00000000", "7fffffff"],
  ...["80000000", "ffffffffffffff7f", "ffffffff0f", "84ffffffff", "8118", "8207ff", "000000", "00400000"],
  ...["000000 04 01 00000000", "000000 00 00 00000001", "000000 09 04 00000001", "000001 01 04 00000001 82"],
  ...["000000 09 00 00000001", "000004 08 00 00000000 00000000", "000000 2a 00 00000000"],
].map((hex) => Uint8Array.from(bytes(hex)));
