/** Typed reading of a manifest's untrusted values; every complaint names the field's path. */
import { RE2JS } from "re2js";
import { type Feature, pendingInProxy } from "../model/index.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { maxDurationMs, maxRegexLength } from "./limits.ts";
import type { Note, Report } from "./report.ts";

const plainKey = /^[A-Za-z_][A-Za-z0-9_]*$/;

export class Field {
  readonly value: unknown;
  readonly path: string;
  readonly report: Report;

  constructor(value: unknown, path: string, report: Report) {
    this.value = value;
    this.path = path;
    this.report = report;
  }

  /** Absent and null are the same. */
  get present(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  get isObject(): boolean {
    return typeof this.value === "object" && this.value !== null && !Array.isArray(this.value);
  }

  at(key: string): Field {
    const own = this.isObject && Object.hasOwn(this.value as object, key);
    const value = own ? (this.value as Record<string, unknown>)[key] : undefined;
    const step = plainKey.test(key) ? `${this.path === "" ? "" : "."}${key}` : `[${key}]`;
    return new Field(value, `${this.path}${step}`, this.report);
  }

  keys(): readonly string[] {
    return this.isObject ? Object.keys(this.value as object) : [];
  }

  /** The entries of a map; none when absent. */
  entries(): readonly (readonly [string, Field])[] {
    if (this.present && !this.isObject) this.expected("an object");
    return this.keys().map((key) => [key, this.at(key)] as const);
  }

  /** The elements of a list; none when absent. */
  items(): readonly Field[] {
    if (!this.present) return [];
    if (!Array.isArray(this.value)) {
      this.expected("a list");
      return [];
    }
    return this.value.map((v, i) => new Field(v, `${this.path}[${i}]`, this.report));
  }

  /** Checks that it is an object (or absent). */
  object(): this {
    if (this.present && !this.isObject) this.expected("an object");
    return this;
  }

  text(): string | undefined {
    if (!this.present) return undefined;
    if (typeof this.value === "string") return this.value;
    this.expected("a string");
    return undefined;
  }

  requiredText(): string | undefined {
    const text = this.text();
    if (!this.present || text === "")
      this.error({ code: "required", message: "is required and must not be empty" });
    return text === "" ? undefined : text;
  }

  texts(): readonly string[] {
    return this.items().flatMap((item) => item.requiredText() ?? []);
  }

  bool(): boolean | undefined {
    if (!this.present) return undefined;
    if (typeof this.value === "boolean") return this.value;
    this.expected("true or false");
    return undefined;
  }

  integer(min: number, max: number): number | undefined {
    const value = this.number(min, max);
    if (value === undefined || Number.isInteger(value)) return value;
    this.expected(`a whole number from ${min} to ${max}`);
    return undefined;
  }

  number(min: number, max: number): number | undefined {
    if (!this.present) return undefined;
    const { value } = this;
    if (typeof value === "number" && value >= min && value <= max) return value;
    this.expected(`a number from ${min} to ${max}`);
    return undefined;
  }

  oneOf<T extends string>(values: readonly T[]): T | undefined {
    const text = this.text();
    if (text === undefined) return undefined;
    const found = values.find((v) => v === text);
    if (found === undefined) this.expected(`one of ${values.join(", ")}`);
    return found;
  }

  /** Milliseconds, more than 0 unless `zero` is allowed. */
  durationMs(options: { readonly zero?: boolean } = {}): number | undefined {
    const text = this.text();
    if (text === undefined) return undefined;
    const parsed: Duration = parseDuration(text);
    const low = options.zero === true ? 0 : 1;
    if (parsed.ok && parsed.ms >= low && parsed.ms <= maxDurationMs) return parsed.ms;
    const rule = parsed.ok
      ? `at least ${low} ms and at most 24 days`
      : "a duration such as 300ms, 1.5s or 1m";
    this.expected(rule);
    return undefined;
  }

  /** A regular expression in RE2 syntax. */
  regex(maxLength = maxRegexLength): string | undefined {
    const text = this.text();
    if (text === undefined) return undefined;
    if (text.length > maxLength) {
      this.error({
        code: "regex-too-long",
        message: `a regular expression has at most ${maxLength} characters, this one ${text.length}`,
        fix: "split the match into several, or use a prefix",
      });
      return undefined;
    }
    try {
      RE2JS.compile(text);
      return text;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.error({
        code: "invalid-regex",
        message: `${JSON.stringify(text)} is no regular expression in RE2 syntax: ${why}`,
        fix: "RE2 has no look-around and no back-references",
      });
      return undefined;
    }
  }

  expected(what: string): void {
    const got = JSON.stringify(this.value) ?? "nothing";
    const shown = got.length > 60 ? `${got.slice(0, 57)}...` : got;
    this.error({ code: "invalid-value", message: `must be ${what}, not ${shown}` });
  }

  error(note: Note): void {
    this.report.add("error", this.path, note);
  }

  /** An error that lies in what the field refers to. */
  unresolved(note: Note): void {
    this.report.add("error", this.path, note, "reference");
  }

  warn(note: Note, blame: "self" | "reference" = "self"): void {
    this.report.add("warning", this.path, note, blame);
  }

  note(note: Note): void {
    this.report.add("note", this.path, note);
  }

  /** Accepted, and without effect. */
  ignored(why = "is accepted and not in effect yet"): void {
    this.report.add("ignored", this.path, { code: "not-in-effect", message: why });
  }

  /** Says so where Weft's own proxy does not carry the feature out yet. */
  pending(feature: Feature): void {
    if (this.present && pendingInProxy.has(feature))
      this.ignored("acts in an Envoy beside the agent; Weft's own proxy does not carry it out yet");
  }

  /** Says of every key that the translator does not read that it is without effect. */
  rest(read: readonly string[], known: Readonly<Record<string, string>> = {}): void {
    for (const [key, field] of this.isObject ? this.entries() : [])
      if (!read.includes(key) && field.present) field.ignored(known[key]);
  }
}
