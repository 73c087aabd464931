/** The breaker: what is more than allowed at one time is answered at once. */
import { until } from "../stack.ts";
import type { Stage, Step } from "./step.ts";

const allowed = 1_000;
const instances = ["reviews-v1-a", "reviews-v1-b", "reviews-v2", "reviews-v3"];

async function parked({ traffic }: Stage): Promise<number> {
  const states = await Promise.all(instances.map((id) => traffic.state(id)));
  return states.reduce((sum, s) => sum + s.parked, 0);
}

export const overflow: Step = {
  id: "request-1001-overflows",
  title: "1,000 requests to reviews may be under way at one time, the 1,001st gets 503 at once",
  manifests: ["destination-rule"],
  expected: { underWay: allowed, status503: 1, status200: allowed },
  async run(stage) {
    const { traffic } = stage;
    await Promise.all(instances.map((id) => traffic.control(id, { hold: true })));
    const asked = traffic.visit({
      url: "http://reviews:9080/reviews/0?hold",
      count: allowed + 1,
      parallel: allowed + 1,
    });
    let most = 0;
    await until(
      "1,000 requests under way",
      async () => {
        const now = await parked(stage);
        const still = now === most && now >= allowed;
        most = Math.max(most, now);
        return still || undefined;
      },
      10_000,
    ).catch(() => undefined);
    await Promise.all(instances.map((id) => traffic.control(id, {})));
    const answers = await asked;
    const count = (status: number): number => answers.filter((a) => a.status === status).length;
    const observed = { underWay: most, status503: count(503), status200: count(200) };
    const ok = most === allowed && observed.status503 === 1 && observed.status200 === allowed;
    const tale = `of ${allowed + 1} requests at one time ${most} were under way, ${observed.status503} got 503, ${observed.status200} got 200`;
    return { observed, ok, tale };
  },
};
