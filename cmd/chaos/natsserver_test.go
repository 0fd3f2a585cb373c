//go:build linux

package chaos

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// natsServer is a nats-server that syncs every write, at an address that stays when it is started again.
type natsServer struct {
	*program
	address  string
	route    string // in a cluster
	password string // of the user guichet, where it wants one
}

// newNATS starts one server, or a cluster of three.
func newNATS(t testing.TB, dir string, s shape) []*natsServer {
	t.Helper()
	count := 1
	if s.cluster {
		count = 3
	}
	var all []*natsServer
	var routes []string
	for range count {
		n := &natsServer{address: freeAddress(t), route: freeAddress(t), password: s.natsUser}
		all = append(all, n)
		routes = append(routes, "nats://"+n.route)
	}
	for i, n := range all {
		name := fmt.Sprintf("nats-%d", i)
		store := filepath.Join(dir, name)
		if s.natsDir != nil {
			store = s.natsDir(t)
		}
		config := fmt.Sprintf("server_name: %s\nlisten: %s\nmax_payload: 2MB\njetstream {\n  store_dir: %q\n  sync_interval: always\n}\n", name, n.address, store)
		if s.cluster { // links stay between services and servers: the servers tell clients of no others
			config += fmt.Sprintf("cluster {\n  name: chaos\n  listen: %s\n  no_advertise: true\n  routes: [%s]\n}\n", n.route, strings.Join(routes, ", "))
		}
		if s.natsUser != "" {
			config += fmt.Sprintf("authorization { user: guichet, password: %q }\n", s.natsUser)
		}
		file := filepath.Join(dir, name+".conf")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		n.program = newProgram(t, dir, name, "nats-server", nil, "-c", file)
		n.start()
	}
	for _, n := range all {
		n.match(`Server is ready`)
	}
	return all
}

// freeAddress is one of loopback on which nothing listens just now.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
