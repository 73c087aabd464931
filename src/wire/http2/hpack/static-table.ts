/** The static table (RFC 7541 appendix A), by index from 1; "name" or "name: value". */
const rows: readonly string[] = [
  ...[":authority", ":method: GET", ":method: POST", ":path: /", ":path: /index.html", ":scheme: http"],
  ...[":scheme: https", ":status: 200", ":status: 204", ":status: 206", ":status: 304", ":status: 400"],
  ...[":status: 404", ":status: 500", "accept-charset", "accept-encoding: gzip, deflate"],
  ...["accept-language", "accept-ranges", "accept", "access-control-allow-origin", "age", "allow"],
  ...["authorization", "cache-control", "content-disposition", "content-encoding", "content-language"],
  ...["content-length", "content-location", "content-range", "content-type", "cookie", "date", "etag"],
  ...["expect", "expires", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range"],
  ...["if-unmodified-since", "last-modified", "link", "location", "max-forwards", "proxy-authenticate"],
  ...["proxy-authorization", "range", "referer", "refresh", "retry-after", "server", "set-cookie"],
  ...["strict-transport-security", "transfer-encoding", "user-agent", "vary", "via", "www-authenticate"],
];

export const staticLength = rows.length;
/** By index; 0 is no entry. */
export const staticNames: string[] = [""];
export const staticValues: string[] = [""];
/** name + value + 32, by index. */
export const staticSizes: number[] = [0];
/** Index of the first entry with a name. Entries of the same name stand together. */
export const staticIndexes = new Map<string, number>();

for (const row of rows) {
  const [name, value] = row.split(": ") as [string, string | undefined];
  if (!staticIndexes.has(name)) staticIndexes.set(name, staticNames.length);
  staticNames.push(name);
  staticValues.push(value ?? "");
  staticSizes.push(name.length + (value ?? "").length + 32);
}
