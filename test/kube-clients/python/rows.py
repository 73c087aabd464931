"""Rows that the PyPI package kubernetes does. Prints one JSON object a line: {row, result}. Environment: KUBECONFIG,
NAMESPACE, COMPACT (an address whose POST makes the server forget its history), ROWS (a pattern)."""

import base64
import datetime
import json
import os
import re
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException

NS = os.environ["NAMESPACE"]
config.load_kube_config()
api = client.ApiClient()
core = client.CoreV1Api()
apps = client.AppsV1Api()
custom = client.CustomObjectsApi()
ROWS = []


def row(ident):
    def keep(run):
        ROWS.append((ident, run))
        return run

    return keep


def plain(value):
    return api.sanitize_for_serialization(value)


def failure(error):
    try:
        status = json.loads(error.body)
    except (TypeError, ValueError):
        status = error.body
    return {"code": error.status, "status": status}


def attempt(run, *args, **more):
    try:
        return plain(run(*args, **more))
    except ApiException as error:
        return failure(error)


def call(method, path, body, content_type="application/json", query=""):
    """Plain HTTP with the client's own credentials, for what its typed calls do not send."""
    settings = api.configuration
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    headers = {"Content-Type": content_type, "Accept": "application/json"}
    headers["Authorization"] = settings.api_key.get("BearerToken") or settings.api_key["authorization"]
    if not headers["Authorization"].startswith("Bearer"):
        headers["Authorization"] = f"Bearer {headers['Authorization']}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(settings.host + path + query, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return {"code": error.code, "status": json.load(error)}


def config_map(name, data=None, **meta):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, **meta), data=data or {"a": "1"})


def virtual_service(name, hosts=("reviews",)):
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name},
        "spec": {"hosts": list(hosts), "http": [{"route": [{"destination": {"host": "reviews"}}]}]},
    }


ISTIO = ("networking.istio.io", "v1", NS, "virtualservices")


@row("crud")
def crud():
    made = core.create_namespaced_config_map(NS, config_map("p-crud"))
    made.data = {"b": "2"}
    replaced = core.replace_namespaced_config_map("p-crud", NS, made)
    patched = core.patch_namespaced_config_map("p-crud", NS, {"data": {"c": "3"}})
    gone = core.delete_namespaced_config_map("p-crud", NS)
    return [plain(made), replaced.data, patched.data, plain(gone)]


@row("conflict")
def conflict():
    made = core.create_namespaced_config_map(NS, config_map("p-conf"))
    core.patch_namespaced_config_map("p-conf", NS, {"data": {"a": "2"}})
    return attempt(core.replace_namespaced_config_map, "p-conf", NS, made)


@row("not-found")
def not_found():
    return [
        attempt(core.read_namespaced_secret, "p-none", NS),
        attempt(core.delete_namespaced_service, "p-none", NS),
        attempt(custom.get_namespaced_custom_object, *ISTIO, "p-none"),
        attempt(custom.list_namespaced_custom_object, "nothing.example.com", "v1", NS, "things"),
    ]


@row("secret")
def secret():
    body = client.V1Secret(metadata=client.V1ObjectMeta(name="p-sec"), string_data={"a": "b"}, data={"c": "ZA=="})
    made = core.create_namespaced_secret(NS, body)
    typed = attempt(core.create_namespaced_secret, NS, client.V1Secret(metadata=client.V1ObjectMeta(name="p-tls"), type="kubernetes.io/tls"))
    return [plain(made), typed]


@row("secret-types")
def secret_types():
    def make(name, kind, data):
        body = client.V1Secret(metadata=client.V1ObjectMeta(name=name), type=kind, string_data=data)
        done = attempt(core.create_namespaced_secret, NS, body)
        return done.get("type") or done

    return [
        make("p-basic", "kubernetes.io/basic-auth", {"username": "a"}),
        make("p-basic-2", "kubernetes.io/basic-auth", {"other": "a"}),
        make("p-tls-2", "kubernetes.io/tls", {"tls.crt": "a", "tls.key": "b"}),
        make("p-docker", "kubernetes.io/dockerconfigjson", {".dockerconfigjson": "{}"}),
    ]


