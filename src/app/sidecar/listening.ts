/** Where a local port is listened on, from the kernel's tables. */

/** `127.0.0.1` and `::1` as /proc/net/tcp writes them. */
const loopback = /^(?:[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F)$/;
const listenState = "0A";

/** Whether one of the tables has a listener on the port at an address that is not loopback. */
export function listensWide(port: number, tables: readonly string[]): boolean {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  return tables.some((table) =>
    table.split("\n").some((line) => {
      const [, local = "", , state] = line.trim().split(/\s+/);
      const [address = "", at] = local.split(":");
      return at === wanted && state === listenState && !loopback.test(address);
    }),
  );
}

/** /proc/net/tcp and tcp6; nothing where the system has no such files. */
export async function socketTables(): Promise<readonly string[]> {
  const read = (name: string): Promise<string> =>
    Bun.file(`/proc/net/${name}`)
      .text()
      .catch(() => "");
  return Promise.all([read("tcp"), read("tcp6")]);
}
