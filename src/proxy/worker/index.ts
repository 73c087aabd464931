/** A data thread: messages of the agent in, the data plane's out. */
import { seededRng, systemClock } from "../../base/index.ts";
import { EpollLoop } from "../../wire/epoll/index.ts";
import type { FromWorker, ToWorker } from "../config/index.ts";
import { createDataPlane, type DataPlane, epollNet, reportFault } from "../data/index.ts";

interface WorkerScope {
  onmessage: ((event: { readonly data: ToWorker }) => void) | null;
  postMessage(message: FromWorker): void;
}

const scope = globalThis as unknown as WorkerScope;
const post = (message: FromWorker): void => scope.postMessage(message);

/** `WEFT_SOCKETS=runtime` keeps the thread from its own loop, should that be in doubt. */
async function startLoop(): Promise<EpollLoop | null> {
  if (process.env["WEFT_SOCKETS"] === "runtime") return null;
  return EpollLoop.start({ clock: systemClock, onFault: reportFault });
}

async function start(init: Extract<ToWorker, { readonly kind: "init" }>): Promise<DataPlane> {
  const loop = await startLoop();
  const rng = seededRng(init.seed);
  const plane = loop
    ? createDataPlane({ init, clock: loop.clock, rng, post, net: epollNet(loop) })
    : createDataPlane({ init, clock: systemClock, rng, post });
  post({ kind: "ready" });
  return plane;
}

let plane: Promise<DataPlane> | null = null;

scope.onmessage = ({ data }) => {
  if (data.kind === "init") plane = start(data);
  else void plane?.then((p) => p.handle(data));
};
