package ingest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"time"
)

// testSecret signs what tests post unless they say otherwise.
const testSecret = "whsec_testing"

// sign signs as Stripe documents it, with no code of Stripe's or the ingester's.
func sign(secret string, at time.Time, body string) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + digest(secret, t, body)
}

func digest(secret, t, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, t+"."+body)
	return hex.EncodeToString(mac.Sum(nil))
}

// sample is an event with that id, spaced in a way that no encoder would reproduce.
func sample(id string) string { return sampleOf(id, "checkout.session.completed", false) }

func sampleOf(id, kind string, live bool) string {
	return fmt.Sprintf("{\n  \"id\": %q ,\"object\":\"event\",\n\t\"api_version\": \"2023-10-16\", \"created\": 1700000000,\n"+
		"  \"data\": {\"object\": {\"id\": \"cs_test_1\", \"id2\":1.50, \"customer_email\": \"someone@example.org\", \"type\":\"inner\"}},\n"+
		"  \"livemode\": %t, \"pending_webhooks\": 1, \"type\": %q}\n", id, live, kind)
}
