//go:build linux

package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// The signing secrets: one is being rolled to the other all the while.
const (
	oldSecret     = "whsec_chaos_old_5f1c0a7e"
	newSecret     = "whsec_chaos_new_93d2b6e4"
	foreignSecret = "whsec_chaos_foreign_0b77"
)

// sender is a hostile Stripe and a busy platform. It delivers events late, in any order and more than once, signs
// each try anew while its secret is rolled, sends what is forged between, tries again until it is answered with a
// 2xx, and writes every answer down.
type sender struct {
	t        testing.TB
	ledger   *ledger
	platform *platform
	doors    func() []string // URLs of the ingesters that a load balancer would send to
	client   *http.Client
	queue    *queue

	mu       sync.Mutex
	shop     *shop // its randomness is drawn from in the order of its sales alone, which makes them repeatable
	random   *rand.Rand
	forger   *simulate.Stripe
	buying   bool
	poisoned int  // one event in so many is poison; 0 for none
	refused  bool // the database refuses unwanted events, which then are poison too
}

// hands is how many requests are on their way at once.
const hands = 24

func newSender(t testing.TB, random *rand.Rand, l *ledger, p *platform, doors func() []string) *sender {
	story, haste := rand.New(rand.NewPCG(random.Uint64(), 1)), rand.New(rand.NewPCG(random.Uint64(), 2))
	transport := &http.Transport{MaxIdleConnsPerHost: hands, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &sender{
		t: t, ledger: l, platform: p, doors: doors, queue: newQueue(), shop: newShop(story),
		random: haste, forger: simulate.New(haste, time.Now),
		client: &http.Client{Transport: transport, Timeout: 20 * time.Second},
	}
}

// run sells so many purchases a second until stop, and ends with ctx.
func (s *sender) run(ctx context.Context, perSecond int) {
	s.mu.Lock()
	s.buying = true
	s.mu.Unlock()
	s.queue.add(0, func(context.Context) time.Duration {
		if !s.sell() {
			return 0
		}
		return time.Second / time.Duration(perSecond)
	})
	s.queue.run(ctx, hands)
}

// stop sells no more; what was sold is delivered still.
func (s *sender) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buying = false
}

// poison has one event in so many be poison from now on; 0 none.
func (s *sender) poison(oneIn int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.poisoned = oneIn
}

// drained waits until every event has been accepted and every row is as the platform wants it.
func (s *sender) drained() {
	s.t.Helper()
	eventually(s.t, "every event is accepted", func() error {
		if n := s.queue.left(); n > 0 {
			return fmt.Errorf("%d deliveries are left", n)
		}
		return nil
	})
}

// sell writes a purchase and queues what comes of it; it says whether to go on.
func (s *sender) sell() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.buying {
		return false
	}
	if s.shop.random.IntN(10) == 0 {
		s.send(s.shop.nobodys(), false)
	}
	if s.random.IntN(4) == 0 {
		s.queue.add(0, s.forge)
	}
	p := s.shop.next()
	if p.late {
		s.announce(p)
		s.queue.add(s.upTo(3*time.Second), func(ctx context.Context) time.Duration { return again(s.platform.insert(ctx, p, len(p.sessions))) })
		return true
	}
	s.queue.add(0, func(ctx context.Context) time.Duration {
		err := s.platform.insert(ctx, p, 1)
		if err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.announce(p)
		}
		if errors.Is(err, errSoldOut) {
			return 0 // nobody pays for it
		}
		return again(err)
	})
	return true
}

// announce queues a purchase's events, and the platform's change of session among them.
func (s *sender) announce(p *purchase) {
	s.ledger.bought(p)
	if len(p.sessions) > 1 {
		s.queue.add(s.upTo(2*time.Second), func(ctx context.Context) time.Duration { return again(s.platform.renew(ctx, p)) })
	}
	for _, e := range p.sent {
		s.send(e, false)
	}
	if s.poisoned > 0 && s.random.IntN(s.poisoned) < len(p.events) {
		if s.refused && s.random.IntN(2) == 0 {
			s.send(s.shop.unwanted(), true)
		} else {
			s.send(s.shop.poison(), true)
		}
	}
}

