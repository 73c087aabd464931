/** Tells the story: starts everything, applies the manifests, runs the steps, says what was seen. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import colors from "picocolors";
import { type EdgeRow, edgesBetween, edgeTable, SilentInstance, type Snapshot, scrape } from "./edges.ts";
import { manifests } from "./manifests.ts";
import { type Stack, startStack } from "./stack.ts";
import { type ManifestName, type StepReport, steps } from "./story/index.ts";
import { createTraffic, type Traffic } from "./traffic.ts";

export interface DemoOptions {
  /** Command that starts Weft, without arguments. */
  readonly self: readonly string[];
  /** File for expected and observed of each step. */
  readonly out?: string;
  /** Manifest to leave out. */
  readonly without?: string;
  /** Kubeconfig of a cluster to play on, in namespace `default`; absent: an API server of our own. */
  readonly cluster?: string;
  /** Stay up afterwards until Ctrl-C. */
  readonly stay: boolean;
  readonly color: boolean;
}

const say = (line = ""): void => void process.stdout.write(`${line}\n`);

/** Runs the whole story. Resolves with the exit status: 0 only if every step was as the manifests say. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const c = colors.createColors(options.color);
  const without = options.without?.replace(/^.*\//, "").replace(/\.ya?ml$/, "");
  if (without !== undefined && !(without in manifests)) {
    process.stderr.write(
      `error: no manifest ${without}\n  mend: use one of ${Object.keys(manifests).join(", ")}\n`,
    );
    return 64;
  }
  const began = performance.now();
  const clock = (): string => c.dim(`${((performance.now() - began) / 1000).toFixed(0).padStart(3)} s`);
  const server = options.cluster === undefined ? "API server, " : "";
  say(`${clock()}  starting ${server}control plane, and nine applications with a sidecar each ...`);
  const stack = await startStack(options.self, options.cluster);
  const stop = interrupt();
  try {
    say(`${clock()}  all are ready: ${stack.instances.map((i) => i.id).join(", ")}`);
    await applyAll(stack, without, (line) => say(`${clock()}  ${line}`));
    const traffic = createTraffic(stack);
    const first = await scrape(stack);
    const background = keepVisiting(traffic);
    const reports: StepReport[] = [];
    for (const step of steps) {
      if (stop.signal.aborted) return 130;
      const at = performance.now();
      const result = await step.run({ stack, traffic }).catch((error: unknown) => ({
        ...{ ok: false, observed: { error: String(error) } },
        tale: `could not be tried: ${error instanceof Error ? error.message : error}`,
      }));
      const { id, title, manifests: rests, expected } = step;
      reports.push({
        ...{ id, title, manifest: rests[0] ?? null, manifests: rests, expected },
        ...{ observed: result.observed, ok: result.ok, seconds: round((performance.now() - at) / 1000) },
      });
      say(`${clock()}  ${result.ok ? c.green("√") : c.red("×")} ${c.bold(title)}`);
      say(`           ${result.tale}`);
    }
    await background.stop();
    const rows = edgesBetween(first, await scrape(stack), (performance.now() - began) / 1000);
    say(`\n${edgeTable(rows)}\n`);
    const seconds = round((performance.now() - began) / 1000);
    const status = conclude(reports, without, seconds, c);
    if (options.out)
      write(options.out, { reports, rows, seconds, without: without ?? null, ok: status === 0 });
    if (options.stay) await stayUp(stack, traffic, stop.signal);
    return status;
  } catch (error) {
    if (!(error instanceof SilentInstance)) throw error;
    say(`${clock()}  ${c.red("×")} ${error.message}`);
    return 1;
  } finally {
    stop.end();
    say(`${clock()}  stopping ...`);
    await stack.stop();
  }
}

const round = (n: number): number => Math.round(n * 10) / 10;

/** Ctrl-C and SIGTERM end the story between two steps; everything is stopped in order. */
function interrupt(): { readonly signal: AbortSignal; end(): void } {
  const abort = new AbortController();
  const onSignal = (): void => abort.abort();
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    signal: abort.signal,
    end: () => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}

