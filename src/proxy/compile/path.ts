/** Where in a resource a problem is: the protobuf field path, readable and as keys for a YAML position. */

export class Path {
  private readonly parent: Path | undefined;
  private readonly key: string | number;
  private readonly label: string | undefined;

  private constructor(parent: Path | undefined, key: string | number, label: string | undefined) {
    this.parent = parent;
    this.key = key;
    this.label = label;
  }

  /** An empty name is not printed: for a file, whose paths begin with its own fields. */
  static root(name: string): Path {
    return new Path(undefined, name, undefined);
  }

  /** A field, or an element of a list or map. */
  at(key: string | number): Path {
    return new Path(this, key, undefined);
  }

  /** The same place, printed by the name of the message that stands there: a typed_config by its content. */
  retype(typeName: string): Path {
    const short = typeName.slice(typeName.lastIndexOf(".") + 1);
    const label = short.replace(/(?<=[a-z0-9])[A-Z]|(?<=[A-Z])[A-Z](?=[a-z])/g, "_$&").toLowerCase();
    return new Path(this.parent, this.key, label);
  }

  /** Keys under the root, as they stand in the JSON form. */
  keys(): (string | number)[] {
    return this.parent ? [...this.parent.keys(), this.key] : [];
  }

  toString(): string {
    if (!this.parent) return String(this.key);
    if (typeof this.key === "number") return `${this.parent}[${this.key}]`;
    const outer = String(this.parent);
    if (!/^[\w-]+$/.test(this.key)) return `${outer}["${this.key}"]`;
    return `${outer}${outer === "" ? "" : "."}${this.label ?? this.key}`;
  }
}

/** A mistake of the resource's author. */
export interface Problem {
  /** `listener.filter_chains[0].filters[0].http_connection_manager.codec_type`. */
  readonly path: string;
  /** The same under the resource's root, as keys. */
  readonly keys: readonly (string | number)[];
  readonly message: string;
}

/** What compiling one resource found. */
export class Findings {
  readonly errors: Problem[] = [];
  readonly warnings: Problem[] = [];
  /** What the resource says of how long others are waited for; see waits.ts. */
  readonly waits = new Map<string, number>();

  error(path: Path, message: string): void {
    if (this.errors.length < maxProblems)
      this.errors.push({ path: String(path), keys: path.keys(), message });
  }

  warn(path: Path, message: string): void {
    if (this.warnings.length < maxProblems)
      this.warnings.push({ path: String(path), keys: path.keys(), message });
  }
}

/** Enough to mend a file by; a hostile one cannot make a message without end. */
export const maxProblems = 50;

/** `path: message` lines, as in a NACK. */
export function describeProblems(problems: readonly Problem[]): string {
  return problems.map((p) => `${p.path}: ${p.message}`).join("; ");
}
