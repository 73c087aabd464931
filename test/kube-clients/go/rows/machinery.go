package main

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/tools/record"
	toolswatch "k8s.io/client-go/tools/watch"
)

// Notes what an informer tells.
type journal struct {
	sync.Mutex
	lines []string
}

func (j *journal) note(format string, values ...any) {
	j.Lock()
	defer j.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, values...))
}

func (j *journal) count() int {
	j.Lock()
	defer j.Unlock()
	return len(j.lines)
}

func (j *journal) handler() cache.ResourceEventHandlerFuncs {
	name := func(o any) string { return must(meta.Accessor(o)).GetName() }
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { j.note("add %s", name(o)) },
		UpdateFunc: func(_, o any) { j.note("update %s", name(o)) },
		DeleteFunc: func(o any) { j.note("delete %s", name(o)) },
	}
}

func selected(text string) func(*metav1.ListOptions) {
	return func(o *metav1.ListOptions) { o.LabelSelector = text }
}

func init() {
	add("informer", func(ctx context.Context, e *env) (any, error) {
		maps := e.typed.CoreV1().ConfigMaps(e.ns)
		labels := map[string]string{"i": "g"}
		must(maps.Create(ctx, configMap("g-i-1", labels, nil), metav1.CreateOptions{}))
		factory := informers.NewSharedInformerFactoryWithOptions(e.typed, 0, informers.WithNamespace(e.ns), informers.WithTweakListOptions(selected("i=g")))
		informer := factory.Core().V1().ConfigMaps()
		seen := &journal{}
		must(informer.Informer().AddEventHandler(seen.handler()))
		factory.Start(ctx.Done())
		cache.WaitForCacheSync(ctx.Done(), informer.Informer().HasSynced)
		must(maps.Create(ctx, configMap("g-i-2", labels, nil), metav1.CreateOptions{}))
		must(maps.Patch(ctx, "g-i-2", types.MergePatchType, []byte(`{"data":{"a":"1"}}`), metav1.PatchOptions{}))
		must(maps.Patch(ctx, "g-i-1", types.MergePatchType, []byte(`{"metadata":{"labels":{"i":null}}}`), metav1.PatchOptions{}))
		must(0, maps.Delete(ctx, "g-i-2", metav1.DeleteOptions{}))
		until(func() bool { return seen.count() >= 5 })
		left := informer.Informer().GetStore().ListKeys()
		return []any{seen.lines, len(left)}, nil
	})
	add("informer-protobuf", func(ctx context.Context, e *env) (any, error) {
		services := e.proto.CoreV1().Services(e.ns)
		factory := informers.NewSharedInformerFactoryWithOptions(e.proto, 0, informers.WithNamespace(e.ns), informers.WithTweakListOptions(selected("i=gp")))
		seen := &journal{}
		informer := factory.Core().V1().Services().Informer()
		must(informer.AddEventHandler(seen.handler()))
		factory.Start(ctx.Done())
		cache.WaitForCacheSync(ctx.Done(), informer.HasSynced)
		must(services.Create(ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "g-ip", Labels: map[string]string{"i": "gp"}}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}, metav1.CreateOptions{}))
		must(0, services.Delete(ctx, "g-ip", metav1.DeleteOptions{}))
		until(func() bool { return seen.count() >= 2 })
		return seen.lines, nil
	})
	add("dynamic-informer", func(ctx context.Context, e *env) (any, error) {
		all := e.dynamic.Resource(virtualServices).Namespace(e.ns)
		factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(e.dynamic, 0, e.ns, nil)
		informer := factory.ForResource(virtualServices).Informer()
		seen := &journal{}
		must(informer.AddEventHandler(seen.handler()))
		must(all.Create(ctx, virtualService("g-di", "a"), metav1.CreateOptions{}))
		factory.Start(ctx.Done())
		cache.WaitForCacheSync(ctx.Done(), informer.HasSynced)
		must(all.Patch(ctx, "g-di", types.MergePatchType, []byte(`{"spec":{"hosts":["b"]}}`), metav1.PatchOptions{}))
		must(0, all.Delete(ctx, "g-di", metav1.DeleteOptions{}))
		until(func() bool { return seen.count() >= 3 })
		return seen.lines, nil
	})
	add("metadata-client", func(ctx context.Context, e *env) (any, error) {
		client := must(metadata.NewForConfig(e.config)).Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(e.ns)
		must(e.typed.CoreV1().ConfigMaps(e.ns).Create(ctx, configMap("g-md", map[string]string{"m": "g"}, map[string]string{"a": "1"}), metav1.CreateOptions{}))
		one := must(client.Get(ctx, "g-md", metav1.GetOptions{}))
		list := must(client.List(ctx, metav1.ListOptions{LabelSelector: "m=g"}))
		watching := must(client.Watch(ctx, metav1.ListOptions{LabelSelector: "m=g", ResourceVersion: list.ResourceVersion}))
		defer watching.Stop()
		must(client.Patch(ctx, "g-md", types.MergePatchType, []byte(`{"metadata":{"labels":{"n":"g"}}}`), metav1.PatchOptions{}))
		event := <-watching.ResultChan()
		return []any{one.Kind, one.Labels, len(list.Items), event.Type, fmt.Sprintf("%T", event.Object)}, nil
	})
	add("pager", func(ctx context.Context, e *env) (any, error) {
		maps := e.typed.CoreV1().ConfigMaps(e.ns)
		for n := range 7 {
			must(maps.Create(ctx, configMap(fmt.Sprintf("g-page-%d", n), map[string]string{"set": "g-page"}, nil), metav1.CreateOptions{}))
		}
		calls := 0
		pages := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			calls++
			return maps.List(ctx, o)
		})
		pages.PageSize = 3
		names := []string{}
		err := pages.EachListItem(ctx, metav1.ListOptions{LabelSelector: "set=g-page"}, func(o runtime.Object) error {
			names = append(names, must(meta.Accessor(o)).GetName())
			return nil
		})
		return []any{names, calls, refusal(err)}, nil
	})
	add("bookmarks", func(ctx context.Context, e *env) (any, error) {
		options := metav1.ListOptions{AllowWatchBookmarks: true, ResourceVersion: "0", ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, LabelSelector: "set=g-page"}
		begin := true
		options.SendInitialEvents = &begin
		watching := must(e.typed.CoreV1().ConfigMaps(e.ns).Watch(ctx, options))
		defer watching.Stop()
		added := 0
		for event := range watching.ResultChan() {
			if event.Type == watch.Added {
				added++
				continue
			}
			if event.Type == watch.Error {
				return []any{added, refusal(apierrors.FromObject(event.Object))}, nil
			}
			accessor := must(meta.Accessor(event.Object))
			return []any{added, event.Type, accessor.GetAnnotations(), accessor.GetResourceVersion() != "", accessor.GetName()}, nil
		}
		return "ended", nil
	})
	add("retry-watcher", func(ctx context.Context, e *env) (any, error) {
		maps := e.typed.CoreV1().ConfigMaps(e.ns)
		start := must(maps.List(ctx, metav1.ListOptions{})).ResourceVersion
		watcher := must(toolswatch.NewRetryWatcherWithContext(ctx, start, &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			// Each watch ends after a second: the watcher goes on where it was.
			second := int64(1)
			o.TimeoutSeconds, o.LabelSelector = &second, "w=g-retry"
			return maps.Watch(ctx, o)
		}}))
		go func() {
			for n := range 4 {
				_, _ = maps.Create(ctx, configMap(fmt.Sprintf("g-rw-%d", n), map[string]string{"w": "g-retry"}, nil), metav1.CreateOptions{})
				time.Sleep(600 * time.Millisecond)
			}
		}()
		names := []string{}
		for event := range watcher.ResultChan() {
			if event.Type == watch.Error {
				return []any{names, refusal(apierrors.FromObject(event.Object))}, nil
			}
			names = append(names, string(event.Type)+" "+must(meta.Accessor(event.Object)).GetName())
			if len(names) == 4 {
				break
			}
		}
		watcher.Stop()
		return names, nil
	})
	add("gone", func(ctx context.Context, e *env) (any, error) {
		maps := e.typed.CoreV1().ConfigMaps(e.ns)
		must(maps.Patch(ctx, "g-md", types.MergePatchType, []byte(`{"data":{"z":"1"}}`), metav1.PatchOptions{}))
		must(0, compact())
		watching, err := e.dynamic.Resource(virtualServices).Namespace(e.ns).Watch(ctx, metav1.ListOptions{ResourceVersion: "1"})
		if err != nil {
			return []any{"refused", apierrors.IsResourceExpired(err) || apierrors.IsGone(err)}, nil
		}
		defer watching.Stop()
		event := <-watching.ResultChan()
		gone := apierrors.FromObject(event.Object)
		return []any{event.Type, apierrors.IsResourceExpired(gone) || apierrors.IsGone(gone)}, nil
	})
	add("leader-election", func(ctx context.Context, e *env) (any, error) {
		lead := func(who string, won chan<- string) context.CancelFunc {
			own, cancel := context.WithCancel(ctx)
			lock := &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Name: "g-lead", Namespace: e.ns}, Client: e.typed.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: who}}
			go leaderelection.RunOrDie(own, leaderelection.LeaderElectionConfig{Lock: lock, LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 200 * time.Millisecond, ReleaseOnCancel: true,
				Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { won <- who }, OnStoppedLeading: func() {}}})
			return cancel
		}
		won := make(chan string, 2)
		first := lead("one", won)
		next := func() string {
			select {
			case who := <-won:
				return who
			case <-time.After(8 * time.Second):
				return "nobody"
			}
		}
		leader := next()
		second := lead("two", won)
		defer second()
		first()
		heir := next()
		lease := must(e.typed.CoordinationV1().Leases(e.ns).Get(ctx, "g-lead", metav1.GetOptions{}))
		return []any{leader, heir, *lease.Spec.HolderIdentity, *lease.Spec.LeaseTransitions}, nil
	})
	add("event-recorders", func(ctx context.Context, e *env) (any, error) {
		about := must(e.typed.CoreV1().ConfigMaps(e.ns).Create(ctx, configMap("g-ev", nil, nil), metav1.CreateOptions{}))
		old := record.NewBroadcaster()
		defer old.Shutdown()
		old.StartRecordingToSink(&sink{e, ctx})
		oldRecorder := old.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "g-old"})
		for range 3 {
			oldRecorder.Event(about, "Warning", "Again", "the same")
		}
		modern := events.NewBroadcaster(&events.EventSinkImpl{Interface: e.typed.EventsV1()})
		must(0, modern.StartRecordingToSinkWithContext(ctx))
		modern.NewRecorder(scheme.Scheme, "g-new").Eventf(about, nil, "Normal", "Once", "Doing", "it was done")
		var list *eventsv1.EventList
		until(func() bool {
			list = must(e.typed.EventsV1().Events(e.ns).List(ctx, metav1.ListOptions{FieldSelector: "regarding.name=g-ev"}))
			return len(list.Items) >= 2
		})
		seen := []string{}
		for _, item := range list.Items {
			seen = append(seen, fmt.Sprintf("%s %s %s %s", item.Type, item.Reason, item.Note, item.ReportingController))
		}
		sort.Strings(seen)
		return seen, nil
	})
	add("rest-mapper", func(ctx context.Context, e *env) (any, error) {
		mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(e.typed.Discovery()))
		find := func(group, kind string, versions ...string) any {
			found, err := mapper.RESTMapping(schema.GroupKind{Group: group, Kind: kind}, versions...)
			if err != nil {
				return err.Error()
			}
			return []string{found.Resource.String(), string(found.Scope.Name())}
		}
		short := must(mapper.ResourceFor(schema.GroupVersionResource{Resource: "virtualservices"}))
		return []any{find("networking.istio.io", "VirtualService"), find("networking.istio.io", "VirtualService", "v1alpha3"), find("", "Namespace"), find("linkerd.io", "ServiceProfile"), find("nope.example.com", "Nope"), short.String()}, nil
	})
	add("discovery", func(ctx context.Context, e *env) (any, error) {
		_, lists, err := e.typed.Discovery().ServerGroupsAndResources()
		found := []string{}
		for _, list := range lists {
			for _, r := range list.APIResources {
				if list.GroupVersion == "networking.istio.io/v1" && (r.Kind == "VirtualService") || list.GroupVersion == "v1" && (r.Kind == "ConfigMap" || r.Kind == "Service" || r.Kind == "TokenRequest") {
					verbs := append([]string{}, r.Verbs...)
					sort.Strings(verbs)
					found = append(found, fmt.Sprintf("%s %s %s %v %v %v %v", list.GroupVersion, r.Name, r.SingularName, r.Namespaced, verbs, r.ShortNames, r.Categories))
				}
			}
		}
		sort.Strings(found)
		return []any{refusal(err), found}, nil
	})
	add("openapi", func(ctx context.Context, e *env) (any, error) {
		two, err := e.typed.Discovery().OpenAPISchema()
		if err != nil {
			return []any{refusal(err)}, nil
		}
		has := false
		for _, d := range two.GetDefinitions().GetAdditionalProperties() {
			has = has || d.Name == "io.istio.networking.v1.VirtualService"
		}
		paths := must(e.typed.Discovery().OpenAPIV3().Paths())
		_, three := paths["apis/networking.istio.io/v1"]
		return []any{two.GetSwagger(), has, three}, nil
	})
	add("dynamic", func(ctx context.Context, e *env) (any, error) {
		all := e.dynamic.Resource(virtualServices).Namespace(e.ns)
		made := must(all.Create(ctx, virtualService("g-dyn", "a"), metav1.CreateOptions{FieldValidation: "Strict"}))
		must(0, unstructured.SetNestedField(made.Object, int64(1), "status", "observedGeneration"))
		done := must(all.UpdateStatus(ctx, made, metav1.UpdateOptions{}))
		_, stale := all.Update(ctx, made, metav1.UpdateOptions{})
		applied := must(all.Apply(ctx, "g-dyn", virtualService("g-dyn", "b"), metav1.ApplyOptions{FieldManager: "g", Force: true}))
		odd := virtualService("g-odd", "a")
		must(0, unstructured.SetNestedField(odd.Object, "x", "spec", "oddity"))
		_, unknown := all.Create(ctx, odd, metav1.CreateOptions{FieldValidation: "Strict"})
		collection := all.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		left := must(all.List(ctx, metav1.ListOptions{}))
		return []any{made.GetGeneration(), done.Object["status"], done.GetGeneration(), apierrors.IsConflict(stale), applied.GetGeneration(), refusal(unknown), refusal(collection), len(left.Items), left.GetKind()}, nil
	})
	add("definitions", func(ctx context.Context, e *env) (any, error) {
		api := must(clientset.NewForConfig(e.config)).ApiextensionsV1().CustomResourceDefinitions()
		name := "gizmos.go.example.com"
		_ = api.Delete(ctx, name, metav1.DeleteOptions{})
		until(func() bool { _, err := api.Get(ctx, name, metav1.GetOptions{}); return apierrors.IsNotFound(err) })
		must(api.Create(ctx, &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "go.example.com", Scope: apiextensionsv1.ClusterScoped, Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "gizmos", Kind: "Gizmo"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1", Served: true, Storage: true, Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"size": {Type: "integer"}}}}}},
		}}, metav1.CreateOptions{}))
		established := until(func() bool {
			found := must(api.Get(ctx, name, metav1.GetOptions{}))
			for _, c := range found.Status.Conditions {
				if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
					return true
				}
			}
			return false
		})
		gizmos := e.dynamic.Resource(schema.GroupVersionResource{Group: "go.example.com", Version: "v1", Resource: "gizmos"})
		gizmo := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "go.example.com/v1", "kind": "Gizmo", "metadata": map[string]any{"name": "one"}, "size": int64(1), "more": "pruned"}}
		served := until(func() bool { _, err := gizmos.List(ctx, metav1.ListOptions{}); return err == nil })
		made, err := gizmos.Create(ctx, gizmo, metav1.CreateOptions{})
		names := must(api.Get(ctx, name, metav1.GetOptions{})).Status.AcceptedNames
		must(0, api.Delete(ctx, name, metav1.DeleteOptions{}))
		result := []any{established, served, refusal(err), names}
		if err == nil {
			result = append(result, made.Object)
		}
		return result, nil
	})
}

// The old recorder writes core events.
type sink struct {
	e   *env
	ctx context.Context
}

func (s *sink) Create(event *corev1.Event) (*corev1.Event, error) {
	return s.e.typed.CoreV1().Events(s.e.ns).Create(s.ctx, event, metav1.CreateOptions{})
}

func (s *sink) Update(event *corev1.Event) (*corev1.Event, error) {
	return s.e.typed.CoreV1().Events(s.e.ns).Update(s.ctx, event, metav1.UpdateOptions{})
}

func (s *sink) Patch(event *corev1.Event, data []byte) (*corev1.Event, error) {
	return s.e.typed.CoreV1().Events(s.e.ns).Patch(s.ctx, event.Name, types.StrategicMergePatchType, data, metav1.PatchOptions{})
}