@row("services-types")
def services_types():
    def make(name, **spec):
        body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}
        done = attempt(core.create_namespaced_service, NS, body)
        return done.get("spec", done)

    none = make("p-none", clusterIP="None")
    external = make("p-ext", type="ExternalName", externalName="example.com")
    node_port = make("p-node", type="NodePort")
    if "ports" in node_port:
        node_port["ports"][0]["nodePort"] = "allotted" if node_port["ports"][0].get("nodePort") else "none"
    families = make("p-dual", ipFamilyPolicy="PreferDualStack")
    bad = make("p-bad", type="Sometimes")
    return [none, external, node_port, families, bad]


@row("service-change-type")
def service_change_type():
    core.create_namespaced_service(NS, {"metadata": {"name": "p-chg"}, "spec": {"ports": [{"port": 80}]}})
    done = attempt(core.patch_namespaced_service, "p-chg", NS, {"spec": {"type": "ExternalName", "externalName": "example.com"}})
    back = attempt(core.patch_namespaced_service, "p-chg", NS, {"spec": {"type": "ClusterIP", "externalName": None}})
    return [done.get("spec", done), back.get("spec", back)]


@row("endpointslice")
def endpointslice():
    body = {
        "metadata": {"name": "p-slice", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"port": 80}],
        "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"], "conditions": {"ready": False}}],
    }
    discovery = client.DiscoveryV1Api()
    made = attempt(discovery.create_namespaced_endpoint_slice, NS, body)
    fixed = attempt(discovery.patch_namespaced_endpoint_slice, "p-slice", NS, {"addressType": "IPv6"})
    return [made, fixed]


@row("lease")
def lease():
    now = datetime.datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=datetime.timezone.utc)
    spec = client.V1LeaseSpec(holder_identity="me", lease_duration_seconds=15, acquire_time=now, renew_time=now, lease_transitions=0)
    leases = client.CoordinationV1Api()
    made = leases.create_namespaced_lease(NS, client.V1Lease(metadata=client.V1ObjectMeta(name="p-lease"), spec=spec))
    made.spec.holder_identity = "other"
    done = leases.replace_namespaced_lease("p-lease", NS, made)
    bad = attempt(leases.patch_namespaced_lease, "p-lease", NS, {"spec": {"leaseDurationSeconds": 0}})
    return [plain(done.spec), bad]


@row("events")
def events():
    about = client.V1ObjectReference(api_version="v1", kind="ConfigMap", name="p-ev", namespace=NS)
    body = client.CoreV1Event(metadata=client.V1ObjectMeta(name="p-ev.1"), involved_object=about, reason="Tried", message="it did", type="Normal")
    made = core.create_namespaced_event(NS, body)
    listed = core.list_namespaced_event(NS, field_selector="involvedObject.name=p-ev,reason=Tried")
    new = call("GET", f"/apis/events.k8s.io/v1/namespaces/{NS}/events/p-ev.1", None)
    elsewhere = attempt(core.create_namespaced_event, NS, client.CoreV1Event(metadata=client.V1ObjectMeta(name="p-ev.2"), involved_object=client.V1ObjectReference(kind="ConfigMap", name="x", namespace="other")))
    return [plain(made), len(listed.items), new, elsewhere]


@row("pages")
def pages():
    for n in range(5):
        core.create_namespaced_config_map(NS, config_map(f"p-page-{n}", labels={"set": "p-page"}))
    seen, token, remaining = [], None, []
    while True:
        page = core.list_namespaced_config_map(NS, limit=2, _continue=token)
        seen += [i.metadata.name for i in page.items if i.metadata.name.startswith("p-page")]
        token = page.metadata._continue
        remaining.append(page.metadata.remaining_item_count is not None)
        if not token:
            return [seen, remaining[0], remaining[-1]]


@row("pages-while-changing")
def pages_while_changing():
    first = core.list_namespaced_config_map(NS, label_selector="set=p-page", limit=3)
    core.delete_namespaced_config_map("p-page-4", NS)
    core.create_namespaced_config_map(NS, config_map("p-page-5", labels={"set": "p-page"}))
    second = core.list_namespaced_config_map(NS, label_selector="set=p-page", limit=3, _continue=first.metadata._continue)
    now = core.list_namespaced_config_map(NS, label_selector="set=p-page")
    names = lambda l: [i.metadata.name for i in l.items]
    return [names(first), names(second), names(now), first.metadata.resource_version == second.metadata.resource_version]


