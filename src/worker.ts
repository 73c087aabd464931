/** Entry of a data thread. Beside main.ts, so that one URL finds it from source and inside the executable. */
import "./proxy/worker/index.ts";