// again is after how long the platform tries once more what failed.
func again(err error) time.Duration {
	if err == nil {
		return 0
	}
	return 250 * time.Millisecond
}

// upTo is a random time; most are short, some are long.
func (s *sender) upTo(longest time.Duration) time.Duration {
	if s.random.IntN(20) == 0 {
		longest *= 3
	}
	return time.Duration(s.random.Int64N(int64(longest)))
}

// send queues an event until it is accepted, and now and then once more after that.
func (s *sender) send(e simulate.Event, poison bool) { s.sendAfter(s.upTo(2*time.Second), e, poison) }

func (s *sender) sendAfter(wait time.Duration, e simulate.Event, poison bool) {
	s.ledger.promise(e, poison)
	tries := 0
	s.queue.add(wait, func(ctx context.Context) time.Duration {
		a := s.deliver(ctx, e)
		if ctx.Err() != nil {
			return 0
		}
		s.ledger.note(e.ID, a)
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case !a.accepted():
			tries++
			longest := min(100*time.Millisecond<<min(tries, 4), time.Second)
			return longest/2 + time.Duration(s.random.Int64N(int64(longest/2)))
		case s.random.IntN(8) == 0:
			return s.upTo(3*time.Second) + 1 // a duplicate
		}
		return 0
	})
}

func (s *sender) deliver(ctx context.Context, e simulate.Event) answer {
	s.mu.Lock()
	secrets := [][]string{{oldSecret}, {oldSecret, newSecret}, {newSecret, oldSecret}, {newSecret}}[s.random.IntN(4)]
	s.mu.Unlock()
	now := time.Now()
	return s.post(ctx, e.Body, simulate.Sign(e.Body, now, secrets...))
}

// post sends a body with a signature to one of the doors.
func (s *sender) post(ctx context.Context, body []byte, signature string) answer {
	began := time.Now()
	doors := s.doors()
	if len(doors) == 0 {
		return answer{At: began}
	}
	s.mu.Lock()
	door := doors[s.random.IntN(len(doors))]
	s.mu.Unlock()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, door, bytes.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return answer{At: began}
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	if signature != "" {
		r.Header.Set(simulate.SignatureHeader, signature)
	}
	res, err := s.client.Do(r)
	if err != nil {
		return answer{At: began, Took: time.Since(began)}
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return answer{At: began, Took: time.Since(began)} // an answer that breaks off is none
	}
	return answer{At: began, Took: time.Since(began), Status: res.StatusCode}
}

// forge sends once what must not be accepted.
func (s *sender) forge(ctx context.Context) time.Duration {
	s.mu.Lock()
	e := s.forger.Payment(fmt.Sprintf("%s%05d", s.shop.prefix, s.random.IntN(max(s.shop.made, 1)))).Completed()
	pick := s.random.IntN(7 + len(refusals))
	s.mu.Unlock()
	now := time.Now()
	body, signature := e.Body, ""
	var what string
	switch pick {
	case 0:
		what, signature = "another endpoint's secret", simulate.Sign(body, now, foreignSecret)
	case 1:
		what, signature = "an old signature", simulate.Sign(body, now.Add(-10*time.Minute), oldSecret)
	case 2:
		what, signature = "a signature of the future", simulate.Sign(body, now.Add(10*time.Minute), newSecret)
	case 3:
		what = "no signature"
	case 4:
		what, signature = "a changed body", simulate.Sign(body, now, newSecret)
		body = bytes.Replace(body, []byte("4500"), []byte("0001"), 1)
	case 5:
		what, body = "no event", []byte(`{"hello":"world"}`)
		signature = simulate.Sign(body, now, oldSecret)
	case 6:
		what, body = "a nest of brackets", []byte(`{"id":"evt_nest","type":"a","data":`+strings.Repeat("[", 1<<18)+strings.Repeat("]", 1<<18)+`}`)
		signature = simulate.Sign(body, now, oldSecret)
	default:
		what, body = refusals[pick-7].what, []byte(refusals[pick-7].body)
		signature = simulate.Sign(body, now, newSecret)
	}
	s.ledger.noteForgery(forgery{what, s.post(ctx, body, signature)})
	return 0
}
