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
  expected: { underWay: allowed, extraStatus: 503, status200: allowed },
  async run(stage) {
    const { traffic } = stage;
    const url = "http://reviews:9080/reviews/0?hold";
    await Promise.all(instances.map((id) => traffic.control(id, { hold: true })));
    const asked = traffic.visit({ url, count: allowed, parallel: allowed });
    const enough = async (): Promise<true | undefined> => (await parked(stage)) >= allowed || undefined;
    await until("1,000 requests under way", enough, 10_000).catch(() => undefined);
    const most = await parked(stage);
    const extra = traffic.visit({ url });
    // Without a limit it is parked as well: it must not keep the story.
    const [answer] = await Promise.race([extra, Bun.sleep(1_000).then(() => [])]);
    await Promise.all(instances.map((id) => traffic.control(id, {})));
    const answers = await asked;
    await extra;
    const status200 = answers.filter((a) => a.status === 200).length;
    const observed = {
      underWay: most,
      extraStatus: answer?.status ?? null,
      extraMs: answer?.ms ?? null,
      status200,
    };
    const ok = most === allowed && answer?.status === 503 && status200 === allowed;
    const got = answer ? `got ${answer.status} after ${answer.ms} ms` : "was let in too";
    const tale = `${most} requests were under way, one more ${got}; the others ended with ${status200} times 200`;
    return { observed, ok, tale };
  },
};
