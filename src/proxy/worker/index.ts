/** A data thread: messages of the agent in, the data plane's out. */
import { seededRng, systemClock } from "../../base/index.ts";
import type { FromWorker, ToWorker } from "../config/index.ts";
import { createDataPlane, type DataPlane } from "../data/index.ts";

interface WorkerScope {
  onmessage: ((event: { readonly data: ToWorker }) => void) | null;
  postMessage(message: FromWorker): void;
}

const scope = globalThis as unknown as WorkerScope;
const post = (message: FromWorker): void => scope.postMessage(message);
let plane: DataPlane | null = null;

scope.onmessage = ({ data }) => {
  if (data.kind === "init") {
    plane = createDataPlane({ init: data, clock: systemClock, rng: seededRng(data.seed), post });
    post({ kind: "ready" });
    return;
  }
  plane?.handle(data);
};
