/** h2spec, its 145 cases and the strict one, against the HTTP/2 codec without a proxy around it. */
import { expect, test } from "bun:test";
import { http2Server, streamHandler, type TestServerOptions } from "../../src/testkit/http2-server.ts";
import { createTestCa } from "../../src/testkit/index.ts";
import { h2spec, runH2spec } from "./h2spec/run.ts";

/** Answers when the request is complete: h2spec asks what happens on streams that wait. */
const answerAtEnd: TestServerOptions["onRequest"] = (stream) =>
  streamHandler(() => stream, {
    onEnd() {
      stream.sendResponse(200, ["content-type", "text/plain"], false);
      stream.sendData(Buffer.from("hello, world\n".repeat(8)), true);
    },
  });

const { certPem: cert, keyPem: key } = createTestCa().leaf({ dns: ["localhost"] });
const cases: readonly (readonly [string, TestServerOptions])[] = [
  ["plain", {}],
  ["plain, answers at the end", { onRequest: answerAtEnd }],
  ["TLS", { tls: { cert, key } }],
];

for (const [name, options] of cases) {
  test.skipIf(h2spec === undefined)(
    `h2spec, ${name}: 146 of 146`,
    async () => {
      const server = http2Server(options);
      try {
        expect(await runH2spec(server.port, { tls: options.tls !== undefined })).toEqual({
          cases: 146,
          notPassed: [],
        });
      } finally {
        server.stop();
      }
    },
    60_000,
  );
}
