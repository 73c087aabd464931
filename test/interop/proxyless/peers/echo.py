"""A gRPC application without a proxy, in Python on the C core: `echo.py serve VERSION` or `echo.py call`."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import grpc
from grpc import experimental

METHOD = "/weft.test.Echo/"


def answer(version):
    failed = set()

    def handle(_request, context):
        caller = context.auth_context().get("peer_spiffe_id", [b""])[0].decode()
        metadata = dict(context.invocation_metadata())
        once = metadata.get("x-fail-once")
        if once is not None and once not in failed:
            failed.add(once)
            context.abort(grpc.StatusCode.UNAVAILABLE, "as it was told")
        if "x-wait" in metadata:
            # Until the caller has gone: an answer would be too late for it anyway.
            gone = Event()
            if context.add_callback(gone.set):
                gone.wait()
        return json.dumps({"version": version, "caller": caller}).encode()

    return handle


class Echo(grpc.GenericRpcHandler):
    def __init__(self, version):
        self.handler = grpc.unary_unary_rpc_method_handler(answer(version))

    def service(self, call):
        return self.handler if call.method.startswith(METHOD) else None


def serve(version):
    server = grpc.server(ThreadPoolExecutor(8), xds=True)
    server.add_generic_rpc_handlers((Echo(version),))
    credentials = grpc.xds_server_credentials(grpc.insecure_server_credentials())
    server.add_secure_port(f"{os.environ['HOST']}:{os.environ['PORT']}", credentials)
    server.start()
    server.wait_for_termination()


def tally(channel, order):
    call = channel.unary_unary(METHOD + order.get("method", "Call"))
    answers, errors, callers = {}, {}, set()
    metadata = tuple((order.get("metadata") or {}).items())
    deadline = order.get("deadline", 10)
    together = order.get("together", False)
    start = [call.future(b"", metadata=metadata, timeout=deadline) for _ in range(order["count"])] if together else []
    for n in range(order["count"]):
        try:
            reply = json.loads(start[n].result() if together else call(b"", metadata=metadata, timeout=deadline))
            answers[reply["version"]] = answers.get(reply["version"], 0) + 1
            callers.add(reply["caller"])
        except grpc.RpcError as error:
            key = f"{error.code().name}: {error.details()}"
            errors[key] = errors.get(key, 0) + 1
    return {"answers": answers, "errors": errors, "callers": sorted(callers)}


def call():
    channels = {}
    for line in sys.stdin:
        order = json.loads(line)
        target, secure = order["target"], order["secure"]
        if (target, secure) not in channels:
            channels[target, secure] = (
                grpc.secure_channel(target, grpc.xds_channel_credentials(experimental.insecure_channel_credentials()))
                if secure
                else grpc.insecure_channel(target)
            )
        print(json.dumps(tally(channels[target, secure], order)), flush=True)


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1] == "serve" else call()
