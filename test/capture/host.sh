# Rules on a host: in a network namespace that stands for one. $1: folder; the rest: how Weft is started. BACKEND: nft
# or iptables.
cd "$1" || exit 1
shift
ip link set lo up
ip link add d0 type veth peer name d1
ip addr add 10.9.9.9/24 dev d0
ip link set d1 up
ip link set d0 up
ip route add default dev d0
"$@" dev >dev.log 2>&1 &
dev=$!
until [ -s .weft/kubeconfig ] && grep -q "Next" dev.log; do sleep 0.1; done
"$@" capture install --backend "$BACKEND"
nft add table inet foreign
"$@" capture install --backend "$BACKEND" --exclude-outbound-ports 22
echo "tables: $(nft list tables | sort | tr '\n' ' ')"
echo "jumps: $(iptables-save -t nat 2>/dev/null | grep -c -e '-j WEFT_')"
"$@" run --captured --service web --port 9080 --log-format text -- \
	python3 -m http.server 9080 --bind 127.0.0.1 >web.log 2>&1 &
run=$!
until grep -q "application is ready" web.log; do
	kill -0 $run || break
	sleep 0.1
done
cat web.log
for _ in 1 2 3 4 5 6 7 8 9 10; do
	curl -fsS -m 5 -o /dev/null -w 'by name: %{http_code}\n' http://web.default.svc.cluster.local:9080/ && break
	sleep 0.3
done
echo "counted: $(curl -s http://10.9.9.9:15020/stats/prometheus | grep -c 'istio_requests_total{.*mutual_tls')"
kill -TERM $run
wait $run
"$@" capture uninstall --backend "$BACKEND"
"$@" capture uninstall --backend "$BACKEND"
echo "chains: $(iptables-save -t nat 2>/dev/null | grep -c WEFT_)"
echo "left: $(nft list tables | tr '\n' ' ')"
kill -TERM $dev
wait $dev
