package ingest

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"
)

// signatureHeader is where Stripe puts its signature: "t=1495999758,v1=<hex>,v1=<hex>,v0=<hex>", one v1 for
// each secret that is active while one is rolled.
const signatureHeader = "Stripe-Signature"

// verifier checks Stripe's signatures. The HMAC is stripe-go's (hmac.Equal, so constant time); what stripe-go
// lets pass is checked here: future times, several times, an empty secret.
type verifier struct {
	secrets   []string // none empty
	tolerance time.Duration
}

// verify returns which secret signed the body, or a refusal that names what is wrong. A time out of
// tolerance is only reported of a genuine signature: it then means a replay or a clock, not a forgery.
func (v verifier) verify(now time.Time, header string, body []byte) (secret int, bad *refusal) {
	if header == "" {
		return 0, refuse(signatureMissing, "")
	}
	signedAt, problem := readSignature(header)
	if problem != "" {
		return 0, refuse(signatureMalformed, problem)
	}
	secret, ok := v.signer(header, body)
	if !ok {
		return 0, refuse(signatureWrong, "")
	}
	limit := int64(v.tolerance / time.Second)
	switch age := now.Unix() - signedAt; {
	case age > limit:
		return 0, refuse(signatureOld, fmt.Sprintf("It was signed %d seconds ago; the limit is %d.", age, limit))
	case age < -limit:
		return 0, refuse(signatureFuture, fmt.Sprintf("It was signed %d seconds ahead of this server's clock; the limit is %d.", -age, limit))
	}
	return secret, nil
}

func (v verifier) signer(header string, body []byte) (index int, ok bool) {
	for i, secret := range v.secrets {
		if webhook.ValidatePayloadIgnoringTolerance(body, header, secret) == nil {
			return i, true
		}
	}
	return 0, false
}

// readSignature returns the Unix second at which the header says that it was signed, or what is wrong with its
// form. Like stripe-go it skips schemes other than v1 and v1 values that are not hex.
func readSignature(header string) (signedAt int64, problem string) {
	times, usable := 0, 0
	for pair := range strings.SplitSeq(header, ",") {
		key, value, found := strings.Cut(pair, "=")
		if !found || strings.Contains(value, "=") {
			return 0, "It is not a list of key=value."
		}
		switch key {
		case "t":
			t, err := strconv.ParseUint(value, 10, 63)
			if err != nil {
				return 0, "Its time t is not a Unix time in seconds."
			}
			signedAt = int64(t) // #nosec G115 -- 63 bits
			times++
		case "v1":
			if _, err := hex.DecodeString(value); err == nil {
				usable++
			}
		}
	}
	switch {
	case times != 1:
		return 0, fmt.Sprintf("It has %d times t instead of one.", times)
	case usable == 0:
		return 0, "It has no v1 signature in hexadecimal."
	}
	return signedAt, ""
}
