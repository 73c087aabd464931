import type { HeaderList } from "../../http/index.ts";
import type { Http2Error } from "../errors.ts";
import type { Http2Limits } from "../limits.ts";

/**
 * Decodes header blocks (RFC 7541). One a connection and direction; every block of the connection must pass through
 * it in order. After `decode` its properties tell about the block just decoded.
 */
export declare class HpackDecoder {
  constructor(limits?: Http2Limits);
  /**
   * Appends the block's fields to `list` as [name, value, ...] in their order, pseudo-header fields (":path") as
   * sent. Gives a connection error (COMPRESSION_ERROR) or null. A list beyond the limits and a malformed field
   * are no connection errors: see `tooLarge` and `malformed`.
   */
  decode(block: Uint8Array, list: HeaderList): Http2Error | null;
  /** The list exceeds `maxHeaderListBytes` or `maxHeaderCount`: `list` lacks what came after. Answer 431 or reset. */
  readonly tooLarge: boolean;
  /**
   * "" or why a field makes the message malformed (RFC 9113 section 8.2, stream error PROTOCOL_ERROR): name empty,
   * with upper case or no token; value with NUL, CR, LF, another control character or white space around it;
   * connection-specific field (connection, keep-alive, proxy-connection, transfer-encoding, upgrade); te other than
   * "trailers"; unknown pseudo-header field. Known once for each field of the table, so indexed fields cost nothing.
   * Left to the caller: order, number and combination of pseudo-header fields, content-length, cookie crumbs.
   */
  readonly malformed: string;
  /** Names sent as never indexed (RFC 7541 section 6.2.3): to be passed to the encoder of the next hop. */
  readonly neverIndexed: readonly string[];
  /**
   * Our SETTINGS_HEADER_TABLE_SIZE once acknowledged; `limits.headerTableBytes` need not be told. When lower than
   * the table is, the next block must start with a size update.
   */
  setMaxTableSize(bytes: number): void;
}
