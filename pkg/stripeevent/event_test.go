package stripeevent

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
)

var (
	eventTime  = time.Unix(1_790_000_000, 0).UTC()
	intentTime = time.Unix(1_789_999_000, 0).UTC()
)

// event is the body of an event of a type about an object.
func event(kind, object string) string {
	return fmt.Sprintf(`{"id":"evt_1","object":"event","api_version":"2023-10-16","created":1790000000,"livemode":false,`+
		`"type":%q,"data":{"object":%s}}`, kind, object)
}

func decode(t *testing.T, body string) Event {
	t.Helper()
	e, err := Decode([]byte(body), Filter{})
	if err != nil {
		t.Fatalf("%s\n%v", body, err)
	}
	return e
}

// refused decodes a body that can never be used.
func refused(t *testing.T, body string) {
	t.Helper()
	e, err := Decode([]byte(body), Filter{})
	if !errors.Is(err, ErrUndecodable) {
		t.Errorf("%.200s\ngot %+v and %v, want it undecodable", body, e, err)
	}
	if e != (Event{}) {
		t.Errorf("%.200s\nbeside the error there is %+v", body, e)
	}
}

// told is a case of a table: the fact that an event tells. What all facts have in common is filled in.
type told struct {
	name, kind, object string
	want               registration.Fact
}

func testTold(t *testing.T, cases []told) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := decode(t, event(c.kind, c.object))
			if e.Fact == nil {
				t.Fatalf("ignored: %s", e.Ignored)
			}
			c.want.ID, c.want.Source, c.want.Created = "evt_1", registration.FromStripe, eventTime
			if *e.Fact != c.want {
				t.Errorf("got  %+v\nwant %+v", *e.Fact, c.want)
			}
			if e.Ignored != "" {
				t.Errorf("it is ignored, too: %s", e.Ignored)
			}
			if !Handled(c.kind) {
				t.Errorf("%s is not handled", c.kind)
			}
		})
	}
}
