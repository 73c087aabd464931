/** Who gets which version, and what a caller without mutual TLS gets. */
import type { Visited } from "../apps/index.ts";
import type { Step } from "./step.ts";

/** How many answers each version gave: through the page where it calls reviews, or by reviews itself. */
export function versions(answers: readonly Visited[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, body } of answers) {
    let version = `status ${status}`;
    if (status === 200) {
      const parsed = JSON.parse(body) as { version?: string; reviews?: { version?: string } };
      version = parsed.version ?? parsed.reviews?.version ?? "unknown";
    }
    counts[version] = (counts[version] ?? 0) + 1;
  }
  return counts;
}

const list = (counts: Record<string, number>): string =>
  Object.entries(counts)
    .sort()
    .map(([version, n]) => `${version}: ${n}`)
    .join(", ");

const page = "http://productpage:9080/productpage";
const jasonCount = 40;
const othersCount = 60;

export const jason: Step = {
  id: "jason-gets-v2",
  title: "end-user jason reads reviews v2, always",
  manifests: ["virtual-service"],
  expected: { v2: jasonCount },
  async run({ traffic }) {
    const headers = { "end-user": "jason" };
    const seen = versions(await traffic.visit({ url: page, headers, count: jasonCount, parallel: 4 }));
    const ok = seen["v2"] === jasonCount;
    return { observed: seen, ok, tale: `${jasonCount} pages for jason had reviews of ${list(seen)}` };
  },
};

export const others: Step = {
  id: "others-get-v1",
  title: "everybody else reads reviews v1, from both of its instances",
  manifests: ["virtual-service"],
  expected: { v1: othersCount, instances: 2 },
  async run({ traffic }) {
    const answers = await traffic.visit({ url: page, count: othersCount, parallel: 4 });
    const seen = versions(answers);
    const instances = new Set(
      answers
        .filter((a) => a.status === 200)
        .map((a) => (JSON.parse(a.body) as { reviews: { instance: string } }).reviews.instance),
    ).size;
    const ok = seen["v1"] === othersCount && instances === 2;
    const tale = `${othersCount} pages for others had reviews of ${list(seen)}, by ${instances} instances`;
    return { observed: { ...seen, instances }, ok, tale };
  },
};

export const strict: Step = {
  id: "plaintext-is-refused",
  title: "a plaintext caller is refused before the application sees a byte; mesh callers are served",
  manifests: ["peer-authentication"],
  expected: { plaintextBytes: 0, applicationSaw: 0, meshStatus: 200 },
  async run({ stack, traffic }) {
    const { address } = stack.instance("details");
    const before = await traffic.state("details");
    const plain = await traffic.plaintext(address, 9080, "/details/0?mark");
    const after = await traffic.state("details");
    const [mesh] = await traffic.visit({ url: "http://details:9080/details/0" });
    const saw = after.marked - before.marked;
    const observed = {
      plaintextBytes: plain.bytes,
      ended: plain.ended,
      applicationSaw: saw,
      meshStatus: mesh?.status,
    };
    const refused = plain.bytes === 0 && plain.ended !== "time-out" && saw === 0;
    const tale = refused
      ? `plain HTTP to ${address}:9080 was ${plain.ended} after 0 bytes, the application saw nothing; through the mesh: ${mesh?.status}`
      : `plain HTTP to ${address}:9080 got status ${plain.status}, the application saw ${saw} request(s); through the mesh: ${mesh?.status}`;
    return { observed, ok: refused && mesh?.status === 200, tale };
  },
};
