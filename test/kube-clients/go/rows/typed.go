package main

import (
	"context"
	"encoding/json"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
)

// The same life of a Service and a ConfigMap, in JSON and in protobuf.
func life(ctx context.Context, client *kubernetes.Clientset, ns, name string) (any, error) {
	services, maps := client.CoreV1().Services(ns), client.CoreV1().ConfigMaps(ns)
	made := must(services.Create(ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": name},
		Ports:    []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("web")}, {Name: "n", Port: 81, TargetPort: intstr.FromInt32(8081)}},
	}}, metav1.CreateOptions{}))
	made.Spec.Ports[0].Port = 90
	changed := must(services.Update(ctx, made, metav1.UpdateOptions{}))
	cm := must(maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"a": "ü"}}, Data: map[string]string{"a": "1"}, BinaryData: map[string][]byte{"b": {0, 255}}}, metav1.CreateOptions{}))
	list := must(maps.List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name}))
	err := maps.Delete(ctx, name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(cm.UID))})
	return map[string]any{"spec": changed.Spec, "kept": changed.Spec.ClusterIP == made.Spec.ClusterIP, "cm": cm.BinaryData, "annotations": cm.Annotations, "listed": len(list.Items), "deleted": refusal(err)}, nil
}

func init() {
	add("typed-json", func(ctx context.Context, e *env) (any, error) { return life(ctx, e.typed, e.ns, "g-json") })
	add("typed-protobuf", func(ctx context.Context, e *env) (any, error) { return life(ctx, e.proto, e.ns, "g-proto") })
	add("protobuf-kinds", func(ctx context.Context, e *env) (any, error) {
		meta := metav1.ObjectMeta{Name: "g-pk"}
		_, secret := e.proto.CoreV1().Secrets(e.ns).Create(ctx, &corev1.Secret{ObjectMeta: meta, StringData: map[string]string{"a": "b"}}, metav1.CreateOptions{})
		holder := "me"
		_, lease := e.proto.CoordinationV1().Leases(e.ns).Create(ctx, &coordinationv1.Lease{ObjectMeta: meta, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, RenewTime: &metav1.MicroTime{}}}, metav1.CreateOptions{})
		ready := true
		_, slice := e.proto.DiscoveryV1().EndpointSlices(e.ns).Create(ctx, &discoveryv1.EndpointSlice{ObjectMeta: meta, AddressType: "IPv4", Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}}}, metav1.CreateOptions{})
		_, account := e.proto.CoreV1().ServiceAccounts(e.ns).Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
		_, deployment := e.proto.AppsV1().Deployments(e.ns).Create(ctx, &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "g"}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "g"}}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.com/c"}}}},
		}}, metav1.CreateOptions{})
		_, role := e.proto.RbacV1().Roles(e.ns).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}}, metav1.CreateOptions{})
		exact := networkingv1.PathTypeExact
		_, ingress := e.proto.NetworkingV1().Ingresses(e.ns).Create(ctx, &networkingv1.Ingress{ObjectMeta: meta, Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &exact, Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "a", Port: networkingv1.ServiceBackendPort{Number: 80}}}}}}}}}}}, metav1.CreateOptions{})
		return []any{refusal(secret), refusal(lease), refusal(slice), refusal(account), refusal(deployment), refusal(role), refusal(ingress)}, nil
	})
	add("errors", func(ctx context.Context, e *env) (any, error) {
		maps := e.typed.CoreV1().ConfigMaps(e.ns)
		must(maps.Create(ctx, configMap("g-err", nil, nil), metav1.CreateOptions{}))
		_, exists := maps.Create(ctx, configMap("g-err", nil, nil), metav1.CreateOptions{})
		_, missing := maps.Get(ctx, "g-none", metav1.GetOptions{})
		_, invalid := maps.Create(ctx, configMap("G", nil, nil), metav1.CreateOptions{})
		stale := configMap("g-err", nil, nil)
		stale.ResourceVersion = "1"
		_, conflict := maps.Update(ctx, stale, metav1.UpdateOptions{})
		_, forbidden := e.typed.CoreV1().ConfigMaps("").Create(ctx, configMap("g", nil, nil), metav1.CreateOptions{})
		return []any{apierrors.IsAlreadyExists(exists), apierrors.IsNotFound(missing), apierrors.IsInvalid(invalid), apierrors.IsConflict(conflict), refusal(exists), refusal(forbidden)}, nil
	})
	add("retry-on-conflict", func(ctx context.Context, e *env) (any, error) {
		maps := e.typed.CoreV1().ConfigMaps(e.ns)
		must(maps.Create(ctx, configMap("g-retry", nil, map[string]string{"n": "0"}), metav1.CreateOptions{}))
		tries := 0
		err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
			current := must(maps.Get(ctx, "g-retry", metav1.GetOptions{}))
			if tries++; tries == 1 {
				must(maps.Patch(ctx, "g-retry", types.MergePatchType, []byte(`{"data":{"other":"1"}}`), metav1.PatchOptions{}))
			}
			current.Data["n"] = "1"
			_, err := maps.Update(ctx, current, metav1.UpdateOptions{})
			return err
		})
		return []any{tries, refusal(err), must(maps.Get(ctx, "g-retry", metav1.GetOptions{})).Data}, nil
	})
	add("apply-configurations", func(ctx context.Context, e *env) (any, error) {
		maps := e.typed.CoreV1().ConfigMaps(e.ns)
		apply := func(manager string, data map[string]string, force bool) (*corev1.ConfigMap, error) {
			return maps.Apply(ctx, applycorev1.ConfigMap("g-apply", e.ns).WithData(data), metav1.ApplyOptions{FieldManager: manager, Force: force})
		}
		must(apply("one", map[string]string{"a": "1", "b": "1"}, false))
		_, conflict := apply("two", map[string]string{"b": "2"}, false)
		must(apply("two", map[string]string{"b": "2"}, true))
		last := must(apply("one", map[string]string{"c": "1"}, false))
		mine := must(applycorev1.ExtractConfigMap(last, "one"))
		return []any{refusal(conflict), last.Data, mine.Data}, nil
	})
	add("apply-service", func(ctx context.Context, e *env) (any, error) {
		services := e.typed.CoreV1().Services(e.ns)
		apply := func(manager string, ports ...*applycorev1.ServicePortApplyConfiguration) error {
			_, err := services.Apply(ctx, applycorev1.Service("g-svc", e.ns).WithSpec(applycorev1.ServiceSpec().WithPorts(ports...)), metav1.ApplyOptions{FieldManager: manager})
			return err
		}
		port := func(name string, number int32) *applycorev1.ServicePortApplyConfiguration {
			return applycorev1.ServicePort().WithName(name).WithPort(number).WithProtocol(corev1.ProtocolTCP)
		}
		first, second, third := apply("one", port("a", 80)), apply("two", port("b", 81)), apply("one", port("c", 82))
		names := []string{}
		for _, p := range must(services.Get(ctx, "g-svc", metav1.GetOptions{})).Spec.Ports {
			names = append(names, p.Name)
		}
		return []any{refusal(first), refusal(second), refusal(third), names}, nil
	})
	add("patches", func(ctx context.Context, e *env) (any, error) {
		maps := e.typed.CoreV1().ConfigMaps(e.ns)
		must(maps.Create(ctx, configMap("g-patch", nil, map[string]string{"a": "1"}), metav1.CreateOptions{}))
		patch := func(kind types.PatchType, text string) any {
			done, err := maps.Patch(ctx, "g-patch", kind, []byte(text), metav1.PatchOptions{})
			if err != nil {
				return refusal(err)
			}
			return done.Data
		}
		return []any{
			patch(types.JSONPatchType, `[{"op":"add","path":"/data/b~1c","value":"2"}]`),
			patch(types.JSONPatchType, `[{"op":"add","path":"/data","value":"text"}]`),
			patch(types.MergePatchType, `{"data":{"b/c":null}}`),
			patch(types.StrategicMergePatchType, `{"data":{"d":"4"},"metadata":{"annotations":{"x":"y"}}}`),
			patch(types.StrategicMergePatchType, `{"data":{"$patch":"replace","e":"5"}}`),
			patch(types.MergePatchType, `{"kind":"Secret"}`),
			patch(types.MergePatchType, `{"data":{"f":7}}`),
		}, nil
	})
	add("dry-run", func(ctx context.Context, e *env) (any, error) {
		services := e.typed.CoreV1().Services(e.ns)
		dry := []string{metav1.DryRunAll}
		made := must(services.Create(ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "g-dry"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}, metav1.CreateOptions{DryRun: dry}))
		_, gone := services.Get(ctx, "g-dry", metav1.GetOptions{})
		_, invalid := services.Create(ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "g-dry"}}, metav1.CreateOptions{DryRun: dry})
		return []any{made.UID != "", made.ResourceVersion, apierrors.IsNotFound(gone), refusal(invalid)}, nil
	})
	add("warnings", func(ctx context.Context, e *env) (any, error) {
		heard := &listener{}
		config := rest.CopyConfig(e.config)
		config.WarningHandler = heard
		client := must(kubernetes.NewForConfig(config))
		body := []byte(`{"metadata":{"name":"g-warn"},"dta":{},"data":{"a":"b"}}`)
		err := client.CoreV1().RESTClient().Post().Namespace(e.ns).Resource("configmaps").Param("fieldValidation", "Warn").SetHeader("Content-Type", "application/json").Body(body).Do(ctx).Error()
		return []any{refusal(err), heard.said}, nil
	})
	add("tokens", func(ctx context.Context, e *env) (any, error) {
		accounts := e.typed.CoreV1().ServiceAccounts(e.ns)
		must(accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "g-sa"}}, metav1.CreateOptions{}))
		seconds := int64(900)
		made := must(accounts.CreateToken(ctx, "g-sa", &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{"weft-ca"}, ExpirationSeconds: &seconds}}, metav1.CreateOptions{}))
		review := must(e.typed.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: made.Status.Token, Audiences: []string{"weft-ca"}}}, metav1.CreateOptions{}))
		wrong := must(e.typed.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: made.Status.Token, Audiences: []string{"other"}}}, metav1.CreateOptions{}))
		_, ghost := accounts.CreateToken(ctx, "g-ghost", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		return []any{*made.Spec.ExpirationSeconds, review.Status.Authenticated, review.Status.Audiences, review.Status.User.Username, review.Status.User.Groups, wrong.Status.Authenticated, refusal(ghost)}, nil
	})
	add("access-review", func(ctx context.Context, e *env) (any, error) {
		review := func(verb, resource string) any {
			done, err := e.typed.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: e.ns, Verb: verb, Resource: resource}}}, metav1.CreateOptions{})
			if err != nil {
				return refusal(err)
			}
			return done.Status.Allowed
		}
		who, err := e.typed.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		return []any{review("get", "secrets"), review("delete", "namespaces"), refusal(err), err == nil && who.Status.UserInfo.Username != ""}, nil
	})
	add("scale", func(ctx context.Context, e *env) (any, error) {
		deployments := e.typed.AppsV1().Deployments(e.ns)
		must(deployments.Create(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "g-scale"}, Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "g"}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "g"}}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.com/c"}}}},
		}}, metav1.CreateOptions{}))
		scale, err := deployments.GetScale(ctx, "g-scale", metav1.GetOptions{})
		if err != nil {
			return refusal(err), nil
		}
		scale.Spec.Replicas = 4
		done := must(deployments.UpdateScale(ctx, "g-scale", scale, metav1.UpdateOptions{}))
		after := must(deployments.Get(ctx, "g-scale", metav1.GetOptions{}))
		return []any{done.Spec, *after.Spec.Replicas, after.Generation}, nil
	})
	add("status-of-a-deployment", func(ctx context.Context, e *env) (any, error) {
		deployments := e.typed.AppsV1().Deployments(e.ns)
		current := must(deployments.Get(ctx, "g-scale", metav1.GetOptions{}))
		current.Status.ReadyReplicas, current.Status.Replicas, current.Status.ObservedGeneration = 1, 1, current.Generation
		current.Spec.Paused = true
		done := must(deployments.UpdateStatus(ctx, current, metav1.UpdateOptions{}))
		return []any{done.Status, done.Spec.Paused}, nil
	})
	add("namespace-finalizer", func(ctx context.Context, e *env) (any, error) {
		namespaces := e.typed.CoreV1().Namespaces()
		made := must(namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.ns + "-g"}}, metav1.CreateOptions{}))
		text := must(json.Marshal(made.Spec))
		err := namespaces.Delete(ctx, e.ns+"-g", metav1.DeleteOptions{})
		return []any{string(text), made.Status.Phase, refusal(err)}, nil
	})
}

type listener struct{ said []string }

func (l *listener) HandleWarningHeader(code int, agent string, text string) {
	l.said = append(l.said, text)
}
