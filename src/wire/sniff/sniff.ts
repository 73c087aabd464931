/** Tells HTTP by the first bytes of a plaintext connection, as Envoy's http_inspector names it. Sans-IO. */

export type HttpSniff = "http/1.0" | "http/1.1" | "h2c" | "none";

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/** Longest method looked for; a first line whose first word is longer is no HTTP. */
const methodBytes = 20;
/** Longest first line that is waited for; its version is taken for 1.1 beyond. */
const lineBytes = 8192;
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]*$/;

/** Undefined: these bytes could still become HTTP. */
export function sniffHttp(bytes: Uint8Array): HttpSniff | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, lineBytes)).toString(
    "latin1",
  );
  if (text.startsWith(preface)) return "h2c";
  if (preface.startsWith(text)) return undefined;
  const space = text.indexOf(" ");
  const method = space < 0 ? text : text.slice(0, space);
  if (method.length > methodBytes || !token.test(method) || space === 0) return "none";
  if (space < 0) return undefined;
  const end = text.indexOf("\n");
  if (end < 0) return bytes.length < lineBytes && printable.test(text) ? undefined : endless(text);
  const line = text.slice(0, end).trimEnd();
  if (line.endsWith(" HTTP/1.1")) return "http/1.1";
  return line.endsWith(" HTTP/1.0") ? "http/1.0" : "none";
}

const printable = /^[\x21-\x7e\x80-\xff ]*\r?$/;

const endless = (text: string): HttpSniff => (printable.test(text) ? "http/1.1" : "none");