@row("list-versions")
def list_versions():
    made = core.create_namespaced_config_map(NS, config_map("p-rv", labels={"set": "p-rv"}))
    second = core.create_namespaced_config_map(NS, config_map("p-rv-2", labels={"set": "p-rv"}))
    rv = made.metadata.resource_version
    names = lambda **o: attempt(lambda: [i.metadata.name for i in core.list_namespaced_config_map(NS, label_selector="set=p-rv", **o).items])
    return {
        # A server with a cache may answer as of any later version: only of the latest is it known what it has.
        "newer": names(resource_version=second.metadata.resource_version, resource_version_match="NotOlderThan"),
        "exact": names(resource_version=rv, resource_version_match="Exact"),
        "any": names(resource_version="0"),
        "bad": names(resource_version=rv, resource_version_match="Nearly"),
    }


@row("watch")
def watching():
    start = core.list_namespaced_config_map(NS).metadata.resource_version
    core.create_namespaced_config_map(NS, config_map("p-w", labels={"w": "p"}))
    core.patch_namespaced_config_map("p-w", NS, {"data": {"a": "2"}})
    core.delete_namespaced_config_map("p-w", NS)
    seen = []
    stream = watch.Watch().stream(core.list_namespaced_config_map, NS, label_selector="w=p", resource_version=start, timeout_seconds=5)
    for event in stream:
        seen.append([event["type"], event["object"].metadata.name, event["object"].data])
        if event["type"] == "DELETED":
            break
    return seen


@row("watch-all-namespaces")
def watch_all():
    start = core.list_config_map_for_all_namespaces(limit=1).metadata.resource_version
    core.create_namespaced_config_map(NS, config_map("p-wa", labels={"w": "p-all"}))
    for event in watch.Watch().stream(core.list_config_map_for_all_namespaces, label_selector="w=p-all", resource_version=start, timeout_seconds=5):
        return [event["type"], event["object"].metadata.name, event["object"].metadata.namespace]


@row("watch-cut")
def watch_cut():
    """A watch that ends is resumed by the client from what it saw last: nothing is lost, nothing comes twice."""
    seen = []
    stop = watch.Watch()
    start = core.list_namespaced_config_map(NS).metadata.resource_version

    def write():
        for n in range(6):
            core.create_namespaced_config_map(NS, config_map(f"p-cut-{n}", labels={"w": "p-cut"}))
            time.sleep(0.5)

    writer = threading.Thread(target=write)
    writer.start()
    # One second a watch: the loop below goes on where the last event was.
    version = start
    while len(seen) < 6:
        for event in stop.stream(core.list_namespaced_config_map, NS, label_selector="w=p-cut", resource_version=version, timeout_seconds=1):
            seen.append(event["object"].metadata.name)
            version = event["object"].metadata.resource_version
    writer.join()
    return seen


@row("watch-gone")
def watch_gone():
    core.patch_namespaced_config_map("p-rv", NS, {"data": {"a": "3"}})
    urllib.request.urlopen(urllib.request.Request(os.environ["COMPACT"], method="POST"))
    try:
        for event in watch.Watch().stream(custom.list_namespaced_custom_object, *ISTIO, resource_version="1", timeout_seconds=3):
            return event["type"]
    except ApiException as error:
        return [error.status, re.sub(r"\d+", "N", (error.reason or "").split(":")[0])]
    return "ended"


@row("dynamic")
def dynamic_client():
    found = dynamic.DynamicClient(api)
    kind = found.resources.get(api_version="networking.istio.io/v1", kind="VirtualService")
    made = kind.create(body=virtual_service("p-dyn"), namespace=NS)
    listed = kind.get(namespace=NS, label_selector="none=such")
    patched = kind.patch(body={"spec": {"hosts": ["x"]}}, name="p-dyn", namespace=NS, content_type="application/merge-patch+json")
    applied = kind.server_side_apply(body={**virtual_service("p-dyn", ["y"]), "metadata": {"name": "p-dyn"}}, name="p-dyn", namespace=NS, field_manager="p", force_conflicts=True)
    gone = kind.delete(name="p-dyn", namespace=NS)
    return [made.metadata.generation, len(listed["items"]), patched.spec.hosts, applied.spec.hosts, plain(gone.to_dict())]


