package traffic

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strconv"
	"time"
)

// signer makes Stripe's signatures, one after the other, without making garbage.
type signer struct {
	mac hash.Hash
	sum []byte
}

func newSigner() *signer {
	return &signer{mac: hmac.New(sha256.New, []byte(Secret))}
}

// sign appends the header's value for a body.
func (s *signer) sign(dst []byte, at time.Time, body []byte) []byte {
	var t [20]byte
	seconds := strconv.AppendInt(t[:0], at.Unix(), 10)
	s.mac.Reset()
	_, _ = s.mac.Write(seconds)
	_, _ = s.mac.Write([]byte("."))
	_, _ = s.mac.Write(body)
	s.sum = s.mac.Sum(s.sum[:0])
	dst = append(append(append(dst, "t="...), seconds...), ",v1="...)
	return hex.AppendEncode(dst, s.sum)
}
