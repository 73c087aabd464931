/** Entry of the store's thread; it stands beside main.ts so that the compiled executable finds it. */
import { serveStore } from "./kube/store/index.ts";

declare const self: Worker;
const receive = serveStore((reply) => self.postMessage(reply));
self.onmessage = (event: MessageEvent) => receive(event.data);