@row("dynamic-resources")
def dynamic_resources():
    found = dynamic.DynamicClient(api)
    kind = found.resources.get(api_version="v1", kind="Service")
    by_short = found.resources.search(short_names=["vs"]) if hasattr(found.resources, "search") else []
    return [kind.name, kind.namespaced, sorted(kind.verbs), sorted({r.group_version for r in by_short if r.kind == "VirtualService"})]


@row("apply")
def apply():
    def run(manager, data, **more):
        path = f"/api/v1/namespaces/{NS}/configmaps/p-apply"
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "p-apply"}, "data": data}
        query = f"?fieldManager={manager}" + "".join(f"&{k}={v}" for k, v in more.items())
        return call("PATCH", path, body, "application/apply-patch+yaml", query)

    owners = lambda o: sorted((f["manager"], f["operation"], json.dumps(f["fieldsV1"])) for f in o["metadata"]["managedFields"])
    first = run("one", {"a": "1", "b": "1"})
    shared = run("two", {"a": "1"})
    refused = run("two", {"a": "2"})
    forced = run("two", {"a": "2"}, force="true")
    emptied = run("one", {})
    return [owners(first), owners(shared), refused, owners(forced), forced["data"], emptied.get("data", emptied)]


@row("apply-status")
def apply_status():
    custom.create_namespaced_custom_object(*ISTIO, virtual_service("p-as"))
    path = f"/apis/networking.istio.io/v1/namespaces/{NS}/virtualservices/p-as/status"
    body = {**virtual_service("p-as"), "status": {"observedGeneration": 1}}
    del body["spec"]
    done = call("PATCH", path, body, "application/apply-patch+yaml", "?fieldManager=s")
    return [done.get("status"), [(f["manager"], f["operation"], f.get("subresource"), f["fieldsV1"]) for f in done["metadata"]["managedFields"] if f["manager"] == "s"]]


@row("patch-kinds")
def patch_kinds():
    core.create_namespaced_service(NS, {"metadata": {"name": "p-pk"}, "spec": {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}})

    def run(body, content):
        path = f"/api/v1/namespaces/{NS}/services/p-pk"
        done = call("PATCH", path, body, content)
        return [[p["name"], p["port"], p["targetPort"]] for p in done["spec"]["ports"]] if "spec" in done else done

    strategic = "application/strategic-merge-patch+json"
    return [
        run({"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}, strategic),
        run({"spec": {"ports": [{"port": 81, "$patch": "delete"}]}}, strategic),
        run({"spec": {"ports": [{"$patch": "replace"}, {"name": "c", "port": 82}]}}, strategic),
        run({"spec": {"ports": [{"name": "d", "port": 83}]}}, "application/merge-patch+json"),
        run([{"op": "add", "path": "/spec/ports/-", "value": {"name": "e", "port": 84}}], "application/json-patch+json"),
        run([{"op": "move", "from": "/spec/ports/0", "path": "/spec/ports/1"}, {"op": "copy", "from": "/spec/ports/0", "path": "/spec/ports/0"}], "application/json-patch+json"),
    ]


@row("delete-options")
def delete_options():
    core.create_namespaced_config_map(NS, config_map("p-do"))
    dry = core.delete_namespaced_config_map("p-do", NS, dry_run="All")
    there = attempt(core.read_namespaced_config_map, "p-do", NS)["data"]
    both = attempt(core.delete_namespaced_config_map, "p-do", NS, body=client.V1DeleteOptions(orphan_dependents=True, propagation_policy="Background"))
    wrong = attempt(core.delete_namespaced_config_map, "p-do", NS, propagation_policy="Sometimes")
    gone = core.delete_namespaced_config_map("p-do", NS, propagation_policy="Background", grace_period_seconds=0)
    return [plain(dry), there, both, wrong, plain(gone)]


@row("delete-collection")
def delete_collection():
    for n in range(3):
        core.create_namespaced_config_map(NS, config_map(f"p-dc-{n}", labels={"set": "p-dc", "n": str(n)}))
    core.delete_collection_namespaced_config_map(NS, label_selector="set=p-dc,n!=0", dry_run="All")
    core.delete_collection_namespaced_config_map(NS, label_selector="set=p-dc,n!=0")
    return [i.metadata.name for i in core.list_namespaced_config_map(NS, label_selector="set=p-dc").items]


@row("owner-references")
def owner_references():
    owner = core.create_namespaced_config_map(NS, config_map("p-owner"))
    reference = client.V1OwnerReference(api_version="v1", kind="ConfigMap", name="p-owner", uid=owner.metadata.uid, controller=True, block_owner_deletion=True)
    made = core.create_namespaced_config_map(NS, config_map("p-owned", owner_references=[reference]))
    path = f"/api/v1/namespaces/{NS}/configmaps"
    bad = call("POST", path, {"metadata": {"name": "p-owned-2", "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x"}]}})
    references = [{"apiVersion": "v1", "kind": "ConfigMap", "name": n, "uid": n, "controller": True} for n in ("x", "y")]
    two = call("POST", path, {"metadata": {"name": "p-owned-3", "ownerReferences": references}})
    return [plain(made.metadata.owner_references), bad, two]


