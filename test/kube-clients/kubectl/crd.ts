/** Kinds that a user defines. */
import { type Row, row, send } from "./types.ts";

const crd = (plural: string, kind: string, more = ""): string => `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ${plural}.kc.example.com}
spec:
  group: kc.example.com
  scope: Namespaced
  names: {plural: ${plural}, singular: ${kind.toLowerCase()}, kind: ${kind}, shortNames: [${plural.slice(0, 3)}x]}
  versions:
  - name: v1
    served: true
    storage: true
    ${more}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Colour, type: string, jsonPath: .spec.colour, priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer, minimum: 1, maximum: 10}
              colour: {type: string, enum: [red, blue], default: red}
              tags: {type: array, items: {type: string}, maxItems: 2}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
          status: {type: object, properties: {seen: {type: integer}}}
`;
const object = (kind: string, name: string, spec: string): string =>
  `{apiVersion: kc.example.com/v1, kind: ${kind}, metadata: {name: ${name}}, spec: {${spec}}}`;

export const crdRows: readonly Row[] = [
  row(
    "crd-use",
    "a definition is created, established, used, shown in its columns",
    { run: "delete crd gadgets.kc.example.com --ignore-not-found", pick: () => "gone" },
    send("create -f -", crd("gadgets", "Gadget", "subresources: {status: {}}")),
    "wait --for=condition=Established crd/gadgets.kc.example.com --timeout=20s",
    { run: "api-resources --api-group=kc.example.com --no-headers", until: /gadgets/, lines: /gadgets/ },
    send("create -f -", object("Gadget", "one", "size: 3, free: {any: [thing]}")),
    "get gadgets",
    "get gadx one -o wide",
    "get gadget one -o jsonpath={.spec}/{.metadata.generation}",
    `patch gadget one --subresource=status --type=merge -p '{"status":{"seen":1}}'`,
    "get gadget one -o jsonpath={.status}/{.metadata.generation}",
    { run: "explain gadget.spec.size", lines: /GROUP|KIND|VERSION|FIELD/ },
    "delete gadget one",
    {
      run: "get crd gadgets.kc.example.com -o jsonpath={.status.acceptedNames}/{.status.storedVersions}/{.status.conditions[*].type}",
    },
  ),
  row(
    "crd-validation",
    "its schema refuses, prunes and fills in",
    { run: "delete crd widgets.kc.example.com --ignore-not-found", pick: () => "gone" },
    send("create -f -", crd("widgets", "Widget")),
    "wait --for=condition=Established crd/widgets.kc.example.com --timeout=20s",
    { run: "api-resources --api-group=kc.example.com --no-headers", until: /widgets/, lines: /widgets/ },
    send("create -f -", object("Widget", "big", "size: 11")),
    send("create -f -", object("Widget", "none", "colour: red")),
    send("create -f -", object("Widget", "green", "size: 1, colour: green")),
    send("create -f -", object("Widget", "word", "size: one")),
    send("create -f -", object("Widget", "tags", "size: 1, tags: [a, b, c]")),
    send("create -f -", object("Widget", "extra", "size: 1, extra: 2")),
    send("create --validate=ignore -f -", object("Widget", "extra", "size: 1, extra: 2")),
    "get widget extra -o jsonpath={.spec}",
  ),
  row(
    "crd-delete",
    "deleting a definition ends the kind",
    { run: "delete crd sprockets.kc.example.com --ignore-not-found", pick: () => "gone" },
    send("create -f -", crd("sprockets", "Sprocket")),
    "wait --for=condition=Established crd/sprockets.kc.example.com --timeout=20s",
    { run: "api-resources --api-group=kc.example.com --no-headers", until: /sprockets/, lines: /sprockets/ },
    send("create -f -", object("Sprocket", "one", "size: 1")),
    "delete crd sprockets.kc.example.com --timeout=20s",
    {
      run: "api-resources --api-group=kc.example.com --no-headers",
      until: /^(?!.*sprockets)/s,
      lines: /sprockets/,
    },
  ),
  row(
    "crd-invalid",
    "definitions that cannot be",
    { run: "delete crd cogs.kc.example.com --ignore-not-found", pick: () => "gone" },
    send("create -f -", crd("cogs", "Cog").replace("name: cogs.kc", "name: wrong.kc")),
    send("create -f -", crd("cogs", "Cog").replace("storage: true", "storage: false")),
    send(
      "create -f -",
      crd("cogs", "Cog").replace("size: {type: integer, minimum: 1, maximum: 10}", "size: {minimum: 1}"),
    ),
  ),
];
