/** Rows that kubectl does: a row is a few command lines, its result what they printed. */

export interface Step {
  /** Arguments, split at blanks; 'single quotes' hold together. */
  readonly run: string;
  readonly stdin?: string;
  /** A sed expression that kubectl's editor applies to what it is given. */
  readonly edit?: string;
  /** Keeps only the lines that match. */
  readonly lines?: RegExp;
  /** Parses standard output as JSON. */
  readonly json?: true;
  /** Keeps only this much of what was printed, by its own hand. */
  readonly pick?: (out: string) => unknown;
  /** Tried again until the output has this. */
  readonly until?: RegExp;
}

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly steps: readonly (string | Step)[];
  /** Part of the short form in `make test`. */
  readonly short?: true;
}

export const row = (id: string, title: string, ...steps: (string | Step)[]): Row => ({ id, title, steps });
/** A row that `make test` does too. */
export const short = (id: string, title: string, ...steps: (string | Step)[]): Row => ({
  ...{ id, title, steps, short: true },
});
export const send = (run: string, stdin: string, more: Partial<Step> = {}): Step => ({ run, stdin, ...more });

export const configMap = (name: string, more = ""): string =>
  `{apiVersion: v1, kind: ConfigMap, metadata: {name: ${name}}, data: {a: "1"}${more}}`;
export const virtualService = (name: string, more = ""): string =>
  `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: ${name}}, ` +
  `spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]${more}}}`;
