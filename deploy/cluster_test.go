package deploy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/waittest"
)

// loopback is an address of this machine that nobody else is likely to use: Linux takes all of 127.0.0.0/8.
func loopback() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
}

// cluster starts the shipped configuration as three nodes, each on an address of its own where the shipped ports are
// free, and returns them and the URL of each user.
func cluster(t *testing.T) (nodes []*server.Server, urlOf func(user string) string) {
	t.Helper()
	dir := secrets(t)
	folder := natsFolder(t, dir)
	hosts := map[string]string{"nats-1": loopback(), "nats-2": loopback(), "nats-3": loopback()}
	var addresses []string
	for _, name := range []string{"nats-1", "nats-2", "nats-3"} {
		o := natsOptions(t, filepath.Join(folder, "cluster.conf"), hosts[name])
		o.ServerName, o.Cluster.Host = name, hosts[name]
		if len(o.Routes) != len(hosts) {
			t.Fatalf("cluster.conf has the routes %v", o.Routes)
		}
		o.Routes = routesAt(t, o.Routes, hosts)
		s := startNATS(t, o)
		nodes = append(nodes, s)
		addresses = append(addresses, s.Addr().String())
	}
	return nodes, func(user string) string {
		shipped := read(t, filepath.Join(dir, user+"_nats_url"))
		var urls []string
		for _, a := range addresses {
			urls = append(urls, strings.Replace(shipped, "nats:4222", a, 1))
		}
		return strings.Join(urls, ",")
	}
}

// routesAt keeps the shipped routes' users, passwords and ports, and puts addresses for names.
func routesAt(t *testing.T, routes []*url.URL, hosts map[string]string) []*url.URL {
	t.Helper()
	var out []*url.URL
	for _, r := range routes {
		host, known := hosts[r.Hostname()]
		if !known {
			t.Fatalf("cluster.conf has a route to %s", r.Hostname())
		}
		moved := *r
		moved.Host = net.JoinHostPort(host, r.Port())
		out = append(out, &moved)
	}
	return out
}

func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	waittest.Until(t, patience, what, condition)
}

func TestNATS_ThreeNodesKeepEveryEventWhileOneIsAway(t *testing.T) {
	t.Parallel()
	nodes, urlOf := cluster(t)
	_, admin := dial(t, urlOf("setup"))
	if _, err := stream.Setup(t.Context(), admin, streamConfig(3)); err != nil {
		t.Fatal(err)
	}
	_, ingester := dial(t, urlOf("ingester"))
	publish := func(id int) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := ingester.Publish(ctx, "stripe.events.charge.refunded", []byte("{}"), jetstream.WithMsgID(strconv.Itoa(id)))
		return err
	}
	if err := publish(1); err != nil {
		t.Fatal(err)
	}
	nodes[0].Shutdown()
	nodes[0].WaitForShutdown()
	eventually(t, "two nodes of three take an event", func() error { return publish(2) })
	eventually(t, "two nodes of three hold both events", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s, err := admin.Stream(ctx, stream.Events)
		if err != nil {
			return err
		}
		info := s.CachedInfo()
		if info.State.Msgs != 2 || info.Config.Replicas != 3 {
			return fmt.Errorf("%d messages, %d replicas", info.State.Msgs, info.Config.Replicas)
		}
		return nil
	})
}

func TestNATS_AClusterTakesNoNodeWithoutThePassword(t *testing.T) {
	t.Parallel()
	nodes, _ := cluster(t)
	stranger := &server.Options{
		ServerName: "stranger", Host: loopback(), Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		Cluster: server.ClusterOpts{Name: "guichet", Host: loopback(), Port: server.RANDOM_PORT, PoolSize: -1},
		Routes:  []*url.URL{{Scheme: "nats-route", Host: nodes[0].ClusterAddr().String()}},
	}
	s, err := server.NewServer(stranger)
	if err != nil {
		t.Fatal(err)
	}
	log := refusals{seen: make(chan struct{}, 1)}
	s.SetLogger(log, false, false)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	select {
	case <-log.seen:
	case <-time.After(patience):
		t.Fatal("nobody refused the stranger")
	}
	if n := s.NumRoutes(); n != 0 {
		t.Errorf("the stranger has %d routes", n)
	}
}

// refusals waits for what a server logs when another refuses it.
type refusals struct{ seen chan struct{} }

func (r refusals) Errorf(format string, v ...any) {
	if strings.Contains(strings.ToLower(fmt.Sprintf(format, v...)), "authorization violation") {
		select {
		case r.seen <- struct{}{}:
		default:
		}
	}
}

func (refusals) Noticef(string, ...any) {}
func (refusals) Warnf(string, ...any)   {}
func (refusals) Fatalf(string, ...any)  {}
func (refusals) Debugf(string, ...any)  {}
func (refusals) Tracef(string, ...any)  {}

func TestNATS_AClusterNeverUsesASingleServersFolder(t *testing.T) {
	t.Parallel()
	folder := natsFolder(t, secrets(t))
	one, err := server.ProcessConfigFile(filepath.Join(folder, "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	three, err := server.ProcessConfigFile(filepath.Join(folder, "cluster.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if one.StoreDir != "/data" || three.StoreDir != "/data/cluster" {
		t.Errorf("they store in %s and %s", one.StoreDir, three.StoreDir)
	}
}
