// Package fakestripe is Stripe's API for tests, as far as Guichet uses it: sessions, intents, charges, events and
// webhook endpoints, with the answers that Stripe documents for what is not there, not allowed, too often or too late.
// https://docs.stripe.com/api
package fakestripe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// Key is the API key that a Server takes, unless its Key is changed.
const Key = "sk_test_fake"

// Object is one of Stripe's, as JSON. Its "object" says what it is.
type Object = map[string]any

// Request is one that a Server was sent, whatever it answered.
type Request struct {
	Path    string // /v1/…
	Query   string // decoded, in the order of its names
	Account string // Stripe-Account
	Version string // Stripe-Version
	Client  string // X-Stripe-Client-User-Agent
}

// Server answers as Stripe does. It may be used by many at once; Key and Now are set before the first request.
type Server struct {
	URL string
	Key string
	Now func() time.Time // which answers tell, and by which events grow too old to be listed; time.Now by default

	http *httptest.Server

	mu       sync.Mutex
	changed  *sync.Cond
	accounts map[string][]stored // "" is the key's own; objects in the order of their making
	requests []Request
	failures []Failure
	barred   map[string]string // path prefix → the permission that the key lacks
	inHand   int
	most     int
	release  chan struct{} // closed unless requests are held
	gone     chan struct{} // closed when the server stops
}

// stored is an object and, of an event, whether every endpoint took it.
type stored struct {
	Object
	delivered bool
}

// New starts a Server that stops with the test.
func New(t testing.TB) *Server {
	t.Helper()
	open := make(chan struct{})
	close(open)
	s := &Server{
		Key: Key, Now: time.Now,
		accounts: map[string][]stored{"": nil}, barred: map[string]string{},
		release: open, gone: make(chan struct{}),
	}
	s.changed = sync.NewCond(&s.mu)
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL
	t.Cleanup(func() {
		close(s.gone)
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// Add puts objects into an account, "" being the key's own, in place of those with the same id. Naming an
// account connects it: others are not the key's to see.
func (s *Server) Add(account string, objects ...Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[account] = slices.Clip(s.accounts[account]) // one without objects is connected, too
	for _, o := range objects {
		s.put(account, stored{Object: copied(o)})
	}
}

// AddEvent puts an event into an account, delivered or, as delivery_success=false lists it, not. The object it
// tells of is left as it is.
func (s *Server) AddEvent(account string, event Object, delivered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(account, stored{copied(event), delivered})
}

// Happened puts simulated events into an account, undelivered, and makes the objects they tell of what they say.
func (s *Server) Happened(account string, events ...simulate.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		event := decoded(e.Body)
		s.put(account, stored{Object: event})
		data, _ := event["data"].(Object)
		object, _ := data["object"].(Object)
		s.put(account, stored{Object: copied(object)})
	}
}

// Deliver makes an event of an account one that every endpoint took.
func (s *Server) Deliver(account, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range s.accounts[account] {
		if o.Object["id"] == id {
			s.accounts[account][i].delivered = true
		}
	}
}

func (s *Server) put(account string, o stored) {
	if id, _ := o.Object["id"].(string); id == "" || pathOf(o.Object) == "" {
		panic(fmt.Sprintf("fakestripe: an object without an id, or of a kind that is not served: %v", o.Object["object"]))
	}
	all := s.accounts[account]
	if at := slices.IndexFunc(all, func(known stored) bool { return known.Object["id"] == o.Object["id"] }); at >= 0 {
		all[at] = o
		return
	}
	s.accounts[account] = append(all, o)
}

// Requests are those so far whose path has the prefix.
func (s *Server) Requests(prefix string) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.requests), func(r Request) bool { return !strings.HasPrefix(r.Path, prefix) })
}

// MostAtOnce is how many requests were in hand at the same time.
func (s *Server) MostAtOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// Hold keeps every request waiting, until what it returns is called or the client goes away.
func (s *Server) Hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(chan struct{})
	s.release = held
	return sync.OnceFunc(func() { close(held) })
}

// AwaitInHand returns when so many requests are in hand.
func (s *Server) AwaitInHand(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.inHand != n {
		s.changed.Wait()
	}
}

func copied(o Object) Object {
	body, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("fakestripe: an object is not JSON: %v", err)) // a mistake of the test
	}
	return decoded(body)
}

func decoded(body []byte) Object {
	var o Object
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // so that large ones stay as they are
	if err := d.Decode(&o); err != nil {
		panic(fmt.Sprintf("fakestripe: not a JSON object: %v", err))
	}
	return o
}
