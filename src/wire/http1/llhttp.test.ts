/**
 * llhttp's own vectors, where they lie beside the repository: at least as strict on what llhttp refuses, the
 * same messages on what it accepts. What differs stands in llhttp-differences.json with its reason; the list
 * may only shrink.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  byteByByte,
  cut,
  type Trace,
  type TraceEvent,
  traceRequests,
  traceResponses,
} from "../../testkit/http1-trace.ts";
import differences from "./llhttp-differences.json";

const root = join(import.meta.dir, "../../..");
const path = [join(root, "../shared"), join(root, "shared")]
  .map((dir) => join(dir, "vectors/llhttp/cases.json"))
  .find((file) => existsSync(file));

interface Message {
  readonly begin: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly method?: string;
  readonly url?: string;
  readonly headersComplete?: boolean;
}
interface Case {
  readonly file: string;
  readonly line: number;
  readonly type: string;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly input: string;
  readonly log: readonly string[];
  readonly error: { readonly code: number } | null;
  readonly messages: readonly Message[];
  readonly verdict: "accept" | "error" | "paused";
  readonly strict: boolean;
}

/** The vectors leave out the empty line at the end of some inputs, though their log counts it. */
function wholeInput(c: Case): string {
  let text = Buffer.from(c.input, "base64").toString("latin1");
  const ends = c.log.map((l) => /^off=(\d+)(?: len=(\d+))?/.exec(l));
  const end = Math.max(...ends.map((m) => Number(m?.[1] ?? 0) + Number(m?.[2] ?? 0)));
  while (text.length < end && !text.endsWith("\r\n\r\n\r\n")) text += "\r\n";
  return text;
}

/** Gives HTTP/1.1 requests the Host that llhttp does not ask for, so that the rest of them is compared. */
function withHost(c: Case, text: string): string {
  if (/^host:/im.test(text)) return text;
  let out = "";
  let at = 0;
  for (const line of c.log) {
    const found = /^off=(\d+) len=3 span\[version\]="1.1"/.exec(line);
    if (!found) continue;
    const end = Number(found[1]) + 5;
    if (text.slice(end - 2, end) !== "\r\n") continue;
    out += `${text.slice(at, end)}Host: x\r\n`;
    at = end;
  }
  return out + text.slice(at);
}

const asBytes = (text: string): string => Buffer.from(text, "utf8").toString("latin1");
const isHead = (e: TraceEvent): e is Extract<TraceEvent, { kind: "request" | "response" }> =>
  e.kind === "request" || e.kind === "response" || e.kind === "informational";

function seenMessages(trace: Trace): readonly object[] {
  const out: { start: string; headers: string[]; body: string }[] = [];
  for (const event of trace.events) {
    if (isHead(event)) {
      const { head } = event;
      const start = "method" in head ? `${head.method} ${head.target}` : "";
      const headers = pairs(head.headers).filter((h) => !("method" in head) || !h.startsWith("host: "));
      out.push({ start, headers, body: "" });
    } else if (event.kind === "data") out.at(-1)!.body += event.text;
  }
  return out;
}

const pairs = (list: readonly string[]): string[] =>
  list.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${list[i + 1]}`] : []));

function expectedMessages(c: Case): readonly object[] {
  const request = c.type.startsWith("request");
  return c.messages
    .filter((m) => m.headersComplete === true)
    .map((m) => ({
      start: request ? `${m.method} ${asBytes(m.url ?? "")}` : "",
      headers: m.headers
        .map(([name, value]) => `${name.toLowerCase()}: ${asBytes(value).replace(/^[ \t]+|[ \t]+$/g, "")}`)
        .filter((h) => !request || !h.startsWith("host: ")),
      body: m.body,
    }));
}

type Cutter = (bytes: Uint8Array) => Uint8Array[];

function run(c: Case, text: string, cutter: Cutter): Trace {
  const bytes = Uint8Array.from(Buffer.from(text, "latin1"));
  const eof = c.type.endsWith("-finish");
  if (c.type.startsWith("request")) {
    return traceRequests(cutter(bytes), { eof, next: c.verdict === "paused" ? "never" : "after" });
  }
  const begins = c.messages.map((m) => m.begin);
  const messages = begins.map((b, i) => cutter(bytes.subarray(b, begins[i + 1] ?? bytes.length)));
  // Whatever stands before the first message belongs to it.
  if (messages[0] !== undefined && begins[0]! > 0) messages[0].unshift(bytes.subarray(0, begins[0]));
  return traceResponses(messages.length > 0 ? messages : [cutter(bytes)], { eof });
}

/** Null where the verdicts agree (or this one is stricter on what llhttp refuses too). */
function difference(c: Case, cutter: Cutter): string | null {
  const request = c.type.startsWith("request");
  const input = wholeInput(c);
  const text = request ? withHost(c, input) : input;
  if (c.verdict === "error") {
    // llhttp stops in the middle of a line; let the line end.
    const trace = run(c, `${text}\r\n\r\n`, cutter);
    const more = seenMessages(trace).length - expectedMessages(c).length;
    const closed = c.error?.code === 5 && more <= 0;
    return trace.error !== null || closed ? null : "accepted what llhttp refuses";
  }
  const trace = run(c, text, cutter);
  if (trace.error !== null) return `refused: ${trace.error.code}`;
  const [seen, wanted] = [seenMessages(trace), expectedMessages(c)].map((m) => JSON.stringify(m));
  // The vectors' text of a body is without its line ends at some places: compare it without them.
  const plain = (s: string | undefined): string => (s ?? "").replace(/(?:\\r|\\n)+/g, "");
  return plain(seen) === plain(wanted) ? null : `other messages: ${seen} instead of ${wanted}`;
}

describe.skipIf(path === undefined)("llhttp vectors (skipped without ../shared/vectors)", () => {
  const all = path === undefined ? [] : (JSON.parse(readFileSync(path, "utf8")).cases as Case[]);
  const cases = all.filter((c) => c.strict && /^(?:request|response)(?:-finish)?$/.test(c.type));
  // A pause of the caller that skips the body is llhttp's API, not HTTP.
  const compared = cases.filter((c) => c.meta["skipBody"] === undefined && !c.type.includes("skip"));

  for (const [how, cutter] of [
    ["whole", (b: Uint8Array) => [b]],
    ["byte by byte", byteByByte],
    ["in three", (b: Uint8Array) => cut(b, [Math.floor(b.length / 3), Math.floor(b.length / 2)])],
  ] as const) {
    test(`agree, but for the known differences: ${how}`, () => {
      expect(compared.length).toBeGreaterThan(200);
      const found: Record<string, string> = {};
      for (const c of compared) {
        const why = difference(c, cutter);
        if (why !== null) found[`${c.file}:${c.line}`] = why;
      }
      const known = new Set(Object.keys(differences));
      const unknown = Object.entries(found).filter(([id]) => !known.has(id));
      const gone = [...known].filter((id) => !(id in found));
      expect({ unknown, gone }).toEqual({ unknown: [], gone: [] });
    });
  }
});
