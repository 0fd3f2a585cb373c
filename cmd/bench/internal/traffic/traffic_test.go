package traffic

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

func TestAMixHasEveryTypeOfEventThatStripeSends(t *testing.T) {
	t.Parallel()
	mix := NewMix(1, 0, 1000, 50, 5000)
	if len(mix.Purchases) != 1000 || len(mix.Events) != 5000 {
		t.Fatalf("it has %d purchases and %d events", len(mix.Purchases), len(mix.Events))
	}
	types, ids := map[string]bool{}, map[string]bool{}
	for _, e := range mix.Events {
		types[e.Type()], ids[e.ID] = true, true
		decoded, err := stripeevent.Decode(e.Body(nil), stripeevent.Filter{})
		if err != nil {
			t.Fatalf("%s: %v", e.Type(), err)
		}
		named := strings.HasPrefix(e.Type(), "charge.dispute") || strings.HasPrefix(e.Type(), "charge.refund.") || e.Type() == "refund.failed"
		if decoded.ID != e.ID || decoded.Fact != nil && !named && decoded.Registration != e.Registration() {
			t.Fatalf("%s decodes to %+v", e.Type(), decoded)
		}
	}
	var catalog []string
	for _, k := range simulate.Catalog() {
		catalog = append(catalog, k.Type)
	}
	slices.Sort(catalog)
	if got := slices.Sorted(maps.Keys(types)); !slices.Equal(got, catalog) {
		t.Errorf("its types are %v\nwanted %v", got, catalog)
	}
	if len(ids) != len(mix.Events) {
		t.Errorf("%d events have %d ids", len(mix.Events), len(ids))
	}
}

func TestStoriesShareAHundred(t *testing.T) {
	t.Parallel()
	if all := sums(stories()); all[len(all)-1] != 100 {
		t.Errorf("they add up to %d", all[len(all)-1])
	}
}

func TestARequestIsSignedAndOfItsSize(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1000, 3000, 20_000} {
		events := NewSame(7, 2000, size, 20)
		r := NewRequests(events)
		repeated := map[string]int{}
		for i := range r.Len() {
			repeated[r.Event(i).ID]++
		}
		if n := r.Len() - len(repeated); n < 50 || n > 150 { // a fifth of those after the first 1,500
			t.Errorf("%d of %d requests repeat an id", n, r.Len())
		}
		head, body, _ := strings.Cut(string(r.Append(nil, 42)), "\r\n\r\n")
		if !json.Valid([]byte(body)) || len(body) < size*95/100 || len(body) > size*105/100 {
			t.Errorf("the body has %d bytes, wanted %d:\n%s", len(body), size, body)
		}
		_, signature, _ := strings.Cut(head, "Stripe-Signature: ")
		signature, _, _ = strings.Cut(signature, "\r\n")
		if err := webhook.ValidatePayloadWithTolerance([]byte(body), signature, Secret, time.Minute); err != nil {
			t.Error(err)
		}
	}
}

func TestPostPostsOnEachConnectionHoweverShortTheWindow(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	posted, err := Post(t.Context(), server.Listener.Addr().String(), NewRequests(NewSame(1, 10, 1000, 0)), 3, time.Nanosecond)
	if err != nil || posted.Requests != 3 {
		t.Errorf("%d requests, %v", posted.Requests, err)
	}
}
