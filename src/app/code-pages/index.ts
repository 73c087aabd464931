/**
 * Gives back the pages of the executable that only the start needed. Of a proxy's resident memory more than half is
 * the runtime's own code, mapped from its file: most of it ran once (loading, parsing, compiling what is hot) and stays
 * mapped, for the kernel takes nothing back while memory is plenty. Pages that are still needed come back by minor
 * faults out of the page cache, without reading the disk.
 */
import { dlopen, FFIType } from "bun:ffi";
import { readFileSync, readlinkSync } from "node:fs";
import type { Clock, Logger, Timer } from "../../base/index.ts";

/** The compilers' own code is warm again after each burst of new work; idle sidecars are small again after this. */
export const releaseEveryMs = 5 * 60_000;

/** Linux: the pages of a private file mapping are read from the file again at their next use. */
const madviseDontNeed = 4;

export interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly residentBytes: number;
}

const headLine = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+\s*(.*)$/;

/**
 * Mappings of `file` in the text of /proc/self/smaps that are exactly the file's bytes: private, never writable, and
 * without a page of their own, in memory or swapped. Any other would lose what was written to it. (Private_Dirty says
 * something else: pages of a file that was just written and is not yet on the disk.)
 */
export function codeMappings(smaps: string, file: string): readonly Mapping[] {
  const found: Mapping[] = [];
  // A mapping is its head line and the lines `Name: value` below it.
  for (const block of smaps.split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
    const [, start = "", end = "", mode = "", name] =
      headLine.exec(block.slice(0, block.indexOf("\n"))) ?? [];
    if (name !== file || !/^r-[x-]p$/.test(mode)) continue;
    const kb = (key: string): number =>
      Number(new RegExp(`^${key}: +(\\d+) kB$`, "m").exec(block)?.[1] ?? NaN);
    if (kb("Anonymous") !== 0 || kb("Swap") !== 0) continue;
    found.push({
      start: Number.parseInt(start, 16),
      end: Number.parseInt(end, 16),
      residentBytes: kb("Rss") * 1024,
    });
  }
  return found;
}

type Advise = (start: number, length: number, advice: number) => number;
let madvise: Advise | undefined;

function loadMadvise(): Advise {
  const { u64, i32 } = FFIType;
  madvise ??= dlopen("libc.so.6", { madvise: { args: [u64, u64, i32], returns: i32 } }).symbols
    .madvise as Advise;
  return madvise;
}

/** Gives the pages back; returns their bytes, 0 where the system has no such thing (only Linux has). */
export function releaseCodePages(): number {
  if (process.platform !== "linux") return 0;
  let bytes = 0;
  try {
    const mappings = codeMappings(readFileSync("/proc/self/smaps", "utf8"), readlinkSync("/proc/self/exe"));
    const advise = loadMadvise();
    for (const { start, end, residentBytes } of mappings)
      if (advise(start, end - start, madviseDontNeed) === 0) bytes += residentBytes;
  } catch {
    // No /proc or no such libc: the pages stay, nothing else changes.
  }
  return bytes;
}

/** Gives pages back now, when the start is done, and every five minutes. Cancel it when the process ends. */
export function keepCodeSmall(clock: Clock, log: Logger, release: () => number = releaseCodePages): Timer {
  const once = (): void => log.debug("gave code pages back", { bytes: release() });
  once();
  return clock.every(releaseEveryMs, once);
}
