/** For tests of the compiler: JSON in, outcome out. */
import { expect } from "bun:test";
import { type DescMessage, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { extensionRegistry } from "./any.ts";
import { compileMessage, type Outcome } from "./resource.ts";

export const compile = (schema: DescMessage, json: JsonValue): Outcome =>
  compileMessage(fromJson(schema, json, { registry: extensionRegistry }));

export function good<T>(outcome: Outcome): T {
  expect(outcome.errors).toEqual([]);
  return outcome.resource as T;
}

export const said = (outcome: Outcome): string[] => outcome.errors.map((e) => `${e.path}: ${e.message}`);
export const ext = "type.googleapis.com/envoy.extensions.";
