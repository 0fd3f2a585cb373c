//go:build linux

package chaos

import (
	"net"
	"sync"
	"testing"
	"time"
)

// link is a network between a client and a server that can be slow, cut or a black hole. Its address stays the
// same while the server behind it moves.
type link struct {
	t        testing.TB
	listener net.Listener
	carrying sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	server  string
	state   condition
	open    map[net.Conn]bool
	// spy sees, before it goes on, what a client sends; it returns how much of it may go.
	spy func(sent []byte) int
}

// condition is the state of a link; its zero value is a good one.
type condition struct {
	delay time.Duration // each way
	cut   bool          // connections end, new ones are refused
	hole  bool          // nothing arrives, nothing is refused; what was sent arrives when it is healed
}

func newLink(t testing.TB, server string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{t: t, listener: listener, server: server, open: map[net.Conn]bool{}}
	l.changed = sync.NewCond(&l.mu)
	l.carrying.Go(l.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		l.set(condition{cut: true})
		l.carrying.Wait()
	})
	return l
}

func (l *link) address() string { return l.listener.Addr().String() }

// leadTo names another server for connections to come.
func (l *link) leadTo(server string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.server = server
}

// set changes the link's condition, of the connections there are too.
func (l *link) set(c condition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = c
	if c.cut {
		for conn := range l.open {
			breakOff(conn)
		}
	}
	l.changed.Broadcast()
}

// watch has a spy see what clients send; nil takes it away.
func (l *link) watch(spy func(sent []byte) int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spy = spy
}

func (l *link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		to, cut := l.server, l.state.cut
		l.mu.Unlock()
		if cut {
			breakOff(client)
			continue
		}
		server, err := net.Dial("tcp", to)
		if err != nil { // it is down: so is the link
			breakOff(client)
			continue
		}
		l.mu.Lock()
		l.open[client], l.open[server] = true, true
		l.mu.Unlock()
		l.carrying.Go(func() { l.carry(client, server, true) })
		l.carrying.Go(func() { l.carry(server, client, false) })
	}
}

// parcel is what was read at once, and when it may go on.
type parcel struct {
	data []byte
	due  time.Time
}

// carry moves bytes one way until either end is gone, and then ends both.
func (l *link) carry(from, to net.Conn, toServer bool) {
	parcels := make(chan parcel, 1024)
	l.carrying.Go(func() {
		for p := range parcels {
			time.Sleep(time.Until(p.due)) // a slow network
			if !l.passable() {
				break
			}
			if _, err := to.Write(p.data); err != nil {
				break
			}
		}
		l.end(from, to)
		for range parcels { // what is left goes nowhere
		}
	})
	defer close(parcels)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		l.mu.Lock()
		delay, spy := l.state.delay, l.spy
		l.mu.Unlock()
		data := append([]byte(nil), buffer[:n]...)
		if toServer && spy != nil {
			data = data[:spy(data)]
		}
		if len(data) > 0 {
			parcels <- parcel{data, time.Now().Add(delay)}
		}
	}
}

// passable waits for as long as the link is a black hole; it says whether bytes may pass then.
func (l *link) passable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.state.hole && !l.state.cut {
		l.changed.Wait()
	}
	return !l.state.cut
}

func (l *link) end(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(l.open, c)
	}
}

// breakOff ends a connection without a farewell, as a lost one does.
func breakOff(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
