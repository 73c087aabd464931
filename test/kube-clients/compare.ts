/** Two results of a row, and which of their differences are known. */

export interface Known {
  readonly row: string;
  /** Pointers into the result (`/3/out/spec`), each with all that is below it; `*` is any one step. */
  readonly at: readonly string[];
  readonly reason: string;
}

export interface Difference {
  readonly row: string;
  readonly at: string;
  readonly embedded: unknown;
  readonly real: unknown;
}

const isObject = (v: unknown): v is Record<string, unknown> => v !== null && typeof v === "object";

/** Where two normalised values differ, the innermost places. */
export function differences(row: string, embedded: unknown, real: unknown, at = ""): Difference[] {
  if (Bun.deepEquals(embedded, real, true)) return [];
  if (!isObject(embedded) || !isObject(real) || Array.isArray(embedded) !== Array.isArray(real))
    return [{ row, at, embedded, real }];
  return [...new Set([...Object.keys(embedded), ...Object.keys(real)])].flatMap((key) =>
    differences(row, embedded[key], real[key], `${at}/${key}`),
  );
}

const covers = (pattern: string, at: string): boolean => {
  const [want, have] = [pattern.split("/"), at.split("/")];
  return want.every((step, i) => step === "*" || step === have[i]) && have.length >= want.length;
};

export interface Judged {
  /** Differences that nobody has explained. */
  readonly unknown: readonly Difference[];
  /** Explanations of differences that are no more. */
  readonly stale: readonly string[];
}

/** Holds the differences of the rows that were done against what is known. */
export function judge(
  found: readonly Difference[],
  known: readonly Known[],
  done: ReadonlySet<string>,
): Judged {
  const unknown = found.filter(
    (d) => !known.some((k) => k.row === d.row && k.at.some((p) => covers(p, d.at))),
  );
  const stale = known
    .filter((k) => done.has(k.row))
    .flatMap((k) =>
      k.at
        .filter((p) => !found.some((d) => d.row === k.row && covers(p, d.at)))
        .map((p) => `${k.row} ${p} (${k.reason})`),
    );
  return { unknown, stale };
}

/** What is known, without what is stale: it only ever gets less. */
export function prune(
  found: readonly Difference[],
  known: readonly Known[],
  done: ReadonlySet<string>,
): Known[] {
  return known.flatMap((k) => {
    if (!done.has(k.row)) return [k];
    const at = k.at.filter((p) => found.some((d) => d.row === k.row && covers(p, d.at)));
    return at.length === 0 ? [] : [{ ...k, at }];
  });
}
