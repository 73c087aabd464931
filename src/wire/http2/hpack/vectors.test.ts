/** hpack-test-case, where it lies beside the repository: 14 encoders' blocks, and ours through our decoder. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { OutputBuffer } from "../output.ts";
import { HpackDecoder, HpackEncoder } from "./index.ts";

const root = join(import.meta.dir, "../../../..");
const dir = [join(root, "../shared"), join(root, "shared")]
  .map((shared) => join(shared, "vectors/hpack"))
  .find((path) => existsSync(path));

type Fields = readonly (readonly [string, string])[];
type Lists = Readonly<Record<string, readonly Fields[]>>;
/** w: the block; t: table size acknowledged before it; h: its list where it is not that of headers.json. */
interface Block {
  readonly w: string;
  readonly t?: number | null;
  readonly h?: Fields;
}

const json = (name: string): unknown => JSON.parse(readFileSync(join(dir!, name), "utf8"));
const stories = (encoder: string): Readonly<Record<string, readonly Block[]>> =>
  JSON.parse(new TextDecoder().decode(Bun.gunzipSync(readFileSync(join(dir!, `${encoder}.json.gz`)))))
    .stories;

describe.skipIf(dir === undefined)("hpack-test-case", () => {
  const encoders = dir === undefined ? [] : (json("manifest.json") as { encoders: string[] }).encoders;
  const lists = dir === undefined ? {} : (json("headers.json") as Lists);
  let blocks = 0;
  for (const name of encoders) {
    test(name, () => {
      for (const [story, all] of Object.entries(stories(name))) {
        const decoder = new HpackDecoder();
        for (const [i, { w, t, h }] of all.entries()) {
          if (typeof t === "number") decoder.setMaxTableSize(t);
          const list: string[] = [];
          const error = decoder.decode(Buffer.from(w, "hex"), list);
          const right = error === null && !decoder.tooLarge;
          if (!right || !Bun.deepEquals(list, (h ?? lists[story]![i]!).flat())) {
            throw new Error(`story ${story}, block ${i}: ${JSON.stringify([error, list])}`);
          }
          blocks++;
        }
      }
    });
  }

  test("all 47,142 blocks were read", () => expect(blocks).toBe(47142));

  test("every list comes back from our encoder, no more than 5 % larger than from the best of theirs", () => {
    let octets = 0;
    let theirs = Number.POSITIVE_INFINITY;
    for (const [story, all] of Object.entries(lists)) {
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder();
      const out = new OutputBuffer();
      for (const [i, fields] of all.entries()) {
        encoder.encode(fields.flat(), out);
        octets += out.length;
        const list: string[] = [];
        const error = decoder.decode(out.view(), list);
        out.clear();
        if (error !== null || !Bun.deepEquals(list, fields.flat()))
          throw new Error(`story ${story}, list ${i}`);
      }
    }
    for (const name of encoders) {
      const size = Object.values(stories(name))
        .flat()
        .reduce((sum, block) => sum + block.w.length / 2, 0);
      theirs = Math.min(theirs, size);
    }
    expect(octets).toBeLessThan(theirs * 1.05);
  });
});
