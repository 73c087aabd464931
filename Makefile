# Every target sets up what it needs; git, make and Node 20 with npm are enough.
BUN_VERSION := 1.4.5
BUN := .tools/node_modules/.bin/bun
SETUP := .cache/setup-$(BUN_VERSION)
export WEFT_BUN := $(abspath $(BUN))

.PHONY: capture kube-clients demo-kube crash outage rolling setup demo test check fix bench soak interop bench-memory bench-xds build clean garbage soak-svid soak-grpc

setup: $(SETUP)

$(BUN):
	@mkdir -p .tools
	@npm install --loglevel=error --no-save --no-package-lock --no-audit --no-fund --prefix .tools bun@$(BUN_VERSION)

$(SETUP): $(BUN) package.json bun.lock tools/proto.ts tools/schemas.ts $(shell find src/proto/local -name '*.proto')
	@$(BUN) install --frozen-lockfile --silent
	@$(BUN) tools/proto.ts
	@$(BUN) tools/schemas.ts
	@mkdir -p .cache && touch $@

## The story: a mesh on this machine, the four manifests, real traffic. OUT=f.json, WITHOUT=<manifest>,
## CLUSTER=<kubeconfig>: on a real Kubernetes API server instead of our own, in its namespace default.
demo: setup
	@$(BUN) demo/main.ts $(if $(OUT),--out $(OUT)) $(if $(WITHOUT),--without $(WITHOUT)) $(if $(CLUSTER),--cluster $(CLUSTER))

test: setup
	@$(BUN) tools/test.ts $(ONLY)

check: setup
	@node_modules/.bin/biome check --error-on-warnings .
	@node_modules/.bin/tsc -p .
	@$(BUN) test tidy.test.ts

fix: setup
	@node_modules/.bin/biome check --write .

bench: setup
	@$(BUN) bench/main.ts $(if $(OUT),--out $(OUT)) $(ARGS)

## 500 requests a second through two sidecars while routes are edited 30 times: one minute.
soak: setup
	@$(BUN) test/e2e/soak.ts

## 200 random SIGKILLs of the API server amid writes (ARGS="--kills 1000 --seed 7"): two minutes.
crash: setup
	@$(BUN) test/faults/main.ts crash $(ARGS)

## API server and control plane killed again and again under load (ARGS="--rounds 1 --away 600", "--victim api-server" or control-plane): 11 minutes.
outage: setup
	@$(BUN) test/faults/main.ts outage $(ARGS)

## 20 restarts of instances, one after the other, under load (ARGS="--restarts 100 --rate 500"): one minute.
rolling: setup
	@$(BUN) test/faults/main.ts rolling $(ARGS)

## 1,000 garbage connections to each port while a stream takes pushes: half a minute. ARGS="connections seed".
garbage: setup
	@$(BUN) test/hardening/main.ts $(ARGS)

## Certificates that live 60 s renew for ten minutes under load. ARGS="seconds life rate".
soak-svid: setup
	@$(BUN) test/hardening/soak-svid.ts $(ARGS)

## gRPC libraries without a proxy, nine pairings, certificates that live 40 s. ARGS="seconds life".
soak-grpc: setup
	@$(BUN) test/interop/proxyless/renewal.ts $(ARGS)

## kubectl, client-node, PyPI kubernetes and client-go do one table against our API server and a real kube-apiserver.
## ROWS=pattern for some; PRUNE=1 takes what is no longer different out of differences.json. 3 minutes, the first time more.
kube-clients: setup
	@$(BUN) test/kube-clients/main.ts $(if $(ROWS),--rows $(ROWS)) $(if $(PRUNE),--prune) $(if $(RECORD),--record) $(if $(OUT),--out $(OUT))

## The demo's story on a real kube-apiserver, started for it.
demo-kube: setup
	@$(BUN) test/kube-clients/demo.ts $(if $(OUT),--out $(OUT))

## Memory of a sidecar that knows 1,000 services, beside Envoy's.
bench-memory: setup
	@$(BUN) bench/memory.ts $(if $(OUT),--out $(OUT)) $(ARGS)

## The control plane under 100 to 1,000 grpc-go clients. XDSBENCH=folder of that Go program, ARGS="--proxies 100,500".
bench-xds: setup
	@$(BUN) bench/xds/main.ts --xdsbench "$(XDSBENCH)" $(ARGS)

## The same requests through Weft and Envoy on either side: 81 rows, four pairings, about one minute.
interop: setup
	@WEFT_INTEROP=full $(BUN) test test/interop/pairings.test.ts

## Programs that know nothing of proxies under weft run --transparent: names, protocols, policies, users. 10 s.
capture: setup
	@WEFT_CAPTURE_TESTS=full $(BUN) test --timeout 60000 test/capture src/app/capture src/proxy/dns src/wire/dns

build: setup
	@$(BUN) tools/build.ts

clean:
	rm -rf .cache .tools node_modules dist src/proto/gen
