// Command server is a control plane made of go-control-plane's snapshot cache: xDS for the interop test. Each line of
// its input is a snapshot as JSON, {"version": "1", "resources": {type URL: [resource, ...]}}; its output tells of the
// port, of each snapshot taken, and of what clients ask and refuse.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	clusterservice "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	endpointservice "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	listenerservice "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	routeservice "github.com/envoyproxy/go-control-plane/envoy/service/route/v3"
	secretservice "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
)

type snapshot struct {
	Version   string                       `json:"version"`
	Resources map[string][]json.RawMessage `json:"resources"`
}

var makers = map[string]func() types.Resource{
	resource.ClusterType:  func() types.Resource { return &cluster.Cluster{} },
	resource.EndpointType: func() types.Resource { return &endpoint.ClusterLoadAssignment{} },
	resource.ListenerType: func() types.Resource { return &listener.Listener{} },
	resource.RouteType:    func() types.Resource { return &route.RouteConfiguration{} },
	resource.SecretType:   func() types.Resource { return &tls.Secret{} },
}

var output sync.Mutex

// say writes one line of JSON.
func say(event string, fields map[string]any) {
	line := map[string]any{"event": event}
	for k, v := range fields {
		line[k] = v
	}
	output.Lock()
	defer output.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(line)
}

func decode(line []byte) (*cache.Snapshot, error) {
	var s snapshot
	if err := json.Unmarshal(line, &s); err != nil {
		return nil, err
	}
	all := map[resource.Type][]types.Resource{}
	for url, list := range s.Resources {
		for _, text := range list {
			make, ok := makers[url]
			if !ok {
				return nil, fmt.Errorf("no type %s here", url)
			}
			r := make()
			if err := protojson.Unmarshal(text, r); err != nil {
				return nil, err
			}
			all[url] = append(all[url], r)
		}
	}
	return cache.NewSnapshot(s.Version, all)
}

func main() {
	node := flag.String("node", "proxy", "id of the one node")
	ads := flag.Bool("ads", true, "answer each type when all its names are asked for, as on an aggregated stream")
	flag.Parse()
	ctx := context.Background()
	snapshots := cache.NewSnapshotCache(*ads, cache.IDHash{}, nil)
	funcs := server.CallbackFuncs{
		StreamRequestFunc: func(_ int64, r *discovery.DiscoveryRequest) error {
			if r.ErrorDetail != nil {
				say("nack", map[string]any{"type": r.TypeUrl, "message": r.ErrorDetail.Message})
			} else if r.ResponseNonce != "" {
				say("ack", map[string]any{"type": r.TypeUrl, "version": r.VersionInfo, "names": len(r.ResourceNames)})
			}
			return nil
		},
		StreamDeltaRequestFunc: func(_ int64, r *discovery.DeltaDiscoveryRequest) error {
			if r.ErrorDetail != nil {
				say("nack", map[string]any{"type": r.TypeUrl, "message": r.ErrorDetail.Message})
			} else if r.ResponseNonce != "" {
				say("ack", map[string]any{"type": r.TypeUrl})
			}
			return nil
		},
	}
	xds := server.NewServer(ctx, snapshots, funcs)
	g := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(g, xds)
	clusterservice.RegisterClusterDiscoveryServiceServer(g, xds)
	endpointservice.RegisterEndpointDiscoveryServiceServer(g, xds)
	listenerservice.RegisterListenerDiscoveryServiceServer(g, xds)
	routeservice.RegisterRouteDiscoveryServiceServer(g, xds)
	secretservice.RegisterSecretDiscoveryServiceServer(g, xds)
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		if err := g.Serve(socket); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	say("listening", map[string]any{"port": socket.Addr().(*net.TCPAddr).Port})
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	for in.Scan() {
		s, err := decode(in.Bytes())
		if err == nil {
			err = snapshots.SetSnapshot(ctx, *node, s)
		}
		if err != nil {
			say("error", map[string]any{"message": err.Error()})
			continue
		}
		say("set", nil)
	}
}
