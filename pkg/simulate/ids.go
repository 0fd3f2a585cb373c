package simulate

import (
	"crypto/sha256"
	"math/rand/v2"
	"strings"
	"time"
)

// Stripe's ids are a prefix and a generation digit, then the time, what the account's ids have in common,
// and randomness. So ids made later sort later, byte by byte, which keeps a database's index warm.
const (
	eventPrefix   = "evt_1"
	intentPrefix  = "pi_3"
	chargePrefix  = "ch_3"
	refundPrefix  = "re_3"
	disputePrefix = "du_1"
	sessionPrefix = "cs_test_a1"

	timeLength    = 6
	accountLength = 9
	randomLength  = 8
	sessionLength = 56 // sessions are all randomness

	digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" // in the order of their bytes
)

// IDs are the names of the objects of one purchase.
type IDs struct {
	Session string // cs_…
	Intent  string // pi_…
	Charge  string // ch_…, of the payment that goes through
	Dispute string // du_…
	Refund  string // re_…
}

// id makes an id as of a time: 24 characters after the prefix's underscore.
func (s *Stripe) id(prefix string, at time.Time) string {
	return prefix + timestamp(at) + s.account + base62(s.random, randomLength)
}

// EventID makes the id of an event, as of now.
func (s *Stripe) EventID() string { return s.id(eventPrefix, s.now()) }

func (s *Stripe) sessionID() string { return sessionPrefix + base62(s.random, sessionLength) }

// timestamp writes whole seconds so that they sort as bytes, until the year 3769.
func timestamp(at time.Time) string {
	n := uint64(max(at.Unix(), 0)) // #nosec G115 -- not negative
	var out [timeLength]byte
	for i := timeLength - 1; i >= 0; i-- {
		out[i] = digits[n%62]
		n /= 62
	}
	return string(out[:])
}

func base62(random *rand.Rand, length int) string {
	var out strings.Builder
	out.Grow(length)
	for range length {
		out.WriteByte(digits[random.IntN(len(digits))])
	}
	return out.String()
}

// Derive fills the ids that are missing so that the same registration, or the same given ids, always give
// the same others: a session's follows from the registration, an intent's from its session, a charge's from
// its intent, a dispute's and a refund's from their charge. The empty registration derives from the first
// id that is given.
func Derive(registration string, given IDs) IDs {
	root := registration
	for _, id := range []string{given.Intent, given.Charge, given.Dispute, given.Refund} {
		if root == "" {
			root = id
		}
	}
	ids := given
	derive(&ids.Session, sessionPrefix, root)
	derive(&ids.Intent, intentPrefix, ids.Session)
	derive(&ids.Charge, chargePrefix, ids.Intent)
	derive(&ids.Dispute, disputePrefix, ids.Charge)
	derive(&ids.Refund, refundPrefix, ids.Charge)
	return ids
}

func derive(id *string, prefix, from string) {
	if *id != "" {
		return
	}
	random := rand.New(rand.NewChaCha8(sha256.Sum256([]byte(prefix + from)))) // #nosec G404 -- names, not secrets
	length := timeLength + accountLength + randomLength
	if prefix == sessionPrefix {
		length = sessionLength
	}
	*id = prefix + base62(random, length)
}
