// Rows that client-go does: one JSON object a line, {row, result}. Environment: KUBECONFIG, NAMESPACE, COMPACT (an
// address whose POST makes the server forget its history), ROWS (a pattern).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

type env struct {
	ns      string
	config  *rest.Config
	typed   *kubernetes.Clientset
	proto   *kubernetes.Clientset
	dynamic *dynamic.DynamicClient
}

type row struct {
	id  string
	run func(context.Context, *env) (any, error)
}

var rows []row

func add(id string, run func(context.Context, *env) (any, error)) { rows = append(rows, row{id, run}) }

var virtualServices = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}

func configMap(name string, labels map[string]string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Data: data}
}

func virtualService(name string, hosts ...any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
		"metadata": map[string]any{"name": name},
		"spec": map[string]any{"hosts": hosts, "http": []any{
			map[string]any{"route": []any{map[string]any{"destination": map[string]any{"host": "reviews"}}}}}},
	}}
}

// What client-go makes of a refusal.
func refusal(err error) any {
	if err == nil {
		return nil
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status()
	}
	return err.Error()
}

func compact() error {
	answer, err := http.Post(os.Getenv("COMPACT"), "", nil)
	if err == nil {
		err = answer.Body.Close()
	}
	return err
}

// Waits for a condition, ten seconds at most.
func until(ok func() bool) bool {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return false
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func run(r row, e *env) (result any) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	defer func() {
		if failed := recover(); failed != nil {
			result = map[string]any{"thrown": fmt.Sprint(failed)}
		}
	}()
	result, err := r.run(ctx, e)
	if err != nil {
		return map[string]any{"thrown": refusal(err)}
	}
	return result
}

func main() {
	config := must(clientcmd.BuildConfigFromFlags("", strings.Split(os.Getenv("KUBECONFIG"), ":")[0]))
	config.QPS, config.Burst = 1000, 1000
	config.WarningHandler = rest.NoWarnings{}
	binary := rest.CopyConfig(config)
	binary.ContentType = "application/vnd.kubernetes.protobuf"
	binary.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	e := &env{ns: os.Getenv("NAMESPACE"), config: config}
	e.typed = must(kubernetes.NewForConfig(config))
	e.proto = must(kubernetes.NewForConfig(binary))
	e.dynamic = must(dynamic.NewForConfig(config))
	only := regexp.MustCompile(os.Getenv("ROWS"))
	out := json.NewEncoder(os.Stdout)
	for _, r := range rows {
		if only.MatchString(r.id) {
			must(0, out.Encode(map[string]any{"row": "client-go/" + r.id, "result": run(r, e)}))
		}
	}
}
