// Go's HTTP/2 as a peer, without TLS. "serve" echoes each body and gives its SHA-256 as a trailer; "post URL N SIZE"
// sends N bodies at once and checks that they come back, with the trailer "x-sum" where the server sends one.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
)

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/early" {
		w.Header().Set("link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
	}
	w.Header().Set("trailer", "x-sum")
	w.Header().Set("x-proto", r.Proto)
	sum := sha256.New()
	_, err := io.Copy(io.MultiWriter(w, sum), r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("x-sum", hex.EncodeToString(sum.Sum(nil)))
}

func serve() {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	server := &http.Server{Handler: http.HandlerFunc(echo), Protocols: &protocols}
	fail(server.Serve(listener))
}

func post(client *http.Client, url string, body []byte) error {
	request, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Trailer = http.Header{"X-Sum": {fmt.Sprintf("%x", sha256.Sum256(body))}}
	request.ContentLength = -1
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	sum := response.Trailer.Get("x-sum")
	if response.ProtoMajor != 2 || !bytes.Equal(got, body) || sum != request.Trailer.Get("x-sum") {
		return fmt.Errorf("%s %s: %d octets of %d, trailer %q", response.Proto, response.Status, len(got), len(body), sum)
	}
	return nil
}

func main() {
	if os.Args[1] == "serve" {
		serve()
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: &protocols, MaxConnsPerHost: 1}}
	count, err := strconv.Atoi(os.Args[3])
	fail(err)
	size, err := strconv.Atoi(os.Args[4])
	fail(err)
	var wait sync.WaitGroup
	for i := range count {
		wait.Add(1)
		go func() {
			defer wait.Done()
			body := bytes.Repeat([]byte{byte(i)}, size+i)
			fail(post(client, os.Args[2], body))
		}()
	}
	wait.Wait()
	fmt.Println("all came back")
}
