/** A failing instance leaves the balance and comes back; the last one stays whatever it does. */
import type { Visited } from "../apps/index.ts";
import type { Stage, Step, StepResult } from "./step.ts";

const url = "http://reviews:9080/reviews/0";
const bad = "reviews-v1-a";
const last = "reviews-v1-b";

/** Since when the instance is away, as the visitor saw it; performance.now(). */
let ejectedAt = Number.NaN;

const instanceOf = (v: Visited): string =>
  v.status === 200 ? (JSON.parse(v.body) as { instance: string }).instance : "";

export const ejected: Step = {
  id: "failing-instance-is-ejected",
  title: "of the two v1 instances the failing one is ejected at its fifth consecutive 5xx",
  manifests: ["destination-rule"],
  expected: { answers5xx: 5, afterwards: "only 200, from the others" },
  async run({ stack, traffic }) {
    await traffic.control(bad, { fail: 503 });
    const answers: Visited[] = [];
    for (let i = 0; i < 120; i++) {
      answers.push(...(await traffic.visit({ url })));
      if (answers.filter((a) => a.status !== 200).length === 5) ejectedAt = performance.now();
      const since = answers.length - answers.findLastIndex((a) => a.status !== 200);
      if (since > 30) break;
    }
    const failures = answers.filter((a) => a.status !== 200).length;
    if (failures !== 5) ejectedAt = Number.NaN;
    const { address } = stack.instance(bad);
    const at = failures === 5 ? `was ejected at its fifth` : "was not ejected";
    const tale = `${bad} (${address}) answered ${failures} of ${answers.length} requests with 503 and ${at}`;
    return { observed: { requests: answers.length, answers5xx: failures }, ok: failures === 5, tale };
  },
};

export const oneStays: Step = {
  id: "last-instance-stays",
  title: "with both v1 instances failing one stays: at most half is ejected",
  manifests: ["virtual-service", "destination-rule"],
  expected: { answeredBy: [last], refusedByProxy: 0 },
  async run({ traffic }) {
    const before = await Promise.all([traffic.state(bad), traffic.state(last)]);
    await traffic.control(last, { fail: 500 });
    const answers = await traffic.visit({ url: `${url}?mark`, count: 20 });
    const after = await Promise.all([traffic.state(bad), traffic.state(last)]);
    await traffic.control(last, {});
    const saw = after.map((s, i) => s.marked - before[i]!.marked);
    const failed = answers.filter((a) => a.status === 500).length;
    const ok = failed === 20 && saw[0] === 0 && saw[1] === 20;
    const tale = `with both failing, ${last} answered ${saw[1]} of 20 requests, ${bad} ${saw[0]}`;
    return { observed: { [bad]: saw[0], [last]: saw[1], status500: failed }, ok, tale };
  },
};

export const returned: Step = {
  id: "ejected-instance-returns",
  title: "the ejected instance is back at the first sweep after 30 s",
  manifests: ["destination-rule"],
  expected: { awaySeconds: [30, 61] },
  async run(stage): Promise<StepResult> {
    await stage.traffic.control(bad, {});
    if (Number.isNaN(ejectedAt))
      return { observed: { awaySeconds: null }, ok: false, tale: `${bad} was never away` };
    const port = String(stage.stack.instance(bad).appPort);
    const back = await whenBack(stage, port);
    const away = (back - ejectedAt) / 1000;
    const ok = away >= 29.5 && away <= 61.5;
    const tale = ok
      ? `${bad} was back ${away.toFixed(1)} s after its ejection`
      : `${bad} was back after ${away.toFixed(1)} s, not after 30 to 60 s`;
    return { observed: { awaySeconds: Math.round(away * 10) / 10 }, ok, tale };
  },
};

async function whenBack({ traffic }: Stage, instance: string): Promise<number> {
  const end = performance.now() + 65_000;
  while (performance.now() < end) {
    const answers = await traffic.visit({ url, count: 8 });
    if (answers.some((a) => instanceOf(a) === instance)) return performance.now();
    await Bun.sleep(250);
  }
  return Number.POSITIVE_INFINITY;
}
