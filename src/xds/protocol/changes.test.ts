import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  ChangeBook,
  type DeltaRequest,
  DeltaSubscription,
  type EncodedResource,
  type Push,
} from "./index.ts";

const resource = (name: string, version: string): EncodedResource => ({
  name,
  version,
  typeUrl: "t",
  bytes: new Uint8Array(10),
});
type World = ReadonlyMap<string, EncodedResource>;
const worldOf = (versions: Record<string, string>): World =>
  new Map(Object.entries(versions).map(([name, version]) => [name, resource(name, version)]));
const text = (push: Push | undefined): string =>
  push === undefined
    ? "nothing"
    : [
        ...push.added.map((r) => `+${r.name}@${r.version}`).sort(),
        ...push.removed.map((n) => `-${n}`).sort(),
      ].join(" ");

describe("changes between two maps", () => {
  test("are found once for the same two, and not where a map does not list what it has", () => {
    const book = new ChangeBook();
    const [from, now] = [worldOf({ a: "1", b: "1", c: "1" }), worldOf({ a: "1", b: "2", d: "1" })];
    const changes = book.between(from, now)!;
    expect(changes.updated.map((r) => `${r.name}@${r.version}`)).toEqual(["b@2", "d@1"]);
    expect(changes.removed).toEqual(["c"]);
    expect(book.between(from, now)).toBe(changes);
    expect(book.between(worldOf({ a: "1" }), now)).not.toBe(changes);
    expect(book.between(from, worldOf({}))).toBeUndefined();
    expect(book.between(worldOf({}), now)).toBeUndefined();
  });

  test("are all that need be looked at: a stream that does sends what one sends that looks at everything", () => {
    const name = fc.constantFrom("a", "b", "c", "d", "*");
    const world = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.constantFrom("1", "2", "3"));
    const step = fc.oneof(
      fc.record({ world, hold: fc.boolean() }),
      fc.record({ world, hold: fc.boolean() }),
      fc.record({ refuses: fc.boolean() }),
      fc.record({
        subscribe: fc.array(name, { maxLength: 2 }),
        unsubscribe: fc.array(name, { maxLength: 1 }),
      }),
      fc.record({ resend: fc.constantFrom("a", "b") }),
    );
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 3, maxLength: 40 }),
        fc.array(name, { maxLength: 3 }),
        (steps, first) => {
          const [whole, quick] = [new DeltaSubscription(), new DeltaSubscription()];
          const book = new ChangeBook();
          let now: World = worldOf({ a: "1", b: "1" });
          let seen: World | undefined;
          const ask = (o: Partial<DeltaRequest>): void => {
            const request = { subscribe: [], unsubscribe: [], initialVersions: {}, nonce: "", ...o };
            whole.request(request);
            if (quick.request(request).asks) seen = undefined;
          };
          const pump = (holdRemovals: boolean): void => {
            const options = { maxBytes: 1e9, holdRemovals };
            const [a, b] = [
              whole.next(now, options),
              quick.next(now, { ...options, changes: seen && book.between(seen, now) }),
            ];
            expect(text(b)).toBe(text(a));
            expect(b?.more).toBe(a?.more);
            if (a === undefined || b === undefined) {
              if (!quick.outstanding && !(holdRemovals && quick.holdsRemovals(now))) seen = now;
              return;
            }
            whole.sent(a);
            quick.sent(b);
            seen = b.more ? undefined : now;
          };
          ask({ subscribe: first });
          pump(false);
          for (const s of steps) {
            if ("world" in s) now = worldOf(s.world);
            else if ("refuses" in s) ask({ nonce: quick.version, ...(s.refuses && { error: "no: a" }) });
            else if ("resend" in s) {
              for (const sub of [whole, quick]) sub.resend([s.resend]);
              seen = undefined;
            } else ask(s);
            pump("hold" in s && s.hold);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
