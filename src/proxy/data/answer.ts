/** Writes an answer to a HTTP/1 client: head, body in its framing, trailers. Used again for each answer of a connection. */
import type { HeaderList } from "../../wire/http/index.ts";
import { chunkEnd, chunkHead, type Framing, lastChunk, responseHead } from "../../wire/http1/index.ts";
import type { Writer } from "./writer.ts";

const closing = { close: true } as const;
const keeping = { keepAlive: true } as const;

export class Answer {
  private readonly writer: Writer;
  private chunked = false;
  private trailers: HeaderList | undefined;

  constructor(writer: Writer) {
    this.writer = writer;
  }

  /** `close`: says so. A HTTP/1.0 client is told where the connection stays. `body`: more will follow. */
  head(
    status: number,
    headers: HeaderList,
    how: {
      readonly framing: Framing;
      readonly close: boolean;
      readonly version: 10 | 11;
      readonly body: boolean;
    },
  ): void {
    this.chunked = how.framing.kind === "chunked" && how.body;
    this.trailers = undefined;
    const options = how.close ? closing : how.version === 10 ? keeping : undefined;
    this.writer.head(responseHead(status, headers, how.framing, options));
  }

  data(chunk: Uint8Array): void {
    const { writer } = this;
    if (!this.chunked) {
      writer.bytes(chunk);
      return;
    }
    writer.text(chunkHead(chunk.length));
    writer.bytes(chunk);
    writer.text(chunkEnd);
  }

  /** Trailers are written where the body is chunked, else dropped. */
  setTrailers(trailers: HeaderList): void {
    this.trailers = trailers;
  }

  end(): void {
    if (this.chunked) this.writer.text(lastChunk(this.trailers));
  }
}
