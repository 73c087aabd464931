/** Ctrl-C and SIGTERM as a promise: the first asks to stop, a second within the stop ends at once. */

export interface StopSignal {
  /** The first signal. */
  readonly first: Promise<NodeJS.Signals>;
  end(): void;
}

export function stopSignal(onSecond: () => void = () => process.exit(130)): StopSignal {
  let count = 0;
  let resolveFirst: (signal: NodeJS.Signals) => void = () => {};
  const first = new Promise<NodeJS.Signals>((resolve) => {
    resolveFirst = resolve;
  });
  const handler = (signal: NodeJS.Signals): void => {
    if (count++ === 0) resolveFirst(signal);
    else onSecond();
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, handler);
  return {
    first,
    end() {
      for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(name, handler);
    },
  };
}
