package stripeevent

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/educareschool/guichet/pkg/simulate"
)

// The benchmarks are about the event that confirms a payment.
func benchmarkBody() []byte {
	now := time.Unix(1_790_000_000, 0)
	return simulate.New(rand.New(rand.NewPCG(1, 2)), func() time.Time { return now }).Payment("reg-00000001").Completed().Body
}

func BenchmarkDecode(b *testing.B) {
	body := benchmarkBody()
	b.ReportAllocs()
	for b.Loop() {
		e, err := Decode(body, Filter{})
		if err != nil || e.Fact == nil {
			b.Fatal(e, err)
		}
	}
}

// BenchmarkDecodeWithSDK is the whole event and its object as stripe-go's types have them.
func BenchmarkDecodeWithSDK(b *testing.B) {
	body := benchmarkBody()
	b.ReportAllocs()
	for b.Loop() {
		var e stripe.Event
		if err := json.Unmarshal(body, &e); err != nil {
			b.Fatal(err)
		}
		var session stripe.CheckoutSession
		if err := json.Unmarshal(e.Data.Raw, &session); err != nil {
			b.Fatal(err)
		}
	}
}
