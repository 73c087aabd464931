import { exitStatus, Problem } from "../app/problem/index.ts";

export type Format = "json" | "yaml" | "name" | "wide" | "short";

/** Checks `-o` against what a command can write; undefined: the command's own text. */
export function formatOf<T extends Format>(given: string | undefined, allowed: readonly T[]): T | undefined {
  if (given === undefined) return undefined;
  const found = allowed.find((f) => f === given);
  if (found) return found;
  throw new Problem(`-o ${given}: no such output format here`, {
    mend: `use one of ${allowed.join(", ")}`,
    exit: exitStatus.usage,
  });
}

/** The value as a JSON or YAML text that ends with a newline. */
export async function encodeData(value: unknown, format: "json" | "yaml"): Promise<string> {
  if (format === "json") return `${JSON.stringify(value, null, 2)}\n`;
  const { stringify } = await import("yaml");
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

/** Rows as aligned columns, three blanks between them; no trailing blanks. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  options: { readonly headers?: boolean; readonly bold?: (s: string) => string } = {},
): string {
  const all = options.headers === false ? rows : [header, ...rows];
  const widths = header.map((_, i) => Math.max(0, ...all.map((r) => (r[i] ?? "").length)));
  return all
    .map((row, n) => {
      const line = row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join("   ");
      const text = line.trimEnd();
      return `${n === 0 && options.headers !== false && options.bold ? options.bold(text) : text}\n`;
    })
    .join("");
}

/** kubectl's short ages: `42s`, `5m30s`, `3h`, `3d4h`, `400d`. */
export function age(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const m = Math.floor(s / 60);
  const h = Math.floor(m / 60);
  const d = Math.floor(h / 24);
  if (s < 120) return `${s}s`;
  if (m < 10) return s % 60 ? `${m}m${s % 60}s` : `${m}m`;
  if (m < 180) return `${m}m`;
  if (h < 8) return m % 60 ? `${h}h${m % 60}m` : `${h}h`;
  if (h < 48) return `${h}h`;
  if (d < 8) return h % 24 ? `${d}d${h % 24}h` : `${d}d`;
  return `${d}d`;
}
