// A program that knows nothing of proxies: looks a name up with Go's own resolver, then asks by HTTP.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func main() {
	pure := &net.Resolver{PreferGo: true}
	addresses, err := pure.LookupHost(context.Background(), os.Args[1])
	if err != nil {
		fmt.Println("lookup:", err)
		os.Exit(1)
	}
	fmt.Println("address", addresses[0])
	answer, err := http.Get(os.Args[2])
	if err != nil {
		fmt.Println("get:", err)
		os.Exit(1)
	}
	body, _ := io.ReadAll(answer.Body)
	fmt.Println(answer.StatusCode, string(body))
}
