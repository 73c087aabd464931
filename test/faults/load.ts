/**
 * An application that calls others through its sidecar, told what to do over its own port: `/load?url=&rate=` starts a
 * steady stream of requests, `/stats` tells what came of it, `/get?url=` makes one request. Any other path is answered
 * with the words of the command line.
 */
const stats = {
  sent: 0,
  statuses: {} as Record<string, number>,
  failures: [] as string[],
  bodies: {} as Record<string, number>,
};
let going: ReturnType<typeof setInterval> | undefined;

async function one(url: string): Promise<string> {
  try {
    const answer = await fetch(url, { redirect: "manual" });
    const body = (await answer.text()).trim();
    return `${answer.status} ${body}`;
  } catch (error) {
    return `000 ${error instanceof Error ? error.message : error}`;
  }
}

async function count(url: string): Promise<void> {
  const at = new Date().toISOString();
  const [status = "", ...rest] = (await one(url)).split(" ");
  const body = rest.join(" ");
  stats.statuses[status] = (stats.statuses[status] ?? 0) + 1;
  if (status === "200") stats.bodies[body] = (stats.bodies[body] ?? 0) + 1;
  else if (stats.failures.length < 20) stats.failures.push(`${at} ${status} ${body}`);
}

function load(url: string, rate: number): void {
  clearInterval(going);
  const began = performance.now();
  const before = stats.sent;
  going = setInterval(() => {
    const due = before + Math.floor(((performance.now() - began) / 1000) * rate);
    for (; stats.sent < due; stats.sent++) void count(url);
  }, 2);
}

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.env["PORT"]),
  idleTimeout: 0,
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const url = searchParams.get("url") ?? "";
    if (pathname === "/load") load(url, Number(searchParams.get("rate")));
    if (pathname === "/stop") clearInterval(going);
    if (pathname === "/load" || pathname === "/stop" || pathname === "/stats") {
      const { bodies } = stats;
      if (pathname === "/stats" && searchParams.has("fresh")) stats.bodies = {};
      return Response.json({ ...stats, bodies });
    }
    if (pathname === "/get") return new Response(await one(url));
    return new Response(`${process.argv.slice(2).join(" ")}\n`);
  },
});
process.on("SIGTERM", () => process.exit(0));