@row("metadata-rules")
def metadata_rules():
    def make(**meta):
        done = attempt(core.create_namespaced_config_map, NS, {"metadata": {"name": "p-meta", **meta}, "data": {}})
        return done.get("status", {}).get("message") if "status" in done else done["metadata"]

    return [
        make(name="a" * 254),
        make(labels={"a/b/c": "d"}),
        make(labels={"a": "x" * 64}),
        make(annotations={"big": "x" * (257 * 1024)}),
        make(annotations={"Bad Key": "x"}),
        make(generateName="Bad_"),
        make(selfLink="/x", uid="mine", generation=7, creationTimestamp="2020-01-01T00:00:00Z"),
    ]


@row("field-selectors")
def field_selectors():
    names = lambda selector: attempt(lambda: [i.metadata.name for i in core.list_namespaced_secret(NS, field_selector=selector).items if i.metadata.name.startswith("p-")])
    services = lambda selector: attempt(lambda: [i.metadata.name for i in core.list_namespaced_service(NS, field_selector=selector).items if i.metadata.name in ("p-none", "p-ext")])
    return [names("metadata.name=p-sec"), names("type=Opaque"), names("metadata.name!=p-sec,type=Opaque"), names("data=x").get("code") if isinstance(names("data=x"), dict) else "taken", services("spec.clusterIP=None"), services("spec.type=ExternalName")]


@row("token-request")
def token_request():
    core.create_namespaced_service_account(NS, {"metadata": {"name": "p-sa"}})
    body = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=["weft-ca"], expiration_seconds=600))
    made = core.create_namespaced_service_account_token("p-sa", NS, body)
    payload = made.status.token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    review = client.AuthenticationV1Api().create_token_review(client.V1TokenReview(spec=client.V1TokenReviewSpec(token=made.status.token, audiences=["weft-ca", "other"])))
    missing = attempt(core.create_namespaced_service_account_token, "p-nobody", NS, body)
    # A bound token dies with its account.
    core.delete_namespaced_service_account("p-sa", NS)
    dead = client.AuthenticationV1Api().create_token_review(client.V1TokenReview(spec=client.V1TokenReviewSpec(token=made.status.token, audiences=["weft-ca"])))
    return {
        "claims": [sorted(claims), claims["aud"], claims["sub"], claims["exp"] - claims["iat"], sorted(claims["kubernetes.io"])],
        "review": [review.status.authenticated, review.status.audiences, review.status.user.username, review.status.user.groups],
        "missing": missing,
        "dead": bool(dead.status.authenticated),
    }


@row("access-reviews")
def access_reviews():
    authorization = client.AuthorizationV1Api()
    spec = client.V1SubjectAccessReviewSpec(user="system:anonymous", resource_attributes=client.V1ResourceAttributes(namespace=NS, verb="get", resource="secrets"))
    other = authorization.create_subject_access_review(client.V1SubjectAccessReview(spec=spec))
    rules = authorization.create_self_subject_rules_review(client.V1SelfSubjectRulesReview(spec=client.V1SelfSubjectRulesReviewSpec(namespace=NS)))
    return [other.status.allowed, any("*" in r.verbs and "*" in r.resources for r in rules.status.resource_rules)]


