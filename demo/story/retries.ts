/** Limits and retries of `GET /users`. */
import type { Step } from "./step.ts";

const users = (name: string): string => `http://web-api:9080/users?case=${name}`;
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

export const flaky: Step = {
  id: "flaky-get-is-retried",
  title: "GET /users: a try that takes 2 s is cut at 300 ms, one that fails is repeated, the caller sees 200",
  manifests: ["service-profile"],
  expected: { status: 200, tries: 3, withinMs: 1000 },
  async run({ traffic }) {
    const [answer] = await traffic.visit({ url: users("flaky-1") });
    const { tries } = await traffic.direct<{ tries: number }>("web-api", "/tries?case=flaky-1");
    const { status = 0, ms = 0 } = answer ?? {};
    const ok = status === 200 && tries === 3 && ms >= 300 && ms < 1000;
    const tale = `a slow and flaky GET /users took ${tries} tries and gave ${status} after ${seconds(ms)}`;
    return { observed: { status, tries, ms }, ok, tale };
  },
};

export const slow: Step = {
  id: "slow-get-ends-at-1s",
  title: "GET /users: all tries together end at 1 s",
  manifests: ["service-profile"],
  expected: { status: 504, afterMs: [1000, 1250] },
  async run({ traffic }) {
    const [answer] = await traffic.visit({ url: users("slow-1") });
    const { tries } = await traffic.direct<{ tries: number }>("web-api", "/tries?case=slow-1");
    const { status = 0, ms = 0 } = answer ?? {};
    const ok = status === 504 && ms >= 990 && ms <= 1250;
    return {
      observed: { status, tries, ms },
      ok,
      tale: `when every try is slow: ${tries} tries, ${status} after ${seconds(ms)}`,
    };
  },
};

export const post: Step = {
  id: "post-is-not-retried",
  title: "POST /users is sent once: nothing says that it may be repeated",
  manifests: [],
  expected: { status: 503, tries: 1 },
  async run({ traffic }) {
    const [answer] = await traffic.visit({ url: users("broken-post"), method: "POST" });
    const { tries } = await traffic.direct<{ tries: number }>("web-api", "/tries?case=broken-post");
    const { status = 0 } = answer ?? {};
    const tale = `a failing POST /users was tried ${tries} time(s) and gave ${status}`;
    return { observed: { status, tries }, ok: status === 503 && tries === 1, tale };
  },
};
