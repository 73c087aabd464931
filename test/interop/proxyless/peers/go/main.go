// A gRPC application without a proxy, in Go: `echo serve VERSION` or `echo call`.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sort"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/xds"
)

const service = "/weft.test.Echo/"

// raw passes bytes as they are.
type raw struct{}

func (raw) Name() string                  { return "proto" }
func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}

type reply struct {
	Version string `json:"version"`
	Caller  string `json:"caller"`
}

func caller(ctx context.Context) string {
	p, _ := peer.FromContext(ctx)
	if p == nil {
		return ""
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 || len(info.State.PeerCertificates[0].URIs) == 0 {
		return ""
	}
	return info.State.PeerCertificates[0].URIs[0].String()
}

func serve(version string) error {
	var failed sync.Map
	handler := func(_ any, stream grpc.ServerStream) error {
		var request []byte
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		md, _ := metadata.FromIncomingContext(stream.Context())
		if once := md.Get("x-fail-once"); len(once) > 0 {
			if _, before := failed.LoadOrStore(once[0], true); !before {
				return status.Error(codes.Unavailable, "as it was told")
			}
		}
		if len(md.Get("x-wait")) > 0 {
			<-stream.Context().Done()
			return stream.Context().Err()
		}
		answer, err := json.Marshal(reply{version, caller(stream.Context())})
		if err != nil {
			return err
		}
		return stream.SendMsg(&answer)
	}
	creds, err := xdscreds.NewServerCredentials(xdscreds.ServerOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		return err
	}
	server, err := xds.NewGRPCServer(grpc.Creds(creds), grpc.UnknownServiceHandler(handler), grpc.ForceServerCodec(raw{}))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")))
	if err != nil {
		return err
	}
	return server.Serve(listener)
}

type order struct {
	Target   string            `json:"target"`
	Secure   bool              `json:"secure"`
	Count    int               `json:"count"`
	Method   string            `json:"method"`
	Metadata map[string]string `json:"metadata"`
	Deadline float64           `json:"deadline"`
	Together bool              `json:"together"`
}

type result struct {
	Answers map[string]int `json:"answers"`
	Errors  map[string]int `json:"errors"`
	Callers []string       `json:"callers"`
}

func dial(o order) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if o.Secure {
		var err error
		creds, err = xdscreds.NewClientCredentials(xdscreds.ClientOptions{FallbackCreds: creds})
		if err != nil {
			return nil, err
		}
	}
	return grpc.NewClient(o.Target, grpc.WithTransportCredentials(creds), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
}

func tally(conn *grpc.ClientConn, o order) result {
	r := result{map[string]int{}, map[string]int{}, []string{}}
	callers := map[string]bool{}
	if o.Method == "" {
		o.Method = "Call"
	}
	if o.Deadline == 0 {
		o.Deadline = 10
	}
	type outcome struct {
		answer []byte
		err    error
	}
	one := func() outcome {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(o.Deadline*float64(time.Second)))
		defer cancel()
		ctx = metadata.NewOutgoingContext(ctx, metadata.New(o.Metadata))
		request, answer := []byte{}, []byte{}
		err := conn.Invoke(ctx, service+o.Method, &request, &answer)
		return outcome{answer, err}
	}
	outcomes := make(chan outcome, o.Count)
	if o.Together {
		for i := 0; i < o.Count; i++ {
			go func() { outcomes <- one() }()
		}
	}
	for i := 0; i < o.Count; i++ {
		if !o.Together {
			outcomes <- one()
		}
		got := <-outcomes
		if got.err != nil {
			s := status.Convert(got.err)
			r.Errors[fmt.Sprintf("%s: %s", s.Code(), s.Message())]++
			continue
		}
		var said reply
		if err := json.Unmarshal(got.answer, &said); err != nil {
			r.Errors[err.Error()]++
			continue
		}
		r.Answers[said.Version]++
		callers[said.Caller] = true
	}
	for c := range callers {
		r.Callers = append(r.Callers, c)
	}
	sort.Strings(r.Callers)
	return r
}

func call() error {
	conns := map[string]*grpc.ClientConn{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return err
		}
		key := fmt.Sprint(o.Target, o.Secure)
		if conns[key] == nil {
			conn, err := dial(o)
			if err != nil {
				return err
			}
			conns[key] = conn
		}
		out, err := json.Marshal(tally(conns[key], o))
		if err != nil {
			return err
		}
		fmt.Println(string(out))
	}
	return lines.Err()
}

func main() {
	encoding.RegisterCodec(raw{})
	var err error
	if os.Args[1] == "serve" {
		err = serve(os.Args[2])
	} else {
		err = call()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
