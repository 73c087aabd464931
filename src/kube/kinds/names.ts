/** Kubernetes' rules for names, labels and keys, and what it says where one is broken. */

const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const dns1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const namePart = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const configKey = /^[-._a-zA-Z0-9]+$/;

/** What is wrong with a value; empty: nothing. */
export type Problems = readonly string[];

const tooLong = (max: number): string => `must be no more than ${max} characters`;
const regex = (rule: string, pattern: string, ...examples: readonly string[]): string =>
  `${rule} (e.g. ${examples.map((e) => `'${e}'`).join(",  or ")}, regex used for validation is '${pattern}')`;
const check = (text: string, max: number, fits: boolean, rule: string): Problems => [
  ...(text.length > max ? [tooLong(max)] : []),
  ...(fits ? [] : [rule]),
];

const labelRule = regex(
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
  "my-name",
  "123-abc",
);
const label1035Rule = regex(
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  "[a-z]([-a-z0-9]*[a-z0-9])?",
  "my-name",
  "abc-123",
);
const subdomainRule = regex(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
  "example.com",
);
const partRule = regex(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]",
  "MyName",
  "my.name",
  "123-abc",
);
const valueRule = regex(
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
  "MyValue",
  "my_value",
  "12345",
);
const configKeyRule = regex(
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  "[-._a-zA-Z0-9]+",
  "key.name",
  "KEY_NAME",
  "key-name",
);

/** RFC 1123 label, at most 63 characters. */
export const labelProblems = (text: string): Problems => check(text, 63, dnsLabel.test(text), labelRule);
/** RFC 1035 label: starts with a letter (names of Services). */
export const label1035Problems = (text: string): Problems =>
  check(text, 63, dns1035.test(text), label1035Rule);
/** RFC 1123 subdomain, at most 253 characters. */
export const subdomainProblems = (text: string): Problems =>
  check(
    text,
    253,
    text.split(".").every((part) => dnsLabel.test(part)),
    subdomainRule,
  );
/** A segment of a path, whatever else it is. */
export function pathProblems(text: string): Problems {
  if (text === "." || text === "..") return [`may not be '${text}'`];
  return [
    ...(text.length > 253 ? [tooLong(253)] : []),
    ...["/", "%"].filter((c) => text.includes(c)).map((c) => `may not contain '${c}'`),
  ];
}

/** A label key or an annotation key: `[prefix/]name`. */
export function qualifiedNameProblems(key: string): Problems {
  const parts = key.split("/");
  if (parts.length > 2)
    return [
      `a qualified name ${partRule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  const [name = "", prefix] = parts.reverse();
  const before =
    prefix === undefined
      ? []
      : prefix === ""
        ? ["prefix part must be non-empty"]
        : subdomainProblems(prefix).map((p) => `prefix part ${p}`);
  const own = name === "" ? ["must be non-empty"] : check(name, 63, namePart.test(name), partRule);
  return [...before, ...own.map((p) => `name part ${p}`)];
}

export const labelValueProblems = (value: string): Problems =>
  check(value, 63, value === "" || namePart.test(value), valueRule);

/** A key of a ConfigMap or Secret. */
export function configKeyProblems(key: string): Problems {
  const dots = key === "." ? ["must not be '.'"] : key === ".." ? ["must not be '..'"] : [];
  const up = dots.length === 0 && key.startsWith("..") ? ["must not start with '..'"] : [];
  return [...check(key, 253, configKey.test(key), configKeyRule), ...dots, ...up];
}

export const isDnsLabel = (text: string): boolean => labelProblems(text).length === 0;
export const isDns1035Label = (text: string): boolean => label1035Problems(text).length === 0;
export const isDnsSubdomain = (text: string): boolean => subdomainProblems(text).length === 0;
export const isQualifiedName = (key: string): boolean => qualifiedNameProblems(key).length === 0;