async function applyAll(
  stack: Stack,
  without: string | undefined,
  tell: (line: string) => void,
): Promise<void> {
  for (const [name, text] of Object.entries(manifests)) {
    if (name === without) {
      tell(`${name}.yaml is left out`);
      continue;
    }
    const file = join(stack.dir, `${name}.yaml`);
    writeFileSync(file, text);
    const run = Bun.spawn([...stack.self, "apply", "--kubeconfig", stack.kubeconfig, "-f", `${name}.yaml`], {
      cwd: stack.dir,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "" },
    });
    const [out, talk, status] = await Promise.all([run.stdout.text(), run.stderr.text(), run.exited]);
    if (status !== 0) throw new Error(`weft apply -f ${name}.yaml: status ${status}\n${talk}`);
    tell(out.trim());
    for (const line of talk.trim().split("\n")) if (line) say(`           ${line}`);
  }
  await settled(stack);
}

/** Waits until every proxy has accepted what the control plane sent last. */
async function settled(stack: Stack): Promise<void> {
  const limit = performance.now() + 5_000;
  let still = 0;
  while (still < 3 && performance.now() < limit) {
    const run = Bun.spawn([...stack.self, "proxy-status", "--kubeconfig", stack.kubeconfig, "-o", "json"], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
    });
    const text = await run.stdout.text();
    still = (await run.exited) === 0 && !text.includes('"STALE"') ? still + 1 : 0;
  }
}

/** A light stream of page views beside the steps, so that the table of edges has something to tell. */
function keepVisiting(traffic: Traffic): { stop(): Promise<void> } {
  let going = true;
  const loop = async (): Promise<void> => {
    while (going) {
      await traffic.visit({ url: "http://productpage:9080/productpage" }).catch(() => undefined);
      await Bun.sleep(100);
    }
  };
  const done = loop();
  return {
    stop: () => {
      going = false;
      return done;
    },
  };
}

function conclude(
  reports: readonly StepReport[],
  without: string | undefined,
  seconds: number,
  c: ReturnType<typeof colors.createColors>,
): number {
  const failed = reports.filter((r) => !r.ok).map((r) => r.id);
  if (without !== undefined) {
    const rests = reports.filter((r) => r.manifests.includes(without as ManifestName)).map((r) => r.id);
    const exact = rests.length === failed.length && rests.every((id) => failed.includes(id));
    say(
      `without ${without}: ${failed.length} of ${reports.length} steps failed: ${failed.join(", ") || "none"}`,
    );
    say(
      exact
        ? "these are exactly the steps that rest on it"
        : `the steps that rest on it: ${rests.join(", ")}`,
    );
    return failed.length === 0 ? 0 : 1;
  }
  const verdict =
    failed.length === 0
      ? c.green("every step was as the manifests say")
      : c.red(`not as the manifests say: ${failed.join(", ")}`);
  say(`${reports.length - failed.length} of ${reports.length} steps, ${seconds} s: ${verdict}`);
  return failed.length === 0 ? 0 : 1;
}

interface Written {
  readonly reports: readonly StepReport[];
  readonly rows: readonly EdgeRow[];
  readonly seconds: number;
  readonly without: string | null;
  readonly ok: boolean;
}

function write(file: string, { reports, rows, ...rest }: Written): void {
  writeFileSync(file, `${JSON.stringify({ ...rest, steps: reports, edges: rows }, null, 2)}\n`);
}

/** Keeps the mesh up with a little traffic and the table of edges drawn anew each second. */
async function stayUp(stack: Stack, traffic: Traffic, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const weft = stack.self.length === 1 ? "weft" : "./weft";
  say("The mesh stays up until Ctrl-C. Look around from another terminal:");
  say(`  export WEFT_KUBECONFIG=${stack.kubeconfig}`);
  for (const line of [
    "get virtualservices,workloadentries",
    "proxy-status",
    "why productpage reviews --header 'end-user: jason'",
  ])
    say(`  ${weft} ${line}`);
  say(`  curl http://${stack.instance("productpage").address}:15020/stats/prometheus\n`);
  const background = keepVisiting(traffic);
  let before: Snapshot = await scrape(stack);
  let lines = 0;
  while (!signal.aborted) {
    await Bun.sleep(1_000);
    const now = await scrape(stack).catch(() => before);
    const text = edgeTable(edgesBetween(before, now, 1));
    if (lines > 0) process.stdout.write(`\x1b[${lines}A\x1b[J`);
    say(text);
    lines = text.split("\n").length;
    before = now;
  }
  await background.stop();
}
