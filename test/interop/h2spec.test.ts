/** h2spec, its 145 cases and the strict one, against the HTTP/2 codec without a proxy around it. */
import { expect, test } from "bun:test";
import { h2spec, runH2spec } from "./h2spec/run.ts";
import { serveCodec } from "./h2spec/server.ts";

test.skipIf(h2spec === undefined)(
  "h2spec: 146 of 146",
  async () => {
    const server = serveCodec();
    try {
      expect(await runH2spec(server.port)).toEqual({ cases: 146, notPassed: [] });
    } finally {
      server.stop();
    }
  },
  60_000,
);
