import type { HeaderList } from "../../http/index.ts";
import type { OutputBuffer } from "../frames/output.ts";
import type { Http2Limits } from "../limits.ts";

/** Encodes header lists (RFC 7541): table where it saves, Huffman where shorter. One a connection and direction. */
export declare class HpackEncoder {
  constructor(limits?: Http2Limits);
  /**
   * Writes the block of `list` at the end of `out`. Secrets (authorization, short cookies, names in `neverIndexed`)
   * go as never-indexed literals; values that do not come again (:path, content-length...) stay out of the table.
   */
  encode(list: Readonly<HeaderList>, out: OutputBuffer, neverIndexed?: readonly string[]): void;
  /** The peer's SETTINGS_HEADER_TABLE_SIZE; at most `limits.encoderTableBytes` of it is used. The next block says so. */
  setMaxTableSize(bytes: number): void;
}
