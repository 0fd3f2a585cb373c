package stripeevent

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/educareschool/guichet/pkg/registration"
)

// FuzzDecode looks for bodies that make Decode panic, fail without saying that they are undecodable, or
// return what PostgreSQL could not store.
func FuzzDecode(f *testing.F) {
	for kind := range readers {
		f.Add([]byte(event(kind, paidSession)))
		f.Add([]byte(event(kind, `{"id":"x_1","charge":{"id":"ch_1","payment_intent":"pi_1"},"payment_intent":{"id":"pi_1"},"status":"failed",`+
			`"amount":1e99,"evidence_details":{"due_by":1791000000},"next_action":{"redirect_to_url":{"url":"https://x"}},`+
			`"last_payment_error":{"message":"a\u0000b","code":"c","decline_code":"d"},"charges":{"data":[{"id":"ch_1"}]}}`)))
	}
	f.Add([]byte(`{"id":"evt_1","type":"v2.core.event","created":"2026-09-21T14:13:20.123Z"}`))
	f.Add([]byte(`{"id":"evt_1","id":"evt_2","type":"ping","account":"acct_1"}`))
	f.Add([]byte("{\"id\":\"evt_\xff\",\"type\":\"\\ud800\"}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := Decode(body, Filter{Accounts: []string{"*"}})
		if err != nil {
			if !errors.Is(err, ErrUndecodable) || e != (Event{}) {
				t.Fatalf("got %+v and %v", e, err)
			}
			return
		}
		if (e.Fact == nil) != (e.Ignored != "") {
			t.Errorf("fact %v, ignored %q", e.Fact, e.Ignored)
		}
		ids := []string{e.ID, e.Type, e.APIVersion, e.Account, e.Registration}
		if e.Fact != nil {
			ids = append(ids, e.Fact.ID, e.Fact.Session, e.Fact.Intent, e.Fact.Charge, e.Fact.Dispute, e.Fact.Refund)
		}
		for _, id := range ids {
			if len(id) > maxID || !storable(id) {
				t.Errorf("%q is no id", id)
			}
		}
		if e.ID == "" || e.Type == "" || !storable(e.Ignored) || !storableTime(e.Created) {
			t.Errorf("got %+v", e)
		}
		if e.Fact != nil {
			checkFact(t, *e.Fact)
		}
	})
}

// FuzzCopies overwrites bodies that were read, and looks whether what was read of them changes.
func FuzzCopies(f *testing.F) {
	for kind := range readers {
		f.Add([]byte(event(kind, paidSession)))
		f.Add([]byte(event(kind, `{"id":"x_1","charge":"ch_1","payment_intent":"pi_1","latest_charge":"ch_1","status":"failed","currency":"eur",`+
			`"reason":"r","failure_reason":"f","cancellation_reason":"c","next_action":{"redirect_to_url":{"url":"https://x"}},`+
			`"last_payment_error":{"message":"m","code":"c","decline_code":"d"},"metadata":{"registrationId":"reg-1"}}`)))
	}
	f.Add([]byte(`{"id":"evt_1","type":"ping","api_version":"2023-10-16","account":"acct_1","created":1790000000}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		read := slices.Clone(body)
		e, err := Decode(read, Filter{Accounts: []string{"*"}})
		envelope, refused := ReadEnvelope(read)
		for i := range read {
			read[i] = 'x'
		}
		again, _ := Decode(body, Filter{Accounts: []string{"*"}})
		if err == nil && !reflect.DeepEqual(e, again) {
			t.Errorf("%+v became %+v", again, e)
		}
		if known, _ := ReadEnvelope(body); refused == nil && envelope != known {
			t.Errorf("%+v became %+v", known, envelope)
		}
	})
}

// FuzzFact puts any object into an event of each type that tells a fact.
func FuzzFact(f *testing.F) {
	kinds := slices.Sorted(maps.Keys(readers))
	for i := range kinds {
		f.Add(uint8(i), []byte(paidSession))
		f.Add(uint8(i), []byte(`{"id":"x_1","object":"x","charge":"ch_1","payment_intent":"pi_1","status":"lost","refunded":true,"created":1790000000,`+
			`"latest_charge":{"id":"ch_1"},"last_payment_error":{"charge":"ch_1","message":"no"},"metadata":{"registrationId":"reg-1"}}`))
		f.Add(uint8(i), []byte(`{"id":{"id":{"id":1}},"charge":[],"payment_intent":{},"amount":-0.5,"metadata":[{"registrationId":null}]}`))
	}
	f.Fuzz(func(t *testing.T, kind uint8, object []byte) {
		body := event(kinds[int(kind)%len(kinds)], string(object))
		e, err := Decode([]byte(body), Filter{})
		switch {
		case err != nil && !errors.Is(err, ErrUndecodable):
			t.Fatal(err)
		case err != nil || e.Fact == nil:
		default:
			checkFact(t, *e.Fact)
			if e.Registration != "" && !usableID(e.Registration) {
				t.Errorf("%q is no registration", e.Registration)
			}
		}
	})
}

// FuzzScan holds what is read of a body to other readers of JSON.
func FuzzScan(f *testing.F) {
	for _, body := range scanned() {
		f.Add([]byte(body))
	}
	f.Fuzz(checkScan)
}

func checkFact(t *testing.T, f registration.Fact) {
	t.Helper()
	for _, s := range []string{f.Currency, f.Reason, f.Message, f.Code, f.DeclineCode, f.ActionURL, f.Outcome} {
		if !storable(s) {
			t.Errorf("%q cannot be stored", s)
		}
	}
	if f.Kind == "" || f.Created.IsZero() || f.Session+f.Intent+f.Charge == "" {
		t.Errorf("the fact says too little: %+v", f)
	}
	if !storableTime(f.Created) || !storableTime(f.IntentCreated) || !storableTime(f.DueBy) {
		t.Errorf("the fact's times cannot be stored: %+v", f)
	}
}

// storable says whether PostgreSQL takes a text.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func storableTime(at time.Time) bool {
	return at.IsZero() || at.Year() >= 1970 && at.Year() < 9999 && at.Location() == time.UTC
}
