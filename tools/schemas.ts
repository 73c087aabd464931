/**
 * Generates src/kube/kinds/gen/istio.json: the structure of the Istio kinds (fields, types, enums, descriptions)
 * from the type declarations of @kubernetes-models/istio. The package ships no JSON schema, only these and
 * compiled validators; the validators are used beside this at run time for patterns and ranges.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const models = join(root, "node_modules/@kubernetes-models/istio");
const out = join(root, "src/kube/kinds/gen");

const kinds: Readonly<Record<string, string>> = {
  VirtualService: "networking.istio.io/v1",
  DestinationRule: "networking.istio.io/v1",
  WorkloadEntry: "networking.istio.io/v1",
  ServiceEntry: "networking.istio.io/v1",
  Gateway: "networking.istio.io/v1",
  Sidecar: "networking.istio.io/v1",
  WorkloadGroup: "networking.istio.io/v1",
  EnvoyFilter: "networking.istio.io/v1alpha3",
  ProxyConfig: "networking.istio.io/v1beta1",
  PeerAuthentication: "security.istio.io/v1",
  AuthorizationPolicy: "security.istio.io/v1",
  RequestAuthentication: "security.istio.io/v1",
  Telemetry: "telemetry.istio.io/v1",
  WasmPlugin: "extensions.istio.io/v1alpha1",
};

interface Schema {
  type?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema;
  enum?: string[];
  nullable?: boolean;
  intOrString?: boolean;
  anything?: boolean;
}

function tokens(text: string): string[] {
  return text.match(/\/\*\*[\s\S]*?\*\/|"(?:[^"\\]|\\.)*"|[A-Za-z_$][\w$]*|[^\s]/g) ?? [];
}

class Parser {
  private at = 0;
  private readonly list: string[];
  constructor(list: string[]) {
    this.list = list;
  }
  private peek(): string {
    return this.list[this.at] ?? "";
  }
  private take(want?: string): string {
    const token = this.list[this.at++] ?? "";
    if (want !== undefined && token !== want) {
      throw new Error(`expected ${want}, found ${this.list.slice(this.at - 6, this.at + 4).join(" ")}`);
    }
    return token;
  }

  seek(...words: string[]): void {
    for (; this.at < this.list.length; this.at++) {
      if (words.every((w, i) => this.list[this.at + i] === w)) {
        this.at += words.length;
        return;
      }
    }
    throw new Error(`not found: ${words.join(" ")}`);
  }

  /** `A | B`, and past `& (...)`, which only says which combinations are allowed. */
  type(): Schema {
    const parts = [this.primary()];
    while (this.peek() === "|" || this.peek() === "&") {
      if (this.take() === "|") parts.push(this.primary());
      else this.skip();
    }
    return union(parts);
  }

  private skip(): void {
    this.take("(");
    for (let depth = 1; depth > 0; ) {
      const token = this.take();
      if (token === "(") depth++;
      else if (token === ")") depth--;
      else if (token === "") throw new Error("unbalanced");
    }
  }

  private primary(): Schema {
    const token = this.take();
    if (token === "{") return this.object();
    if (token.startsWith('"')) return { type: "string", enum: [JSON.parse(token)] };
    if (token === "string" || token === "number" || token === "boolean") return { type: token };
    if (token === "null") return { nullable: true };
    if (token === "unknown" || token === "any") return { anything: true };
    if (token === "Array") {
      this.take("<");
      const items = this.type();
      this.take(">");
      return { type: "array", items };
    }
    if (/^I[A-Z]/.test(token)) return { anything: true };
    throw new Error(`unknown type ${token}`);
  }

  object(): Schema {
    const schema: Schema = { type: "object" };
    let description: string | undefined;
    for (;;) {
      const token = this.take();
      if (token === "}") return schema;
      if (token === ";") continue;
      if (token.startsWith("/**")) {
        description = token
          .slice(3, -2)
          .replace(/^\s*\*? ?/gm, "")
          .trim();
        continue;
      }
      if (token === "[") {
        this.seek("]");
        this.take(":");
        schema.additionalProperties = this.type();
        continue;
      }
      const name = token.startsWith('"') ? (JSON.parse(token) as string) : token;
      const optional = this.peek() === "?" && this.take() === "?";
      this.take(":");
      const value = this.type();
      schema.properties ??= {};
      schema.properties[name] = description ? { ...value, description } : value;
      if (!optional) schema.required = [...(schema.required ?? []), name];
      description = undefined;
    }
  }
}

function union(parts: Schema[]): Schema {
  const nullable = parts.some((p) => p.nullable && !p.type);
  const real = parts.filter((p) => p.type || p.anything);
  const extra = nullable ? { nullable: true } : {};
  if (real.length === 1) return { ...real[0]!, ...extra };
  if (real.every((p) => p.enum)) return { type: "string", enum: real.flatMap((p) => p.enum!), ...extra };
  const types = new Set(real.map((p) => p.type));
  if (types.size === 2 && types.has("string") && types.has("number")) return { intOrString: true, ...extra };
  if (types.has("object")) return { ...real.find((p) => p.type === "object")!, ...extra };
  throw new Error(`union of ${[...types].join(", ")}`);
}

const result: Record<string, Schema> = {};
for (const [kind, path] of Object.entries(kinds)) {
  const parser = new Parser(tokens(readFileSync(join(models, path, `${kind}.d.ts`), "utf8")));
  parser.seek("interface", `I${kind}`, "{");
  const { spec, status } = parser.object().properties!;
  result[kind] = { type: "object", properties: { spec: spec!, status: status! } };
}
mkdirSync(out, { recursive: true });
writeFileSync(join(out, "istio.json"), `${JSON.stringify(result)}\n`);
