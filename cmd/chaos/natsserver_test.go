//go:build linux

package chaos

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
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

// Ports below those that Linux gives to whoever asks for any and to connections: nobody else comes by one while a
// server that has it is down.
const firstPort, ports = 20_000, 12_000

// taken counts the ports that were given out; each is once.
var taken atomic.Int64

// freeAddress is one of loopback on which nothing listens just now.
func freeAddress(t testing.TB) string {
	t.Helper()
	taken.CompareAndSwap(0, int64(os.Getpid()*100%ports)) // another run of these tests begins elsewhere
	for range ports {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+taken.Add(1)%ports)
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}