@row("workloads")
def workloads():
    pod = {"metadata": {"labels": {"app": "p"}}, "spec": {"containers": [{"name": "c", "image": "example.com/c:1", "ports": [{"containerPort": 80}]}]}}
    deployment = {"metadata": {"name": "p-dep"}, "spec": {"selector": {"matchLabels": {"app": "p"}}, "template": pod}}
    made = attempt(apps.create_namespaced_deployment, NS, deployment)
    scaled = attempt(apps.patch_namespaced_deployment_scale, "p-dep", NS, {"spec": {"replicas": 3}})
    mismatch = attempt(apps.create_namespaced_deployment, NS, {"metadata": {"name": "p-dep-2"}, "spec": {"selector": {"matchLabels": {"app": "q"}}, "template": pod}})
    alone = attempt(core.create_namespaced_pod, NS, {**pod, "metadata": {"name": "p-pod", "labels": {"app": "p"}}})
    return [
        {k: made.get("spec", {}).get(k) for k in ("replicas", "revisionHistoryLimit", "strategy", "progressDeadlineSeconds")},
        made.get("spec", {}).get("template", made),
        scaled.get("spec", scaled),
        mismatch,
        alone.get("spec", alone).get("restartPolicy") if isinstance(alone.get("spec", alone), dict) else alone,
        alone.get("status", {}).get("phase"),
    ]


@row("network-kinds")
def network_kinds():
    body = {"metadata": {"name": "p-ing"}, "spec": {"rules": [{"host": "a.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}}
    made = attempt(client.NetworkingV1Api().create_namespaced_ingress, NS, body)
    bad = attempt(client.NetworkingV1Api().create_namespaced_ingress, NS, {"metadata": {"name": "p-ing-2"}, "spec": {}})
    policy = attempt(client.NetworkingV1Api().create_namespaced_network_policy, NS, {"metadata": {"name": "p-np"}, "spec": {"podSelector": {}}})
    return [made.get("spec", made), bad, policy.get("spec", policy)]


@row("create-from-yaml")
def create_from_yaml():
    documents = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "p-yaml", "namespace": NS}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "p-yaml", "namespace": NS}, "spec": {"ports": [{"port": 80}]}},
    ]
    made = utils.create_from_yaml(api, yaml_objects=documents)
    return [[o.kind, o.metadata.name] for group in made for o in group]


@row("status-subresource")
def status_subresource():
    made = custom.create_namespaced_custom_object(*ISTIO, virtual_service("p-st"))
    made["status"] = {"observedGeneration": 1, "conditions": [{"type": "Accepted", "status": "True"}]}
    done = custom.replace_namespaced_custom_object_status(*ISTIO, "p-st", made)
    stale = attempt(custom.replace_namespaced_custom_object_status, *ISTIO, "p-st", made)
    wrong = attempt(custom.patch_namespaced_custom_object_status, *ISTIO, "p-st", {"status": {"conditions": "none"}})
    return [done["status"], done["metadata"]["generation"], stale.get("code"), wrong]


@row("namespaces")
def namespaces():
    made = core.create_namespace({"metadata": {"name": f"{NS}-p", "labels": {"a": "b"}}})
    status = attempt(core.patch_namespace_status, f"{NS}-p", {"status": {"conditions": [{"type": "X", "status": "True"}]}})
    return [plain(made.spec), plain(made.status), plain(made.metadata.labels), status.get("status", {}).get("phase")]


@row("versions-of-a-kind")
def versions_of_a_kind():
    made = custom.create_namespaced_custom_object("networking.istio.io", "v1alpha3", NS, "virtualservices", {**virtual_service("p-ver"), "apiVersion": "networking.istio.io/v1alpha3"})
    beta = custom.get_namespaced_custom_object("networking.istio.io", "v1beta1", NS, "virtualservices", "p-ver")
    wrong = attempt(custom.create_namespaced_custom_object, *ISTIO, {**virtual_service("p-ver-2"), "apiVersion": "networking.istio.io/v1beta1"})
    return [made["apiVersion"], beta["apiVersion"], made["metadata"]["uid"] == beta["metadata"]["uid"], wrong]


def main():
    only = re.compile(os.environ.get("ROWS", ""))
    for ident, run in ROWS:
        if not only.search(ident):
            continue
        try:
            result = run()
        except ApiException as error:
            result = {"thrown": failure(error)}
        except Exception as error:  # a row that breaks is a result too
            result = {"thrown": f"{type(error).__name__}: {error}"}
        print(json.dumps({"row": f"python/{ident}", "result": plain(result)}), flush=True)


main()
sys.exit(0)
