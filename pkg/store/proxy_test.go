package store_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/educareschool/guichet/pkg/store"
)

// verdict is what becomes of what a client asks.
type verdict int

const (
	pass       verdict = iota
	deaf               // it reaches the server, its answer does not reach the client
	disconnect         // it does not reach the server
)

// proxy stands between a store and its server.
type proxy struct {
	asked    func([]byte) verdict // what goes to the server
	answered func()
}

// through opens a store whose connections go through a proxy.
func (f *fixture) through(p proxy) *store.Store {
	f.t.Helper()
	u, err := url.Parse(f.url)
	if err != nil {
		f.t.Fatal(err)
	}
	network, address := serverOf(f.t, f.url)
	query := u.Query()
	query.Del("host")
	query.Del("port")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	var open sync.WaitGroup
	f.t.Cleanup(open.Wait)
	f.t.Cleanup(func() { _ = listener.Close() })
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial(network, address)
			if err != nil {
				f.t.Error(err)
				_ = client.Close()
				return
			}
			open.Go(func() { p.carry(client, server) })
			open.Go(func() { p.bringBack(server, client) })
		}
	})
	query.Set("sslmode", "disable")
	u.Host, u.RawQuery = listener.Addr().String(), query.Encode()
	direct := f.url
	defer func() { f.url = direct }()
	f.url = u.String()
	return f.open(store.Options{})
}

// serverOf is where the server of a DATABASE_URL listens.
func serverOf(t testing.TB, databaseURL string) (network, address string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	folder, port := u.Query().Get("host"), u.Query().Get("port")
	if folder == "" {
		return "tcp", u.Host
	}
	if port == "" {
		port = "5432"
	}
	return "unix", folder + "/.s.PGSQL." + port
}

func (p proxy) carry(client, server net.Conn) {
	defer func() { _ = server.Close() }()
	buffer := make([]byte, 1<<20)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		switch p.asked(buffer[:n]) {
		case disconnect:
			_ = client.Close()
			return
		case deaf:
			_ = client.Close()
			_, _ = server.Write(buffer[:n])
			return
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (p proxy) bringBack(server, client net.Conn) {
	defer func() { _ = client.Close() }()
	buffer := make([]byte, 1<<16)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		if p.answered != nil {
			p.answered()
		}
		if _, err := client.Write(buffer[:n]); err != nil && !errors.Is(err, io.EOF) {
			return
		}
	}
}
